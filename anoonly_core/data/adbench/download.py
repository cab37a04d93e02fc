"""Download of one file: complete and verified, or an error that says how to fix it.

The error messages name the environment variables of adbench/files.py.
"""

from __future__ import annotations

import importlib.util
import os
import ssl
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from requests.utils import select_proxy
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError
from urllib3.util import parse_url

from anoonly_core.errors import AnoOnlyError, DatasetUnavailable, DownloadFailed
from anoonly_core.files import PART_SUFFIX, temporary_file

__all__ = ["ByteProgress", "Limits", "Source", "download"]

CHUNK = 1 << 16  # bytes
STALE_PART_S = 24 * 3600.0
MAX_REDIRECTS = 5
DEFAULT_PORTS = {"http": 80, "https": 443}
CERTIFICATE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # in the order of requests
PROXY_SCHEMES = ("http", "https")
NO_SOCKS = "is a SOCKS proxy, which needs the package PySocks"
SOCKS_SCHEMES = ("socks4", "socks4a", "socks5", "socks5h")

# Called with the bytes so far and the total bytes, None while unknown.
ByteProgress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Limits:
    """Time and size limits of a download, in seconds (_s) and bytes.

    Attributes
    ----------
    connect_s, read_s
        Timeouts of a connection attempt and of the wait for the next bytes.
    window_s, least_bytes_per_s
        An attempt fails if its mean rate over `window_s` is below `least_bytes_per_s`.
    max_bytes
        Most bytes to accept where the size of the file is unknown.
    pauses_s
        Pause before each retry; there are as many retries as entries.
    """

    connect_s: float = 10.0
    read_s: float = 30.0
    window_s: float = 30.0
    least_bytes_per_s: float = 1024.0
    max_bytes: int = 2 << 30
    pauses_s: tuple[float, ...] = (1.0, 3.0)


@dataclass(frozen=True)
class Source:
    """File to download: name in messages, URL, and size in bytes; None if the size is unknown."""

    name: str
    url: str
    bytes: int | None = None


class _RetryError(Exception):
    """A temporary failure of a transfer; `final` is the error to raise after the last retry."""

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
    """Download a file beside `target`, verify it, then move it to `target`, replacing a file there.

    Blocks until the download ends, retrying temporary failures. An interrupted or wrong download
    never replaces `target`. A redirect to another scheme, host or port is not followed.
    Temporary files in the folder that no download has written to for a day (`STALE_PART_S`) are deleted.

    Parameters
    ----------
    source
        File to download.
    target
        Path of the file; missing folders are created.
    is_genuine
        Called with the path of the complete temporary file; returns True if it is the right file.
    limits
        Timeouts, size limit and pauses before retries.
    progress
        Called with the bytes so far and the total bytes, None while unknown. The bytes never
        decrease, even after a retry. An exception that it raises ends the download.

    Raises
    ------
    DatasetUnavailable
        If there is no network or the server lacks the file.
    DownloadFailed
        If the download fails otherwise, the file is not genuine, or the folder cannot be written.
    """
    with _writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        _delete_stale_parts(target.parent)
    # Concurrent downloads of one file write separate parts; the last to finish replaces an equal file.
    # The part's mode follows the umask, so a group can share the cache.
    with _part_file(target.parent) as part:
        _transfer(source, part, limits, progress)
        with _writing(target.parent):
            if not is_genuine(part):
                what = "came as another file (its checksum differs; a proxy may have answered instead)"
                raise _failure(source, what)
            part.replace(target)


def _delete_stale_parts(folder: Path) -> None:
    """Delete temporary files of interrupted downloads in a folder, last written over `STALE_PART_S` seconds ago."""
    for part in folder.glob(f"*{PART_SUFFIX}"):
        with suppress(OSError):  # another process may delete it or hold it open
            if time.time() - part.stat().st_mtime > STALE_PART_S:
                part.unlink()


def _transfer(source: Source, part: Path, limits: Limits, progress: ByteProgress | None) -> None:
    """Download the whole body of `source` to the file `part`, retrying temporary failures and reporting progress.

    Raise the error of the last attempt after the last retry.
    """
    reported = 0
    for pause in (*limits.pauses_s, None):
        try:
            with closing(_receive(source, part, limits)) as chunks:
                for done, total in chunks:
                    if progress is not None and done > reported:
                        reported = done
                        progress(done, total)
            return
        except _RetryError as retry:
            if pause is None:
                raise retry.final from retry.__cause__
            time.sleep(pause)


