"""A public scene of our own, and an empty cache folder."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pooch
import pytest
import yaml
from scipy.io import savemat

from hsiattn.datasets import cards


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """No test sees, or leaves, scenes of the person who runs it."""
    monkeypatch.delenv("HSIATTN_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)


@pytest.fixture
def meadow(tmp_path, monkeypatch):
    """A data set of our own: card and files of a scene with 6 bands, of which the corrected cube lacks two."""
    rng = np.random.default_rng(5)
    cube, labels = rng.integers(0, 900, (4, 5, 6), dtype=np.int16), np.array([[0, 3, 7, 3, 0]] * 4, dtype=np.float64)
    root = tmp_path / "files"
    root.mkdir()
    savemat(root / "Meadow_corrected.mat", {"meadow_corrected": cube[..., [0, 1, 4, 5]]})
    savemat(root / "Meadow_gt.mat", {"meadow_gt": labels})
    checksum = hashlib.sha256((root / "Meadow_gt.mat").read_bytes()).hexdigest()
    card = {
        "title": "Meadow",
        "sensor": "CAM",
        "source": {"page": "https://example.org/meadow", "provider": "nobody"},
        "licence": "none",
        "cube": {
            "key": "meadow_corrected",
            "files": [{"name": "Meadow_corrected.mat"}, {"name": "Meadow.mat", "key": "meadow"}],
        },
        "labels": {"key": "meadow_gt", "files": [{"name": "meadow_GT.mat", "sha256": checksum}]},
        "height": 4,
        "width": 5,
        "pixel_size": 1.0,
        "bands": 6,
        "removed_bands": ["3-4"],
        "wavelength": {"nominal": True, "spectrometers": [{"bands": 6, "first": 400, "last": 900}]},
        "rgb": [5, 2, 1],
        "classes": [
            {"code": 3, "name": "grass", "color": "#00ff00", "pixels": 8, "attributes": ["grass", "vegetation"]},
            {"code": 7, "name": "herbs", "color": "#ff00ff", "pixels": 4},
        ],
    }
    folder = tmp_path / "cards"
    folder.mkdir()
    (folder / "meadow.yaml").write_text(yaml.safe_dump(card))
    monkeypatch.setattr(cards, "resource_folder", lambda _: folder)
    monkeypatch.setattr(cards, "resource_names", lambda _: ["meadow"])
    monkeypatch.delenv("HSIATTN_DATA", raising=False)
    return root, cube, labels


@dataclass
class Web:
    """A server on this machine that misbehaves as it is told to.

    Attributes
    ----------
    files
        Content by path.
    faults
        What goes wrong, by path: the ways of the requests in their order; afterwards nothing does.
    asked
        Path and headers of every request.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Any]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def ranges(self, path: str) -> list[str | None]:
        """The parts of a file that were asked for; None for the whole."""
        return [headers.get("range") for asked, headers in self.asked if asked == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: Web

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.close_connection = True
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.web.asked.append((self.path, headers))
        faults = self.web.faults.get(self.path, [])
        fault = faults.pop(0) if faults else None
        if self.path not in self.web.files and not isinstance(fault, (str, tuple)):
            self._answer(404, b"<html>not here</html>", {"Content-Type": "text/html"})
        elif isinstance(fault, tuple):
            getattr(self, f"_{fault[0]}")(self.web.files.get(self.path, b""), *fault[1:])
        elif isinstance(fault, str):
            getattr(self, f"_{fault}")(self.web.files.get(self.path, b""), headers)
        else:
            self._whole(self.web.files[self.path], headers)

    def _answer(self, status: int, content: bytes, headers: dict[str, str], length: int | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/octet-stream"} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def _whole(self, content: bytes, headers: dict[str, str]) -> None:
        """As servers should: with parts, as long as the file is the same."""
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        start = headers.get("range", "").removeprefix("bytes=").removesuffix("-")
        if start and headers.get("if-range", tag) == tag:
            if int(start) >= len(content):
                self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            else:
                span = f"bytes {start}-{len(content) - 1}/{len(content)}"
                self._answer(206, content[int(start) :], {"ETag": tag, "Content-Range": span})
        else:
            self._answer(200, content, {"ETag": tag})

    def _cut(self, content: bytes, size: int) -> None:
        """Less than was announced."""
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        self._answer(200, content[:size], {"ETag": tag}, len(content))

    def _stall(self, content: bytes, size: int) -> None:
        """A beginning, then silence."""
        self._cut(content, size)
        self.wfile.flush()
        self.web.over.wait(30)

    def _without_parts(self, content: bytes, headers: dict[str, str]) -> None:
        self._answer(200, content, {})

    def _without_length(self, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content)

    def _another_part(self, content: bytes, headers: dict[str, str]) -> None:
        self._answer(206, content[1:], {"Content-Range": f"bytes 1-{len(content) - 1}/{len(content)}"})

    def _page(self, content: bytes, kind: str) -> None:
        self._answer(200, b"  <!DOCTYPE html><html>Please log in</html>", {"Content-Type": kind})

    def _redirect(self, content: bytes, target: str) -> None:
        self._answer(302, b"", {"Location": target})

    def _status(self, content: bytes, status: int) -> None:
        self._answer(status, b"", {})

    def _hang_up(self, content: bytes, headers: dict[str, str]) -> None:
        self.connection.close()


@pytest.fixture
def web(monkeypatch) -> Iterator[Web]:
    """A server on this machine; whoever asks it waits a fraction of a second at most."""
    from hsiattn.datasets import transfer

    monkeypatch.setattr(transfer, "READ_SECONDS", 0.5)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Web()
    handler = type("Handler", (_Handler,), {"web": server})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.daemon_threads = True
        http.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.address = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.over.set()
        http.shutdown()
        thread.join()
