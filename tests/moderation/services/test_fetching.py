"""Bringing a model in: from a folder, over a network that fails, refused when it is code, and scored on both engines."""

import hashlib
import os
import pickle
import shutil
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from moderation.scoring.catalog import ModelMissing, Shelf
from moderation.scoring.choice import Chosen
from moderation.scoring.onnx import OnnxScorer
from moderation.scoring.samples import PARITY_TEXTS
from moderation.services import fetching
from moderation.services.fetching import Fetched, FetchFailed, Request
from tests.moderation.services import tiny

pytestmark = [pytest.mark.detoxify, pytest.mark.slow]
for _module in ("detoxify", "onnx", "torch"):
    pytest.importorskip(_module, reason="needs the extra `detoxify`")


def fetch(request: Request, shelf: Path, said: list[str] | None = None, seen: list[int] | None = None) -> Fetched:
    def progress(done: int, _total: int | None) -> None:
        if seen is not None:
            seen.append(done)

    def say(line: str) -> None:
        if said is not None:
            said.append(line)

    return fetching.fetch(request, shelf, bar=lambda _: nullcontext(progress), say=say)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("origin"), "original")


@pytest.fixture
def copied(original: Path, tmp_path: Path) -> Path:
    """A folder as an operator carries it here."""
    folder: Path = shutil.copytree(original.parent, tmp_path / "carried")
    return folder