def _receive(source: Source, part: Path, limits: Limits) -> Generator[tuple[int, int | None], None, None]:
    """Download the body of `source` to the file `part` in one attempt, replacing its content.

    Yield, per chunk, the bytes written so far and the total bytes, None if unknown. Raise DownloadFailed if
    the body has more bytes than the source, or than `max_bytes` if its size is unknown.
    """
    most = limits.max_bytes if source.bytes is None else source.bytes
    done = 0
    with _writing(part.parent), part.open("wb") as file, closing(_chunks(source, limits)) as chunks:
        for chunk, total in chunks:
            done += len(chunk)
            if done > most:
                raise _failure(source, f"came with more than the {most} bytes that it may have")
            file.write(chunk)
            yield done, total
        file.flush()
        os.fsync(file.fileno())


def _chunks(source: Source, limits: Limits) -> Generator[tuple[bytes, int | None], None, None]:
    """Request the file once and yield the chunks of its body, each with the total bytes or None if unknown.

    Raises only AnoOnlyError and, for a temporary failure, _RetryError; an OSError in the caller therefore comes
    from the disk.
    """
    _check_settings(source)
    try:
        with _Session() as session, closing(_answer(session, source, limits)) as response:
            _check_status(source, response.status_code)
            body = response.raw
            announced: int | None = body.length_remaining
            plain = response.headers.get("Content-Encoding", "identity") == "identity"
            total = source.bytes if source.bytes is not None else announced if plain else None
            started, before = time.monotonic(), 0
            # read1 returns the bytes received so far; read would wait for a whole chunk.
            while chunk := body.read1(CHUNK, decode_content=True):
                yield chunk, total
                elapsed = time.monotonic() - started
                if elapsed >= limits.window_s:
                    if body.tell() - before < limits.least_bytes_per_s * elapsed:
                        raise _interrupted(source, "the data came too slowly")
                    started, before = time.monotonic(), body.tell()
            # tell counts the transferred bytes, as Content-Length does, even if they are compressed.
            expected = announced if announced is not None else source.bytes if plain else None
            if expected is not None and body.tell() < expected:
                raise _interrupted(source, "the connection broke off")
    except (requests.RequestException, HTTPError) as error:
        raise _network_error(source, limits, error) from error
    except OSError as error:  # of requests or ssl, which do not wrap all of them
        reason = str(error.strerror or error).rstrip(".")
        raise _failure(source, f"could not be downloaded ({reason})") from error


class _Session(requests.Session):
    """Session that follows no redirect; requests would read the body of a redirect whole, even without following it."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None for any response, so that no redirect is followed."""


def _answer(session: requests.Session, source: Source, limits: Limits) -> requests.Response:
    """Request the file and return the response, its status unchecked and its body not yet read.

    Up to `MAX_REDIRECTS` redirects are followed within the scheme, host and port of the source; another redirect
    raises DownloadFailed. A server could otherwise make this machine send requests into the local network.
    """
    url = source.url
    for _ in range(MAX_REDIRECTS + 1):
        response = session.get(
            url,
            stream=True,
            timeout=(limits.connect_s, limits.read_s),
            headers={"Accept-Encoding": "identity"},
        )
        if not response.is_redirect:
            return response
        response.close()
        target = _redirect_target(url, response.headers["location"])
        if target is None:
            what = "could not be downloaded (the server redirects to another server)"
            raise _failure(source, what, "set ANOONLY_MIRROR to the server that has the files")
        url = target
    raise _failure(source, f"could not be downloaded (the server redirects more than {MAX_REDIRECTS} times)")


def _redirect_target(url: str, location: str) -> str | None:
    """Return the absolute URL for the `location` header of a redirect from `url`.

    Return None if its scheme, host or port differ from those of `url`, or if it cannot be parsed.
    """
    try:
        target = urljoin(url, location)
        return target if _origin(target) == _origin(url) else None
    except ValueError:  # it cannot be parsed
        return None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)


def _check_settings(source: Source) -> None:
    """Raise DownloadFailed if the environment sets an unusable certificate file or proxy for the URL of a source."""
    try:
        with requests.Session() as session:
            settings = session.merge_environment_settings(source.url, {}, None, None, None)
        proxy = select_proxy(source.url, settings["proxies"])
    except (ValueError, requests.RequestException):  # the address itself is wrong, and the request says so
        return
    if isinstance(settings["verify"], str) and source.url.lower().startswith("https:"):
        _check_certificates(source, settings["verify"])
    if proxy:
        _check_proxy(source, proxy)


def _check_certificates(source: Source, path: str) -> None:
    """Raise DownloadFailed unless `path` is a readable file of certificates or a readable folder.

    The content of a folder is not checked.
    """
    try:
        if os.path.isdir(path):
            os.listdir(path)
        else:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:  # ssl.SSLError is one
        reason = "holds no certificates" if isinstance(error, ssl.SSLError) else f"cannot be read: {error.strerror}"
        variable = _variable(CERTIFICATE_VARIABLES, path)
        raise _failure(
            source,
            f"could not be downloaded (the certificate file {path}, named by {variable}, {reason})",
            f"set {variable} to a file with certificates or remove it",
        ) from error


