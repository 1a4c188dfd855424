"""The measuring itself: texts that differ, times that count from when a request was due, figures that mean what they say."""

import itertools
import math
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from bench.generator import CONNECTIONS, Plan, Sent, run
from bench.load import Step, percentile
from bench.processes import cpu, memory
from bench.texts import LONGEST, texts
from moderation import scoring
from moderation.scoring.catalog import bundled

BUNDLED = Path(str(scoring.__file__)).parent / "bundled"


def test_texts_are_distinct_as_long_as_comments_and_the_same_for_the_same_seed() -> None:
    found = list(itertools.islice(texts(3), 400))
    assert len(set(found)) == 400
    assert found == list(itertools.islice(texts(3), 400))
    assert found != list(itertools.islice(texts(4), 400))
    words = sorted(len(text.split()) for text in found)
    assert 30 <= words[200] <= 55
    assert max(map(len, found)) <= LONGEST


def test_texts_have_the_word_pieces_and_the_tones_of_comments() -> None:
    scorer = bundled()
    tokenizer = Tokenizer.from_file(str(BUNDLED / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    found = list(itertools.islice(texts(5), 1_000))
    pieces = sorted(len(tokenizer.encode(text).ids) for text in found)
    # Of the comments of a talk page the mean is 81 and one in a hundred reaches 512; 8 in 100 score above 0.3 (model card).
    assert 70 <= sum(pieces) / len(pieces) <= 95
    assert 400 <= pieces[990] <= 700
    heated = sum(scores["toxicity"] > 0.3 for scores in scorer.score(found))
    assert 50 <= heated <= 120


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(share: float, expected: int) -> None:
    assert percentile(range(100, 0, -1), share) == expected


def test_a_percentile_of_nothing_is_not_a_number() -> None:
    assert math.isnan(percentile([], 0.5))


def test_a_backlog_counts_against_the_throughput() -> None:
    sent = [Sent(number, due=10.0 + number, answered=10.5 + number, status=202, comment=str(number)) for number in range(4)]
    late = {0: 11.0, 1: 12.0, 2: 15.0, 3: 18.0}
    step = Step(1.0, 4.0, sent, late, {}, {"worker": 0.2})
    assert step.throughput(step.decided) == pytest.approx(4 / 8)
    assert step.throughput({0: 10.1, 1: 11.1, 2: 12.1, 3: 13.1}) == pytest.approx(1.0)
    assert step.took(step.decided) == pytest.approx([1.0, 1.0, 3.0, 5.0])
    assert step.each() == {"worker": pytest.approx(50.0)}


def test_a_slow_server_does_not_slow_the_clock_of_those_who_wait_behind() -> None:
    free = threading.Event()
    waiting = threading.Semaphore(0)

    class Slow(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            waiting.release()
            free.wait(30)
            answer = b'{"id": "c"}'
            self.send_response(202)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    class Patient(ThreadingHTTPServer):
        request_queue_size = 64

    found: list[Sent] = []
    with Patient(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        plan = Plan(server.server_address[1], "/", "key", rate=400, seconds=0.1, seed=1)
        load = threading.Thread(target=lambda: found.extend(run(plan)))
        load.start()
        # All connections wait for an answer; what is due after them cannot even be sent.
        assert all(waiting.acquire(timeout=30) for _ in range(CONNECTIONS))
        let_go = time.time()
        free.set()
        load.join(60)
        server.shutdown()
    assert sorted(each.number for each in found) == list(range(40))
    assert all(each.status == 202 and each.comment == "c" for each in found)
    assert all(each.answered >= let_go for each in found)
    due = sorted(each.due for each in found)
    assert due[-1] - due[0] == pytest.approx(39 / 400, abs=1e-4)
    assert due[-1] < let_go + 0.1


def test_a_server_that_is_gone_is_a_failure_and_not_an_answer() -> None:
    (found,) = run(Plan(1, "/", "key", rate=10, seconds=0.1, seed=1))
    assert (found.status, found.comment) == (0, "")


def test_cpu_and_memory_are_those_of_this_process() -> None:
    before = cpu([os.getpid()])
    assert sum(number * number for number in range(3_000_000)) > 0
    assert cpu([os.getpid()]) > before
    resident, divided = memory(os.getpid())
    assert 0 < divided <= resident
