"""The acceptance run: a thousand real comments through a running Tidegate while its parts are killed in turn.

``python dev/thousand.py --home .tidegate FILE`` posts the texts of FILE (CSV with a header, TSV, or JSON lines; gzip or not) to
the instance whose home that is, kills the moderate worker, its child, the relay and Valkey with SIGKILL one after the other, and
then demands that every comment is decided or before a human, that every announced event arrived at its own receiver, and that the
library ``standardwebhooks`` verifies each of them. The instance must be started with TIDEGATE_WEBHOOK_ALLOW=127.0.0.1.
"""

import argparse
import csv
import gzip
import io
import itertools
import json
import os
import random
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

TARGETS: dict[str, Callable[[str], bool]] = {
    "moderate child": lambda line: "billiard.spawn" in line or "billiard.forking" in line,
    "moderate worker": lambda line: "celery" in line and "moderate" in line,
    "relay": lambda line: "workers.relay" in line,
    "valkey": lambda line: "valkey-server" in line,
    "deliver worker": lambda line: "celery" in line and "--queues deliver" in line,
}
DECIDED = {"comment.approved", "comment.flagged", "comment.rejected"}


def texts(path: Path, column: str | None) -> Iterator[str]:
    """Yield the comments of a file, without empty ones and ones that are too long to be accepted."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    name = path.name.removesuffix(".gz")
    stream = io.StringIO(data.decode("utf-8", "replace"))
    rows: Iterator[dict[str, str]]
    if name.endswith((".jsonl", ".ndjson", ".json")):
        rows = (json.loads(line) for line in stream if line.strip())
    else:
        rows = csv.DictReader(stream, delimiter="\t" if name.endswith(".tsv") else ",")
    for row in rows:
        wanted = column or next(found for found in ("comment_text", "text", "body", "comment") if found in row)
        text = "".join(char for char in str(row[wanted]) if char.isprintable() or char in "\n\t").strip()
        if 0 < len(text) <= 10_000:
            yield text


class Api:
    """A client that does not give up: what a blog's server does, with an idempotency key for every comment."""

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url = base_url
        self.key = key
        self.repeated = 0

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Send a request until it is answered; raises on an answer that no repetition mends."""
        data = json.dumps(body).encode() if body is not None else None
        for pause in itertools.chain((0.05, 0.1, 0.2, 0.5), itertools.repeat(1.0, 60)):
            request = urllib.request.Request(
                self.base_url + path,
                data=data,
                method=method,
                headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **headers},
            )
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                if error.code < 500 and error.code != 429:
                    raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()[:300]}") from None
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            self.repeated += 1
            time.sleep(pause)
        raise RuntimeError(f"{method} {path}: no answer")


class Receiver:
    """A webhook endpoint that verifies what it gets and keeps the ids."""

    def __init__(self) -> None:
        self.secret = ""
        self.seen: dict[str, bytes] = {}
        self.bad: list[str] = []
        self.doubled = 0
        lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with lock:
                    try:
                        Webhook(receiver.secret).verify(body, headers)
                    except WebhookVerificationError as error:
                        receiver.bad.append(str(error))
                    name = headers.get("webhook-id", "")
                    if name in receiver.seen:
                        receiver.doubled += 1
                        if receiver.seen[name] != body:
                            receiver.bad.append(f"{name} came with another body")
                    receiver.seen[name] = body
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_address[1]}/"


def processes(home: Path, is_target: Callable[[str], bool]) -> list[int]:
    """Return the ids of an installation's processes whose command line is the target's."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        # Valkey writes its title over its environment; its working directory is below the home.
        ours = f"TIDEGATE_HOME={home}".encode() in environment or _below(entry / "cwd", home)
        if ours and is_target(line):
            found.append(int(entry.name))
    return sorted(found)


def _below(link: Path, home: Path) -> bool:
    try:
        return link.readlink().is_relative_to(home)
    except OSError:
        return False


def kill_in_turn(home: Path, stop: threading.Event, every: float, killed: Counter[str]) -> None:
    """Kill one part after the other until told to stop."""
    for name in itertools.cycle(TARGETS):
        if stop.wait(every):
            return
        for pid in processes(home, TARGETS[name]):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed[name] += 1


