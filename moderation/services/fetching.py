"""Bringing one of Detoxify's own models in: its checkpoint, the config and tokenizer of its base model, and the export.

Everything is made in a folder beside the place where it will stand, and put there whole: a model is installed or it is not, and
one that was there before stays until the new one has been checked.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from moderation.errors import TidegateError
from moderation.outbound.download import DownloadFailed, download
from moderation.scoring import detoxify, export
from moderation.scoring.samples import PARITY_TEXTS

RELEASES: Final = "https://github.com/unitaryai/detoxify/releases/download/"
HUB: Final = "https://huggingface.co/"
SHARED: Final = ("config.json", "tokenizer.json", "tokenizer_config.json")
"""Files of a base model that are needed of each; its vocabulary comes with ``tokenizer.json``."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model of Detoxify's comes from: the release's file, and the base model on the Hugging Face hub."""

    release: str
    base: str

    @property
    def url(self) -> str:
        """Address of the checkpoint."""
        return RELEASES + self.release

    @property
    def base_url(self) -> str:
        """Address below which the base model's files are."""
        return f"{HUB}{self.base}/resolve/main"

    @property
    def digits(self) -> str:
        """The 8 hex digits in the release's name: the beginning of a digest, and no proof of anything."""
        return self.release.removesuffix(".ckpt").rpartition("-")[2]


SOURCES: Final = {
    "original": Source("v0.1-alpha/toxic_original-c1212f89.ckpt", "bert-base-uncased"),
    "unbiased": Source("v0.3-alpha/toxic_debiased-c7548aa0.ckpt", "roberta-base"),
    "multilingual": Source("v0.4-alpha/multilingual_debiased-0b549669.ckpt", "xlm-roberta-base"),
    "original-small": Source("v0.1.2/original-albert-0e1d6498.ckpt", "albert-base-v2"),
    "unbiased-small": Source("v0.1.2/unbiased-albert-c8519128.ckpt", "albert-base-v2"),
}
"""Detoxify's five models; the addresses are those in its own source."""


class FetchFailed(TidegateError):
    """The model could not be brought in; the message says what to do, and nothing that was installed has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to bring in.

    ``origin`` is a file, a folder or an address instead of the release's, ``base`` likewise a folder or an address of the base
    model's files. ``sha256`` is what the checkpoint has to have; without it, ``unpinned`` accepts any.
    """

    name: str
    origin: str | None = None
    base: str | None = None
    sha256: str | None = None
    unpinned: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was installed."""

    folder: Path
    sha256: str
    parity: export.Parity
    as_named: bool


Bar = Callable[[str], Any]
"""Makes a context manager for one file's progress, giving a function that is told bytes done and bytes in all."""


def fetch(request: Request, shelf: Path, *, bar: Bar, say: Callable[[str], None]) -> Fetched:
    """Install a model on the shelf; raises `FetchFailed`, and ModuleNotFoundError without the extra ``detoxify``."""
    source = SOURCES[request.name]
    downloads = shelf / ".downloads" / request.name
    shelf.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _fresh(shelf / f".{request.name}.new") as made:
        checkpoint = _checkpoint(request, source, downloads, bar)
        digest = _sha256(checkpoint)
        _vouch(request, source, digest, say)
        _base(request, checkpoint, downloads, made / detoxify.BASE, bar)
        try:
            content = detoxify.open_foreign(checkpoint)
            detoxify.save_anew(content, made)
            manifest = {"name": request.name, "sha256": digest, "origin": request.origin or source.url}
            _write(made, manifest)
            say("exporting to ONNX int8")
            export.export(made, request.name)
            say("holding the export against Detoxify")
            parity = export.checked(made, list(PARITY_TEXTS))
        except (detoxify.CheckpointRefused, export.ExportDiffers) as error:
            raise FetchFailed(f"{error}\nNothing was installed.") from error
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            # What transformers raises for a config or tokenizer that is not the checkpoint's.
            raise FetchFailed(
                f"the checkpoint and the files of {source.base} do not make a model: {_first_line(error)}"
            ) from error
        folder = _put(made, shelf / request.name)
        detoxify.save_anew(content, folder)
    _write(folder, manifest | {"parity": asdict(parity)})
    shutil.rmtree(downloads, ignore_errors=True)
    return Fetched(folder, digest, parity, digest.startswith(source.digits))


