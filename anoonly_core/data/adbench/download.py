"""One file from one address: it arrives whole and verified, or not at all, and a failure is one sentence.

Knows of ADBench only what its sentences advise: the environment variables that adbench.py explains.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from anoonly_core.errors import AnoOnlyError, DatasetUnavailable, DownloadFailed
from anoonly_core.files import PART_SUFFIX, temporary_file

__all__ = ["ByteProgress", "Limits", "Source", "download"]

CHUNK = 1 << 16
STALE_PART_S = 24 * 3600.0

ByteProgress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Limits:
    """How long and how much a download may take: seconds (_s) and bytes, one pause before each new try."""

    connect_s: float = 10.0
    read_s: float = 30.0
    window_s: float = 30.0
    least_bytes_per_s: float = 1024.0
    max_bytes: int = 2 << 30
    pauses_s: tuple[float, ...] = (1.0, 3.0)


@dataclass(frozen=True)
class Source:
    """What is downloaded: its name in sentences, its address, and its size in bytes where that is known."""

    name: str
    url: str
    bytes: int | None = None


class _Retry(Exception):
    """A transfer failed in a way that may pass; `final` is the error to raise once the tries are spent."""

    def __init__(self, final: AnoOnlyError) -> None:
        super().__init__(str(final))
        self.final = final


def download(
    source: Source,
    target: Path,
    is_genuine: Callable[[Path], bool],
    limits: Limits,
    progress: ByteProgress | None = None,
) -> None:
    """Bring a file to `target`; whatever ends it early, only one that is_genuine ever gets that name.

    progress is called with (bytes so far, whole size or None), rising also over a new try; what it raises
    ends the download. Raises DatasetUnavailable (no network, or the server has no such file) or
    DownloadFailed.
    """
    with _writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
    # Concurrent downloads of one file write separate parts; the last to finish replaces an equal file.
    # The part's mode follows the umask, so a group can share the cache.
    with temporary_file(target.parent) as part:
        _transfer(source, part, limits, progress)
        with _writing(target.parent):
            if not is_genuine(part):
                what = "came as another file (its checksum differs; a proxy may have answered instead)"
                raise _failure(source, what)
            part.replace(target)


def _sweep(folder: Path) -> None:
    """Remove the unfinished downloads of processes that were killed; a living one has written since."""
    for part in folder.glob(f"*{PART_SUFFIX}"):
        with suppress(OSError):  # another process may sweep too, or own it
            if time.time() - part.stat().st_mtime > STALE_PART_S:
                part.unlink()


def _transfer(source: Source, part: Path, limits: Limits, progress: ByteProgress | None) -> None:
    """Write the whole body to `part`, with new tries after failures that may pass."""
    reported = 0
    for pause in (*limits.pauses_s, None):
        try:
            with closing(_receive(source, part, limits)) as steps:
                for done, total in steps:
                    if progress is not None and done > reported:
                        reported = done
                        progress(done, total)
            return
        except _Retry as retry:
            if pause is None:
                raise retry.final from retry.__cause__
            time.sleep(pause)


def _receive(source: Source, part: Path, limits: Limits) -> Generator[tuple[int, int | None], None, None]:
    """Write one try's body to `part`, yielding (bytes so far, whole size or None)."""
    most = limits.max_bytes if source.bytes is None else source.bytes
    done = 0
    with _writing(part.parent), part.open("wb") as file, closing(_pieces(source, limits)) as pieces:
        for piece, total in pieces:
            done += len(piece)
            if done > most:
                raise _failure(source, f"came with more than the {most} bytes that it may have")
            file.write(piece)
            yield done, total
        file.flush()
        os.fsync(file.fileno())


def _pieces(source: Source, limits: Limits) -> Generator[tuple[bytes, int | None], None, None]:
    """Yield the body of the source's address as (bytes, whole size or None).

    Raises only AnoOnlyError and _Retry, so that an OSError further out is the disk's.
    """
    try:
        with requests.get(
            source.url,
            stream=True,
            timeout=(limits.connect_s, limits.read_s),
            headers={"Accept-Encoding": "identity"},
        ) as response:
            _check_status(source, response.status_code)
            body = response.raw
            announced: int | None = body.length_remaining
            plain = response.headers.get("Content-Encoding", "identity") == "identity"
            total = source.bytes if source.bytes is not None else announced if plain else None
            started, before = time.monotonic(), 0
            # read1 returns what has come; read would wait for a whole chunk, however slowly it drips in.
            while piece := body.read1(CHUNK, decode_content=True):
                yield piece, total
                elapsed = time.monotonic() - started
                if elapsed >= limits.window_s:
                    if body.tell() - before < limits.least_bytes_per_s * elapsed:
                        raise _interrupted(source, "the data came too slowly")
                    started, before = time.monotonic(), body.tell()
            # tell counts bytes on the wire, as Content-Length does, also where the server compressed them.
            expected = announced if announced is not None else source.bytes if plain else None
            if expected is not None and body.tell() < expected:
                raise _interrupted(source, "the connection broke off")
    except (requests.RequestException, HTTPError) as error:
        raise _verdict(source, limits, error) from error


def _check_status(source: Source, status: int) -> None:
    """Raise unless the server answered 200."""
    if status in (404, 410):
        what = f"is not on this machine and the server has no such file ({status})"
        raise _failure(source, what, "set ANOONLY_MIRROR to a server that has it", DatasetUnavailable)
    if status != 200:
        failure = _failure(source, f"could not be downloaded (the server answered {status})")
        raise _Retry(failure) if status in (408, 429) or status >= 500 else failure


def _verdict(source: Source, limits: Limits, error: Exception) -> Exception:
    """What a network error means for the user: a _Retry if it may pass."""
    offline = _failure(
        source,
        "is not on this machine and the network cannot be reached",
        "connect and try again",
        DatasetUnavailable,
    )
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, NewConnectionError):
        return offline
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.ProxyError)):
        return _Retry(offline)
    if isinstance(error, (requests.Timeout, ReadTimeoutError)):
        return _interrupted(source, f"no data came for {limits.read_s:g} s")
    if isinstance(error, requests.exceptions.SSLError):
        return _interrupted(source, "no trusted connection could be made")
    if isinstance(error, (requests.ConnectionError, HTTPError)):
        return _interrupted(source, "the connection broke off")
    return _failure(source, "has an address that cannot be used", "check ANOONLY_MIRROR")


def _interrupted(source: Source, why: str) -> _Retry:
    return _Retry(_failure(source, f"could not be downloaded ({why})"))


def _failure(
    source: Source,
    what: str,
    remedy: str = "try again later",
    kind: type[AnoOnlyError] = DownloadFailed,
) -> AnoOnlyError:
    """The one sentence: the file's name, what happened to it, and the ways out."""
    error = kind(
        f"{source.name} {what}: {remedy}, set ANOONLY_DATA to a folder that holds it, "
        "or use a bundled data set such as digits_3."
    )
    error.reason = what
    return error


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn the disk's refusals into one sentence."""
    try:
        yield
    except OSError as error:
        raise DownloadFailed(
            f"The cache folder {folder} cannot be written ({error.strerror}): "
            "make room or give access there, or set ANOONLY_CACHE to another folder."
        ) from error
