"""The load: requests at fixed times, whether or not the server keeps up, each timed from when it was due.

A client that waits for an answer before it sends the next request hides exactly the delays that it should measure ("coordinated
omission", Gil Tene). Runs as a process of its own, ``python -m bench.generator`` with a plan as JSON on standard input, so that
the interpreter lock of whoever measures delays nothing; prints its results as JSON.
"""

import http.client
import itertools
import json
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

from bench.texts import texts

CONNECTIONS = 24

FRESH = 1.0
"""Seconds after which a connection is made anew: a server may just be closing one that was idle for longer."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send: ``rate`` requests a second for ``seconds``, texts from ``seed``."""

    port: int
    path: str
    key: str
    rate: float
    seconds: float
    seed: int


@dataclass(frozen=True, slots=True)
class Sent:
    """One request: its number, seconds since the epoch when it was due and answered, the status, and the comment's id."""

    number: int
    due: float
    answered: float
    status: int
    comment: str


def body(number: int, seed: int, text: str) -> dict[str, Any]:
    """Return a comment as a blog sends it; each has its own author, so that no flood rule stops the load."""
    page = number % 50
    return {
        "post": {"id": f"bench-{page}", "url": f"https://news.example/{page}", "title": f"Article {page}"},
        "author": {"id": f"reader-{seed}-{number}", "name": f"Reader {number}"},
        "body": text,
        "external_id": f"bench-{seed}-{number}",
    }


def run(plan: Plan) -> list[Sent]:
    """Send everything and return it in the order of the answers."""
    count = round(plan.rate * plan.seconds)
    bodies = [
        json.dumps(body(number, plan.seed, text)).encode()
        for number, text in enumerate(itertools.islice(texts(plan.seed), count))
    ]
    numbers = iter(range(count))
    done: list[Sent] = []
    # The threads are there and the texts are made before the clock starts.
    began = time.time() + 0.5

    def sender() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", plan.port, timeout=60)
        used = time.time()
        for number in numbers:
            due = began + number / plan.rate
            time.sleep(max(0.0, due - time.time()))
            if time.time() - used > FRESH:
                connection.close()
            headers = {
                "Authorization": f"Bearer {plan.key}",
                "Content-Type": "application/json",
                "Idempotency-Key": f"bench-{plan.seed}-{number}",
            }
            try:
                connection.request("POST", plan.path, bodies[number], headers)
                with connection.getresponse() as answer:
                    status, found = answer.status, json.loads(answer.read())
            except (http.client.HTTPException, OSError):
                # Counted as a failure; a new connection is made for the next one.
                connection.close()
                status, found = 0, {}
            used = time.time()
            done.append(Sent(number, due, time.time(), status, str(found.get("id", ""))))
        connection.close()

    threads = [threading.Thread(target=sender) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def main() -> int:
    """Run the plan on standard input; prints the CPU seconds used and the results."""
    plan = Plan(**json.load(sys.stdin))
    found = run(plan)
    json.dump({"cpu": time.process_time(), "sent": [asdict(sent) for sent in found]}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