def needed(name: str) -> str:
    """Say which files make a model and where they are, for whoever has to carry them here."""
    source = SOURCES[name]
    return "\n".join((
        "On a machine with a connection, put into one folder:",
        f"  {source.url}",
        *(f"  {source.base_url}/{file}" for file in SHARED),
        f"Copy the folder here and run: tidegate models fetch {name} --from FOLDER --sha256 DIGEST",
    ))  # fmt: skip


def installed(shelf: Path) -> list[dict[str, Any]]:
    """Return the manifests of the models on the shelf, by name."""
    return [json.loads(path.read_bytes()) for path in sorted(shelf.glob(f"[a-z]*/{detoxify.MANIFEST}"))]


def _checkpoint(request: Request, source: Source, downloads: Path, bar: Bar) -> Path:
    origin = request.origin or source.url
    if _is_address(origin):
        target = downloads / Path(origin.partition("?")[0]).name
        _download(request.name, origin, target, bar)
        return target
    path = Path(origin)
    if path.is_dir():
        found = sorted(path.glob("*.ckpt"))
        if len(found) != 1:
            raise FetchFailed(f"{path} has {len(found)} files that end in .ckpt; one is needed.\n{needed(request.name)}")
        return found[0]
    if not path.is_file():
        raise FetchFailed(f"{path} is neither a file nor a folder.\n{needed(request.name)}")
    return path


def _base(request: Request, checkpoint: Path, downloads: Path, into: Path, bar: Bar) -> None:
    source = SOURCES[request.name]
    into.mkdir()
    origin = request.base
    if origin is None and request.origin is not None and not _is_address(request.origin):
        origin = str(checkpoint.parent)
    origin = origin or source.base_url
    for file in SHARED:
        if _is_address(origin):
            _download(request.name, f"{origin.rstrip('/')}/{file}", downloads / "base" / file, bar)
            shutil.copyfile(downloads / "base" / file, into / file)
            continue
        beside = [path for path in (Path(origin) / file, Path(origin) / detoxify.BASE / file) if path.is_file()]
        if not beside:
            raise FetchFailed(f"{origin} has no {file} of {source.base}.\n{needed(request.name)}")
        shutil.copyfile(beside[0], into / file)


def _download(name: str, url: str, target: Path, bar: Bar) -> None:
    if target.is_file():
        return  # from a run that was cut off later
    try:
        with bar(target.name) as progress:
            download(url, target, progress=progress)
    except DownloadFailed as error:
        kept = "" if not target.with_name(f"{target.name}.part").exists() else " What arrived is kept: run the same again."
        raise FetchFailed(f"cannot fetch {error}.{kept}\n{needed(name)}") from error


def _vouch(request: Request, source: Source, digest: str, say: Callable[[str], None]) -> None:
    if request.sha256 is not None:
        if request.sha256.lower() != digest:
            raise FetchFailed(f"the checkpoint's SHA-256 is {digest}, not {request.sha256.lower()}; nothing was opened")
        return
    fits = "begins with" if digest.startswith(source.digits) else "does not begin with"
    found = f"the checkpoint's SHA-256 is {digest}; it {fits} the {source.digits} of the release's name, which is no proof"
    if not request.unpinned:
        raise FetchFailed(
            f"{found}\nCompare it with one that you trust and pass --sha256 {digest}, or take it as it is: --accept-unpinned"
        )
    say(found)


@contextmanager
def _fresh(folder: Path) -> Iterator[Path]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put(made: Path, place: Path) -> Path:
    before = place.with_name(f".{place.name}.old")
    shutil.rmtree(before, ignore_errors=True)
    # Without its manifest a model is not installed: it gets it back when the checkpoint points at its new place.
    (made / detoxify.MANIFEST).unlink()
    if place.exists():
        place.rename(before)
    made.rename(place)
    shutil.rmtree(before, ignore_errors=True)
    return place


def _write(folder: Path, manifest: dict[str, Any]) -> None:
    draft = folder / f"{detoxify.MANIFEST}.{os.getpid()}"
    draft.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / detoxify.MANIFEST)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_address(origin: str) -> bool:
    return origin.startswith(("http://", "https://"))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
