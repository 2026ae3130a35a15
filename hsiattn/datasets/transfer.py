"""Files from the web that arrive whole or not at all, and go on where they were interrupted.

`pooch.retrieve` begins anew after every interruption and replaces files that it does not know, hence this.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from hsiattn.errors import DatasetError
from hsiattn.files.text import printable
from hsiattn.version import __version__

if TYPE_CHECKING:
    from requests import Response, Session

Told = Callable[[str, int, int | None], None]
"""Called with the name of a file, the bytes that are there, and all bytes, None where the server does not say."""

CONNECT_SECONDS = 15.0
"""Seconds that a server may take to answer a call."""

READ_SECONDS = 60.0
"""Seconds that a server may be silent in the middle of a file."""

_ATTEMPTS = 5
"""Calls to one server for one file; most are there to go on after it has broken off."""
_FRUITLESS = 2
"""Calls in a row that bring nothing."""
_REDIRECTS = 5
_CHUNK = 2**14
_MOST_BYTES = 2**34


class TransferError(Exception):
    """A server does not give a file; the message is one phrase that names the server."""


class _BrokenOffError(TransferError):
    """A server has stopped in the middle, or is not reached: it may be asked again."""


def part_of(target: Path) -> Path:
    """Where a file grows: `cube.mat` → `.cube.mat.part`."""
    return target.with_name(f".{target.name}.part")


def discard(part: Path) -> None:
    """Remove what has arrived of a file."""
    for path in (part, _record_of(part)):
        path.unlink(missing_ok=True)


def transfer(url: str, part: Path, *, name: str, trusted: bool, told: Told | None = None) -> None:
    """Bring a file from a server to `part`, going on with what is there already.

    Parameters
    ----------
    url
        Address, of http or https.
    part
        Where the file grows. It stays when the transfer is broken off, with a record of where it came from beside it.
    name
        What the file is called where progress is told.
    trusted
        Whether the checksum of the file is known, so that a part from another server may be gone on with. Otherwise
        the server has to confirm that its file is still the same.
    told
        Hears of progress.

    Raises
    ------
    TransferError
        The server is not reached, refuses, breaks off again and again, or sends a web page.
    DatasetError
        The part cannot be written.
    """
    import requests

    fruitless = 0
    with requests.Session() as session:
        for attempt in range(1, _ATTEMPTS + 1):
            before = _size(part)
            try:
                _call(session, url, part, name, trusted, told)
            except _BrokenOffError:
                fruitless = 0 if _size(part) > before else fruitless + 1
                if attempt == _ATTEMPTS or fruitless == _FRUITLESS:
                    raise
            else:
                return


def _call(session: Session, url: str, part: Path, name: str, trusted: bool, told: Told | None) -> None:
    """Ask once for what is missing of a file."""
    record = _read_record(part)
    start = _size(part)
    validator = record.get("validator") if record.get("url") == url else None
    if not (trusted or validator):
        start = 0
    headers = {"Accept-Encoding": "identity", "User-Agent": f"hsiattn/{__version__}"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = str(validator)
    with _errors_of(url), _open(session, url, headers) as response:
        start, total = _place(response, url, start, part)
        if start and start == total:
            return
        _refuse_pages(response, url)
        _write_record(part, {"url": url, "validator": _validator(response)})
        _copy(response, url, part, start, total, name, told)


@contextmanager
def _errors_of(url: str) -> Iterator[None]:
    """Say in words what went wrong on the way to a server."""
    import requests
    import urllib3

    host = _host(url)
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise TransferError(f"the certificate of {host} is not accepted") from error
    except requests.exceptions.ProxyError as error:
        raise TransferError(f"the proxy to {host} cannot be reached") from error
    except (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError) as error:
        raise _BrokenOffError(f"{host} stopped sending") from error
    except requests.exceptions.ConnectionError as error:
        raise _BrokenOffError(f"{host} cannot be reached") from error
    except (urllib3.exceptions.HTTPError, requests.exceptions.ChunkedEncodingError) as error:
        raise _BrokenOffError(f"{host} broke off") from error
    except requests.exceptions.RequestException as error:
        raise TransferError(f"{host} cannot be asked ({type(error).__name__})") from error


def _open(session: Session, url: str, headers: dict[str, str]) -> Response:
    """The answer of a server, after those that lead on to another place."""
    place = url
    for _ in range(_REDIRECTS + 1):
        response = session.get(
            place, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS), allow_redirects=False
        )
        if not response.is_redirect:
            return response
        response.close()
        target = urljoin(place, response.headers["location"])
        check_redirect(place, target)
        place = target
    raise TransferError(f"{_host(url)} leads in circles")


def check_redirect(place: str, target: str) -> None:
    """Refuse to be led where a file could be exchanged on its way, or to something that is no web server.

    Raises
    ------
    TransferError
        From https to http, or to another scheme.

    Examples
    --------
    >>> check_redirect("http://a.org/x", "https://b.org/x")
    >>> check_redirect("https://a.org/x", "http://a.org/x")
    Traceback (most recent call last):
        ...
    hsiattn.datasets.transfer.TransferError: a.org leads to an address that is not encrypted
    """
    scheme = urlsplit(target).scheme
    if scheme not in ("http", "https"):
        raise TransferError(f"{_host(place)} leads to something that is no web address")
    if scheme == "http" and urlsplit(place).scheme == "https":
        raise TransferError(f"{_host(place)} leads to an address that is not encrypted")


def _place(response: Response, url: str, start: int, part: Path) -> tuple[int, int | None]:
    """Byte with which the answer begins, and size of the whole file, None where it is not said."""
    host = _host(url)
    length = _number(response.headers.get("content-length"))
    if response.status_code == 206:
        unit, _, span = response.headers.get("content-range", "").partition(" ")
        span, _, total = span.partition("/")
        if unit.lower() == "bytes" and _number(span.partition("-")[0]) == start and start:
            return start, _number(total)
        discard(part)
        raise _BrokenOffError(f"{host} sends another part than it is asked for")
    if response.status_code == 416 and start:
        total = response.headers.get("content-range", "").rpartition("/")[2]
        if _number(total) == start:
            return start, start
        discard(part)
        raise _BrokenOffError(f"{host} has a shorter file")
    if response.status_code != 200:
        reason = printable(str(response.reason or ""), 40)
        raise TransferError(f"{host} answers {response.status_code} {reason}".rstrip())
    return 0, length


def _refuse_pages(response: Response, url: str) -> None:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise TransferError(f"{_host(url)} sends a web page instead of the file")


def _copy(
    response: Response, url: str, part: Path, start: int, total: int | None, name: str, told: Told | None
) -> None:
    """Append the answer to the part."""
    pieces = response.raw.stream(_CHUNK, decode_content=False)
    done = start
    with _written(part, start) as file:
        for piece in pieces:
            if done == 0 and looks_like_a_page(piece):
                raise TransferError(f"{_host(url)} sends a web page instead of the file")
            done += len(piece)
            if done > _MOST_BYTES:
                raise TransferError(f"{_host(url)} sends without end")
            try:
                file.write(piece)
            except OSError as error:
                raise _unwritten(part, error) from error
            if told is not None:
                told(name, done, total)
    if total is not None and done < total:
        raise _BrokenOffError(f"{_host(url)} broke off")


def looks_like_a_page(start: bytes) -> bool:
    """Whether a file begins as pages of the web and error messages in XML do, and data do not."""
    return start[:512].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


@contextmanager
def _written(part: Path, start: int) -> Iterator[Any]:
    """The part, open to append to its first `start` bytes; what comes is on the disk at the end, whatever happens."""
    try:
        with part.open("r+b" if start else "wb", buffering=0) as file:
            file.truncate(start)
            file.seek(start)
            yield file
    except DatasetError:
        raise
    except OSError as error:
        raise _unwritten(part, error) from error


def _unwritten(part: Path, error: OSError) -> DatasetError:
    return DatasetError(
        f"{part} cannot be written ({error.strerror or error})",
        "make space or choose another folder by root=, and run it again: it goes on where it stopped",
    )


def _host(url: str) -> str:
    return printable(urlsplit(url).hostname or url, 80)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _size(part: Path) -> int:
    try:
        return part.stat().st_size
    except OSError:
        return 0


def _validator(response: Response) -> str | None:
    """What names this state of the file: a strong ETag, else the time of its last change."""
    tag = response.headers.get("etag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("last-modified")


def _record_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_record(part: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        record = json.loads(_record_of(part).read_text(encoding="utf-8"))
        if isinstance(record, dict):
            return record
    return {}


def _write_record(part: Path, record: dict[str, Any]) -> None:
    """Keep where a part comes from; it is written anew in one step."""
    fresh = part.with_name(f"{part.name}.json.new")
    try:
        fresh.write_text(json.dumps(record), encoding="utf-8")
        os.replace(fresh, _record_of(part))
    except OSError as error:
        raise _unwritten(part, error) from error
