"""Fetching a large file that an operator asked for: it goes on where it was cut off, and is there whole or not at all.

What arrived lies in ``NAME.part`` beside the target, with the server's mark of the version in ``NAME.part.etag``. A server that
has another version by now, or that cannot send a part, sends all of it, and the download begins anew.
"""

from collections.abc import Callable
from pathlib import Path

import httpx2

CONNECT = 15.0
READ = 60.0
STARTED_ANEW, GOES_ON, BEYOND_THE_END = 200, 206, 416

Progress = Callable[[int, int | None], None]
"""Told how many bytes are there and how many there will be, where the server says so."""


class DownloadFailed(Exception):
    """The file could not be fetched; what arrived is kept, and another try goes on from there."""


def download(url: str, target: Path, *, progress: Progress = lambda _done, _total: None) -> None:
    """Fetch ``url`` into ``target``; raises `DownloadFailed`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part, mark = target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.part.etag")
    try:
        with httpx2.Client(follow_redirects=True, timeout=httpx2.Timeout(READ, connect=CONNECT)) as client:
            _fetch(client, url, part, mark, progress)
    except httpx2.HTTPError as error:
        raise DownloadFailed(f"{url}: {type(error).__name__}") from error
    part.replace(target)
    mark.unlink(missing_ok=True)


def _fetch(client: httpx2.Client, url: str, part: Path, mark: Path, progress: Progress) -> None:
    there = part.stat().st_size if part.exists() and mark.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if there:
        headers |= {"Range": f"bytes={there}-", "If-Range": mark.read_text(encoding="utf-8")}
    with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code == BEYOND_THE_END and there:
            mark.unlink()  # what is there does not fit what the server has: the next try begins anew
            raise DownloadFailed(f"{url}: what arrived so far does not fit the file; try again")
        if answer.status_code not in {STARTED_ANEW, GOES_ON}:
            raise DownloadFailed(f"{url}: HTTP {answer.status_code}")
        goes_on = answer.status_code == GOES_ON
        if goes_on and not answer.headers.get("content-range", "").startswith(f"bytes {there}-"):
            raise DownloadFailed(f"{url}: the server sent another part than was asked for")
        done = there if goes_on else 0
        length = answer.headers.get("content-length", "")
        total = done + int(length) if length.isascii() and length.isdigit() else None
        etag = answer.headers.get("etag", "")
        if etag and not etag.startswith("W/"):
            mark.write_text(etag, encoding="utf-8")
        else:
            mark.unlink(missing_ok=True)
        with part.open("ab" if goes_on else "wb") as file:
            for chunk in answer.iter_bytes():  # as it arrives: a chunk that waits to be full is lost with the line
                file.write(chunk)
                done += len(chunk)
                progress(done, total)
    if total is not None and done != total:
        raise DownloadFailed(f"{url}: the connection ended after {done} of {total} bytes")
