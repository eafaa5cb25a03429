"""A stand-in for Kaggle's downloads on this machine, which the real client is led to by a proxy variable."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from support.warm_client import warm_downloads

SECRET = "0123456789abcdef0123456789abcdef"
_STAMP = "Fri, 01 Nov 2019 00:00:00 GMT"


@dataclass
class Kaggle:
    """What the stand-in answers, and what it was asked.

    Attributes:
        content: the zip.
        status: of the answer to a call; 200 redirects to the zip.
        message: Kaggle's words beside another status.
        drops: how many bytes come before the connection breaks, download by download; then all.
        page: status and body of the file's address once the first connection broke, instead of the rest of the zip.
        asked: the calls and the ranges of the file, in order.
    """

    content: bytes = b""
    status: int = 200
    message: str = ""
    drops: list[int] = field(default_factory=list)
    page: tuple[int, bytes] | None = None
    asked: list[str] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    """Runs the stand-in and leads the client to it, with credentials in the environment and an empty home."""
    kaggle = Kaggle()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(kaggle))
    kaggle.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    forget_credentials(home, monkeypatch)
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", SECRET)
    monkeypatch.setenv("http_proxy", kaggle.address)
    try:
        with TemporaryDirectory() as folder:
            warm_downloads(monkeypatch, Path(folder))
            yield kaggle
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def forget_credentials(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what this machine knows of Kaggle and of proxies."""
    for name in [*os.environ]:
        if name.startswith("KAGGLE") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))


def _handler(kaggle: Kaggle) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            call = self.path.rsplit("/", 1)[-1]
            kaggle.asked.append(f"{call} {body.get('competitionName', '')}".strip())
            if call == "IntrospectToken":
                self._json(200, {"active": True, "username": "someone"})
            elif kaggle.status != 200:
                self._json(kaggle.status, {"code": kaggle.status, "message": kaggle.message})
            else:
                self.send_response(302)
                self.send_header("Location", "http://localhost/files/archive.zip?X-Signature=" + SECRET)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            again = any(line.startswith("file") for line in kaggle.asked)
            kaggle.asked.append(f"file {wanted or 'whole'}")
            if kaggle.page is not None and again:
                self.send_response(kaggle.page[0])
                self._send(kaggle.page[1], "text/html", len(kaggle.page[1]))
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            self.send_response(206 if wanted else 200)
            rest = kaggle.content[start:]
            self._send(rest[: kaggle.drops.pop(0)] if kaggle.drops else rest, "application/zip", len(rest))

        def _json(self, status: int, value: Any) -> None:
            content = json.dumps(value).encode()
            self.send_response(status)
            self._send(content, "application/json", len(content))

        def _send(self, content: bytes, kind: str, length: int) -> None:
            for name, value in (
                ("Content-Type", kind),
                ("Content-Length", str(length)),
                ("Last-Modified", _STAMP),
                ("ETag", '"one"'),
                ("Accept-Ranges", "bytes"),
                ("Connection", "close"),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Stays silent."""

    return Handler
