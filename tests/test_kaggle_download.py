import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import tiny

from pipeline.competition import Competition
from pipeline.config import parse
from pipeline.errors import InputError
from pipeline.source import ensure

SECRET = "0123456789abcdef0123456789abcdef"


class _Kaggle(BaseHTTPRequestHandler):
    """Answers the two calls that a download makes."""

    status = 200
    message = ""
    content = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.status != 200:
            self._send(
                json.dumps({"code": self.status, "message": self.message}).encode(), "application/json", self.status
            )
        elif self.path.endswith("DownloadDataFiles"):
            self.send_response(302)
            self.send_header("Location", "http://localhost/files/archive.zip")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._send(b'{"active": true, "username": "someone"}', "application/json")

    def do_GET(self) -> None:
        self._send(self.content, "application/zip")

    def _send(self, content: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", "Fri, 01 Nov 2019 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Stays silent."""


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Kaggle]]:
    """A stand-in for Kaggle on this machine, which the real client is led to by a proxy variable."""

    class Handler(_Kaggle):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name in [*os.environ]:
        if name.startswith("KAGGLE") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", SECRET)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_address[1]}")
    yield Handler
    server.shutdown()
    server.server_close()
    thread.join()


def _kaggle_competition() -> Competition:
    data = tiny.describe("csv_images", "label", 12, 3, ("small_cnn",), False)
    return parse({**data, "source": {"kind": "kaggle", "slug": "tiny-pets"}}, Competition, "tiny.yaml")


def test_a_kaggle_download_is_unpacked(tmp_path: Path, kaggle: type[_Kaggle]) -> None:
    kaggle.content = tiny.build(tmp_path, per_class=3, n_test=3, zipped=True).read_bytes()
    folder = ensure(tmp_path, _kaggle_competition())
    assert (folder / "train.csv").is_file()
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name, folder.name + ".json"]


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (401, "Unauthenticated", "kaggle auth login"),
        (403, "You must accept this competition's rules first", "accept the rules at .*/tiny-pets/rules"),
        (404, "Competition not found", "no such competition; correct source.slug"),
        (403, "Permission denied", "Permission denied; accept the rules at .*/tiny-pets/rules, or correct source.slug"),
    ],
)
def test_kaggles_refusals_name_the_fix_and_no_secret(
    tmp_path: Path, kaggle: type[_Kaggle], status: int, message: str, words: str
) -> None:
    kaggle.status, kaggle.message = status, f"{message} {SECRET}"
    with pytest.raises(InputError, match=words.replace("; ", r".*; ", 1)) as caught:
        ensure(tmp_path, _kaggle_competition())
    assert SECRET not in str(caught.value)


def test_kaggle_without_credentials_says_how_to_log_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("KAGGLE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputError, match="kaggle auth login"):
        ensure(tmp_path, _kaggle_competition())