class Mirror(ThreadingHTTPServer):
    """Serves a folder, can be cut off after some bytes, and knows which parts it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cut_after: int | None = None
        self.asked: list[str | None] = []
        super().__init__(("127.0.0.1", 0), MirrorHandler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class MirrorHandler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        path = self.server.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        start = 0
        if wanted and self.headers.get("If-Range") == etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", etag)
        self.end_headers()
        part = content[start:]
        if self.server.cut_after is not None and path.suffix == ".ckpt":
            part = part[: self.server.cut_after]
            self.close_connection = True
        self.wfile.write(part)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def mirror(copied: Path) -> Iterator[Mirror]:
    server = Mirror(copied)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def over_the_network(mirror: Mirror) -> Request:
    (checkpoint,) = mirror.folder.glob("*.ckpt")
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    return Request(name="original", origin=f"{mirror.url}/{checkpoint.name}", base=mirror.url, sha256=digest)


@pytest.mark.parametrize("name", list(tiny.KINDS))
def test_a_carried_folder_becomes_a_model_that_both_engines_score_alike(name: str, tmp_path: Path) -> None:
    checkpoint = tiny.write(tmp_path / "carried", name)
    made = fetch(Request(name=name, origin=str(checkpoint.parent), unpinned=True), tmp_path / "models")
    assert made.parity.holds
    shelf = Shelf(tmp_path / "models")
    ours, theirs = shelf.scorer(Chosen(name)), shelf.scorer(Chosen(name, "detoxify"))
    assert ours.attributes == theirs.attributes
    assert {"toxicity", "identity_attack", "severe_toxicity"} <= set(ours.attributes)
    assert (ours.engine, theirs.engine) == ("onnx", "detoxify")
    assert theirs.version == f"{name}+{made.sha256[:8]}-detoxify"
    assert {path.name for path in (tmp_path / "models").iterdir()} == {name}
    first = [scores["toxicity"] for scores in theirs.score(list(PARITY_TEXTS))]
    assert max(first) - min(first) > 0.02, "the texts have to be told apart for the comparison to mean anything"


def test_batches_by_length_give_the_scores_of_one_by_one(copied: Path, tmp_path: Path) -> None:
    from moderation.scoring.detoxify import DetoxifyScorer

    folder = fetch(Request(name="original", origin=str(copied), unpinned=True), tmp_path / "models").folder
    alone = DetoxifyScorer(folder, device="cpu").score(list(PARITY_TEXTS))
    together = DetoxifyScorer(folder, device="cpu", batch_tokens=512)
    sizes: list[int] = []
    predict = together._model.predict

    def counted(texts: list[str]) -> Any:
        sizes.append(len(texts))
        return predict(texts)

    together._model.predict = counted
    for one, other in zip(alone, together.score(list(PARITY_TEXTS)), strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    assert max(sizes) > 4
    assert sum(sizes) >= len(PARITY_TEXTS)


def test_a_download_that_was_cut_off_goes_on_where_it_ended(mirror: Mirror, tmp_path: Path) -> None:
    mirror.cut_after = 100_000
    with pytest.raises(FetchFailed, match="What arrived is kept"):
        fetch(over_the_network(mirror), tmp_path / "models")
    assert not (tmp_path / "models" / "original").exists()
    mirror.cut_after = None
    seen: list[int] = []
    assert fetch(over_the_network(mirror), tmp_path / "models", seen=seen).parity.holds
    assert "bytes=100000-" in mirror.asked
    assert seen[0] > 100_000


def test_a_file_that_changed_since_the_cut_is_fetched_anew(mirror: Mirror, tmp_path: Path) -> None:
    mirror.cut_after = 100_000
    with pytest.raises(FetchFailed):
        fetch(over_the_network(mirror), tmp_path / "models")
    mirror.cut_after = None
    (checkpoint,) = mirror.folder.glob("*.ckpt")
    import torch

    content = torch.load(checkpoint, weights_only=True)
    content["state_dict"]["classifier.bias"] += 0.5
    torch.save(content, checkpoint)
    assert fetch(over_the_network(mirror), tmp_path / "models").sha256 == over_the_network(mirror).sha256


def test_without_network_the_fault_says_what_to_copy_where(copied: Path, tmp_path: Path) -> None:
    refused = "http://127.0.0.1:1/toxic.ckpt"
    with pytest.raises(FetchFailed) as failure:
        fetch(Request(name="unbiased", origin=refused, unpinned=True), tmp_path / "models")
    said = str(failure.value)
    assert "ConnectError" in said
    assert "toxic_debiased-c7548aa0.ckpt" in said
    assert "roberta-base/resolve/main/tokenizer.json" in said
    assert "tidegate models fetch unbiased --from FOLDER" in said


def test_a_folder_that_lacks_a_file_is_told_which(copied: Path, tmp_path: Path) -> None:
    (copied / "tokenizer.json").unlink()
    with pytest.raises(FetchFailed, match=r"has no tokenizer\.json of bert-base-uncased"):
        fetch(Request(name="original", origin=str(copied), unpinned=True), tmp_path / "models")


class Bomb:
    def __reduce__(self) -> Any:
        return (os.mkdir, ("exploded",))


def test_a_pickle_that_is_code_is_refused_and_not_run(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.chdir(tmp_path)
    (checkpoint,) = copied.glob("*.ckpt")
    for written in (lambda: torch.save({"state_dict": Bomb()}, checkpoint), lambda: checkpoint.write_bytes(pickle.dumps(Bomb()))):
        written()
        with pytest.raises(FetchFailed, match="is not opened"):
            fetch(Request(name="original", origin=str(copied), unpinned=True), tmp_path / "models")
        assert not (tmp_path / "exploded").exists()
    assert not (tmp_path / "models" / "original").exists()


def test_only_weights_and_classes_for_classifying_are_taken(copied: Path, tmp_path: Path) -> None:
    import torch

    (checkpoint,) = copied.glob("*.ckpt")
    content = torch.load(checkpoint, weights_only=True)
    content["config"]["arch"]["args"]["model_name"] = "pipeline"
    torch.save(content, checkpoint)
    with pytest.raises(FetchFailed, match="no checkpoint in Detoxify's format"):
        fetch(Request(name="original", origin=str(copied), unpinned=True), tmp_path / "models")


def test_an_unknown_digest_is_printed_and_has_to_be_accepted(copied: Path, tmp_path: Path) -> None:
    (checkpoint,) = copied.glob("*.ckpt")
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    with pytest.raises(FetchFailed, match=f"{digest}(.|\n)*--accept-unpinned"):
        fetch(Request(name="original", origin=str(copied)), tmp_path / "models")
    with pytest.raises(FetchFailed, match=f"is {digest}, not {'0' * 64}"):
        fetch(Request(name="original", origin=str(copied), sha256="0" * 64, unpinned=True), tmp_path / "models")
    said: list[str] = []
    fetch(Request(name="original", origin=str(copied), unpinned=True), tmp_path / "models", said)
    assert any(digest in line and "does not begin with the c1212f89" in line for line in said)


def test_a_model_that_is_fetched_again_stays_until_the_new_one_is_checked(copied: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    fetch(Request(name="original", origin=str(copied), unpinned=True), models)
    before = Shelf(models).scorer(Chosen("original"))
    (checkpoint,) = copied.glob("*.ckpt")
    checkpoint.write_bytes(b"not a checkpoint")
    with pytest.raises(FetchFailed):
        fetch(Request(name="original", origin=str(copied), unpinned=True), models)
    assert OnnxScorer(models / "original").version == before.version


def test_a_folder_that_was_moved_is_put_right_when_it_is_loaded(copied: Path, tmp_path: Path) -> None:
    fetch(Request(name="original", origin=str(copied), unpinned=True), tmp_path / "models")
    text = ["You are an idiot."]
    before = Shelf(tmp_path / "models").scorer(Chosen("original", "detoxify")).score(text)
    (tmp_path / "models").rename(tmp_path / "elsewhere")
    assert Shelf(tmp_path / "elsewhere").scorer(Chosen("original", "detoxify")).score(text) == before


def test_a_process_without_room_for_torch_runs_the_exported_form(copied: Path, tmp_path: Path) -> None:
    fetch(Request(name="original", origin=str(copied), unpinned=True), tmp_path / "models")
    shelf = Shelf(tmp_path / "models", torch=False)
    shelf.use(Chosen("original", "detoxify"))
    assert shelf.scorer().engine == "onnx"
    with pytest.raises(ModelMissing):
        shelf.scorer(Chosen("original", "detoxify", version="original+00000000-detoxify"))