def await_true(what: str, condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition; says so when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            print(f"  waited {seconds:.0f} s in vain: {what}")
            return False
        time.sleep(0.25)
    return True


class Run:
    """One acceptance run against one instance."""

    def __init__(self, home: Path, chosen: list[str]) -> None:
        self.home = home
        self.chosen = chosen
        self.demo = json.loads((home / "demo.json").read_text())
        self.name = f"run-{int(time.time())}"
        self.api = Api(self.demo["base_url"], self.demo["secret_key"])
        self.receiver = Receiver()
        self.receiver.secret = self.api.call("POST", "/v1/endpoints", {"url": self.receiver.url})["secret"]
        self.position = 0
        self.announced: dict[str, dict[str, Any]] = {}
        self.ids: list[str] = []
        self.read_feed()
        self.announced.clear()

    def submit(self, number: int) -> str:
        """Send one comment and return its id."""
        body = {
            "post": {
                "id": f"{self.name}-{number % 20}",
                "url": f"{self.demo['demo_blog_url']}/{self.name}/{number % 20}",
                "title": "A page",
            },
            "author": {"id": f"{self.name}-reader-{number % 400}", "name": f"Reader {number % 400}"},
            "body": self.chosen[number],
            "external_id": f"{self.name}-{number}",
        }
        made: str = self.api.call("POST", "/v1/comments", body, **{"Idempotency-Key": f"{self.name}-{number}"})["id"]
        return made

    def pending(self) -> bool:
        """Tell whether any of our comments is undecided."""
        waiting = self.api.call("GET", "/v1/comments?status=pending&limit=200")["items"]
        return any(item["id"] in set(self.ids) for item in waiting)

    def read_feed(self) -> None:
        """Read the feed to its present end."""
        while True:
            page = self.api.call("GET", f"/v1/events?after={self.position}&limit=500")
            self.announced.update({event["id"]: event for event in page["items"] if event["type"] in DECIDED})
            if page["next"] == self.position:
                return
            self.position = page["next"]

    def all_announced(self) -> bool:
        """Tell whether the feed has a decision for each of our comments."""
        self.read_feed()
        return {event["data"]["comment"]["id"] for event in self.announced.values()} >= set(self.ids)

    def queued(self) -> set[str]:
        """Return the comments that wait for a human."""
        found: set[str] = set()
        after = ""
        while True:
            page = self.api.call("GET", f"/v1/cases?limit=100{after}")
            found |= {case["comment"]["id"] for case in page["items"]}
            if not page["next"]:
                return found
            after = f"&after={page['next']}"

    def judge(self) -> bool:
        """Compare what was sent with what is stored, waiting or announced; true when nothing was lost or changed."""
        views = {comment: self.api.call("GET", f"/v1/comments/{comment}") for comment in self.ids}
        statuses = Counter(view["status"] for view in views.values())
        lost = {comment for comment, view in views.items() if view["status"] == "flagged"} - self.queued()
        wrong = [comment for comment, text in zip(self.ids, self.chosen, strict=True) if views[comment]["body"] != text]
        verified = set(self.announced) & set(self.receiver.seen)
        print(f"statuses: {dict(statuses)}; flagged without a case: {len(lost)}; texts changed: {len(wrong)}")
        print(
            f"webhooks: {len(self.announced)} announced, {len(verified)} received and verified by standardwebhooks, "
            f"{self.receiver.doubled} of them more than once, {len(self.receiver.bad)} bad"
        )
        for fault in self.receiver.bad[:5]:
            print(f"  {fault}")
        return not lost and not wrong and not self.receiver.bad and len(set(self.ids)) == len(self.chosen)


def main() -> int:
    """Run; 0 when nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("file", type=Path)
    parser.add_argument("--home", type=Path, default=Path(".tidegate"))
    parser.add_argument("--column")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two kills; 0 kills nothing")
    options = parser.parse_args()
    chosen = list(texts(options.file, options.column))
    random.Random(options.seed).shuffle(chosen)
    run = Run(options.home.resolve(), chosen[: options.count])
    stop, killed = threading.Event(), Counter[str]()
    if options.every:
        threading.Thread(target=kill_in_turn, args=(run.home, stop, options.every, killed), daemon=True).start()
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        run.ids = list(pool.map(run.submit, range(len(run.chosen))))
    seconds = time.monotonic() - began
    print(f"{len(run.ids)} comments accepted in {seconds:.1f} s, {run.api.repeated} requests repeated")
    fine = await_true("every comment decided while parts are being killed", lambda: not run.pending(), 300)
    stop.set()
    print(f"decided {time.monotonic() - began:.1f} s after the first was sent; killed: {dict(killed)}")
    fine &= await_true("every decision in the feed", run.all_announced, 60)
    fine &= await_true("every announced event received", lambda: set(run.announced) <= set(run.receiver.seen), 120)
    fine &= run.judge()
    print("nothing was lost" if fine else "FAILED")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