def _check_proxy(source: Source, proxy: str) -> None:
    """Raise DownloadFailed if `proxy` is not a valid proxy address; the message omits the address with its password."""
    scheme = source.url.partition(":")[0].lower()
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    variable = _variable(names, proxy)
    problem = _proxy_problem(proxy)
    if problem:
        remedy = f"set {variable} to an address such as http://10.0.0.5:3128 or remove it"
        if problem == NO_SOCKS:
            remedy = f"install it with pip install PySocks, or set {variable} to an HTTP proxy"
        raise _failure(source, f"could not be downloaded (the proxy in {variable} {problem})", remedy)


def _proxy_problem(proxy: str) -> str:
    """Return the reason why an address cannot be that of a proxy, to end a sentence about the proxy; "" if it can."""
    try:
        parsed = parse_url(proxy if "://" in proxy else f"http://{proxy}")
        (parsed.host or "").strip("[]").encode("idna")
    except (HTTPError, UnicodeError):
        return "has no valid address"
    if parsed.scheme in SOCKS_SCHEMES and importlib.util.find_spec("socks") is None:
        return NO_SOCKS
    if parsed.scheme not in (*PROXY_SCHEMES, *SOCKS_SCHEMES):
        return "has an address of an unknown kind"
    return "" if parsed.host else "has no valid address"


def _variable(names: Iterable[str], value: str) -> str:
    """Return the first of these environment variables that has this value, else words for the system settings."""
    return next((name for name in names if os.environ.get(name) == value), "the network settings of the system")


def _check_status(source: Source, status: int) -> None:
    """Raise an error unless the HTTP status is 200: _RetryError if temporary, DatasetUnavailable for 404 and 410."""
    if status in (404, 410):
        what = f"is not on this machine and the server has no such file ({status})"
        raise _failure(source, what, "set ANOONLY_MIRROR to a server that has it", DatasetUnavailable)
    if status != 200:
        failure = _failure(source, f"could not be downloaded (the server answered {status})")
        raise _RetryError(failure) if status in (408, 429) or status >= 500 else failure


def _network_error(source: Source, limits: Limits, error: Exception) -> Exception:
    """Return the error to raise in place of an error of requests or urllib3.

    Returns a _RetryError if the failure may be temporary, else a DatasetUnavailable or DownloadFailed.
    """
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
        return _RetryError(offline)
    if isinstance(error, (requests.Timeout, ReadTimeoutError)):
        return _interrupted(source, f"no data came for {limits.read_s:g} s")
    if isinstance(error, requests.exceptions.SSLError):
        variable = next((name for name in CERTIFICATE_VARIABLES if os.environ.get(name)), None)
        trust = f" with the certificates of {variable}" if variable else ""
        return _interrupted(source, f"no trusted connection could be made{trust}")
    if isinstance(error, (requests.ConnectionError, HTTPError)):
        return _interrupted(source, "the connection broke off")
    return _failure(source, "has an address that cannot be used", "check ANOONLY_MIRROR")


def _interrupted(source: Source, why: str) -> _RetryError:
    return _RetryError(_failure(source, f"could not be downloaded ({why})"))


def _failure(
    source: Source,
    what: str,
    remedy: str = "try again later",
    kind: type[AnoOnlyError] = DownloadFailed,
) -> AnoOnlyError:
    """Build an error whose message says which file failed, `what` happened, and the remedies.

    Parameters
    ----------
    source
        File that could not be downloaded.
    what
        Failure, to follow the name of the file in a sentence; also stored as `reason`.
    remedy
        First of the remedies in the message.
    kind
        Class of the error.
    """
    error = kind(
        f"{source.name} {what}: {remedy}, set ANOONLY_DATA to a folder that holds it, "
        "or use a bundled data set such as digits_3."
    )
    error.reason = what
    return error


@contextmanager
def _part_file(folder: Path) -> Iterator[Path]:
    """Yield the path of a new temporary file in a folder, deleted on exit; raise DownloadFailed if that fails."""
    with ExitStack() as stack:
        with _writing(folder):
            part = stack.enter_context(temporary_file(folder))
        yield part


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Context that turns an OSError into a DownloadFailed which says that `folder` cannot be written."""
    try:
        yield
    except OSError as error:
        raise DownloadFailed(
            f"The cache folder {folder} cannot be written ({error.strerror}): "
            "make room or give access there, or set ANOONLY_CACHE to another folder."
        ) from error
