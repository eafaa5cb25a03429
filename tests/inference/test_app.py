"""The demo's server: what it says of a picture, and what it refuses."""

import asyncio
import base64
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from starlette.requests import Request
from starlette.types import Message

from pipeline import cli
from pipeline.images.store import open_store
from pipeline.inference.demo import app as demo
from pipeline.inference.predictor import Predictor, open_predictor

ROOT = Path(__file__).parents[2]
SENT = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def predictor(predicting_root: Path) -> Predictor:
    return open_predictor(predicting_root, "ensemble", keep=True)


@pytest.fixture(scope="module")
def client(predictor: Predictor) -> Iterator[TestClient]:
    with TestClient(demo.make_app(predictor, 0.05), base_url="http://127.0.0.1") as made:
        yield made


def picture(root: Path) -> bytes:
    return (root / "download" / "tiny" / "test" / "0.png").read_bytes()


def drawn(kind: str, size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, kind)
    return out.getvalue()


def problem(client: TestClient, content: bytes, status: int) -> str:
    answer = client.post("/predict", content=content, headers=SENT)
    assert answer.status_code == status
    return str(answer.json()["problem"])


def test_a_picture_is_answered_as_the_library_answers(
    client: TestClient, predictor: Predictor, predicting_root: Path
) -> None:
    said = client.post("/predict", content=picture(predicting_root), headers=SENT).json()
    images = open_store(predicting_root / "data" / "prepared" / "test_images.npy")[:1]
    known = predictor.predict(images)
    assert known.p_known is not None
    assert len(said["guesses"]) == 3
    assert said["guesses"][0]["probability"] == pytest.approx(float(known.probs.max()), abs=1e-6)
    assert said["p_known"] == pytest.approx(float(known.p_known[0]))
    assert said["unknown"] is bool(known.p_known[0] <= 0.05)


def test_a_body_that_does_not_come_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "BODY_SECONDS", 0.01)

    async def receive() -> Message:
        await asyncio.sleep(60)
        raise AssertionError("no deadline")

    head = [(b"content-type", demo.CONTENT_TYPE.encode())]
    request = Request({"type": "http", "method": "POST", "path": "/predict", "headers": head}, receive)
    with pytest.raises(demo.RefusedError, match=r"did not arrive within 0\.01 seconds") as caught:
        asyncio.run(demo._body(request))
    assert caught.value.status == 408


def test_the_picture_and_its_heat_come_back_large_enough_to_be_seen(client: TestClient, predicting_root: Path) -> None:
    said = client.post("/predict", content=picture(predicting_root), headers=SENT).json()
    for name in ("seen", "heat"):
        head, _, body = said[name].partition(",")
        assert head == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(body))) as shown:
            assert shown.size == (448, 448)
    assert said["seen"] != said["heat"]


def test_a_model_that_cannot_be_asked_has_no_heat(predicting_root: Path) -> None:
    with TestClient(demo.make_app(open_predictor(predicting_root, "hog"), 0.05), base_url="http://localhost") as one:
        assert one.post("/predict", content=picture(predicting_root), headers=SENT).json()["heat"] is None


@pytest.mark.parametrize("kind", ["PPM", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_common_formats_are_taken(client: TestClient, kind: str) -> None:
    assert client.post("/predict", content=drawn(kind), headers=SENT).status_code == 200


def test_what_is_no_picture_is_refused_in_a_sentence(client: TestClient, predicting_root: Path) -> None:
    assert problem(client, b"no picture", 422) == "The image cannot be read: not an image but text: 'no picture'."
    assert problem(client, b"", 422) == "The image cannot be read: empty file."
    assert problem(client, picture(predicting_root)[:200], 422).startswith("The image cannot be read: ")


def test_a_sample_is_a_picture_of_the_store_and_others_are_refused(predictor: Predictor, predicting_root: Path) -> None:
    images = open_store(predicting_root / "data" / "prepared" / "test_images.npy")
    with TestClient(demo.make_app(predictor, 0.05, images), base_url="http://127.0.0.1") as one:
        assert one.get("/about").json()["samples"] == len(images)
        with Image.open(io.BytesIO(one.get("/sample/0").content)) as shown:
            assert np.array_equal(np.asarray(shown), np.squeeze(images[0]))
        assert one.get(f"/sample/{len(images)}").status_code == 404


def test_without_samples_none_is_offered(client: TestClient) -> None:
    assert client.get("/about").json()["samples"] == 0
    assert client.get("/sample/0").status_code == 404


def test_a_file_that_is_too_large_is_refused_while_it_comes(client: TestClient) -> None:
    assert problem(client, b"x" * (demo.MAX_BYTES + 1), 413) == "The file is too large: the limit is 10 MB."


def test_a_small_file_of_too_many_pixels_is_never_decoded(client: TestClient) -> None:
    bomb = drawn("PNG", (10_000, 6_000))
    assert len(bomb) < 1_000_000
    assert "10000 x 6000 pixels are too many; 50 million are taken" in problem(client, bomb, 422)


def test_a_page_that_is_closed_while_it_sends_is_no_defect(predictor: Predictor) -> None:
    app, sent = demo.make_app(predictor, 0.05), list[Any]()
    messages = [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1"), (b"content-type", SENT["Content-Type"].encode())]
    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "headers": headers}
    asyncio.run(app(scope, receive, send))
    assert [message["status"] for message in sent if "status" in message] == [400]


def test_another_name_for_this_machine_is_refused(client: TestClient) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/", headers={"Host": "localhost:8765"}).status_code == 200


def test_what_any_page_may_send_unasked_is_not_taken(client: TestClient, predicting_root: Path) -> None:
    """A form of another site can send text/plain without the browser asking us first."""
    answer = client.post("/predict", content=picture(predicting_root), headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    asked = client.options(
        "/predict", headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    )
    assert "access-control-allow-origin" not in asked.headers


def test_the_page_asks_nobody_else(client: TestClient) -> None:
    page = client.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for path in ("/", "/style.css", "/script.js"):
        text = client.get(path).text
        assert "http://" not in text
        assert "https://" not in text
    assert client.get("/docs").status_code == 404


def test_nothing_of_a_picture_is_kept(client: TestClient, predicting_root: Path) -> None:
    before = sorted(predicting_root.rglob("*"))
    client.post("/predict", content=drawn("PNG"), headers=SENT)
    assert sorted(predicting_root.rglob("*")) == before


def test_a_port_in_use_is_told_before_anything_is_loaded(
    predicting_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(predicting_root)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cli.main(["demo", "--port", str(port)]) == 1
    assert f"port {port} is not available" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_serves_until_it_is_interrupted_and_ends_cleanly(predicting_root: Path) -> None:
    started = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "demo", "hog", "--port", "0"],
        cwd=predicting_root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "opening hog: its networks take some seconds\n"
    address = started.stdout.readline().split()[3]
    with urllib.request.urlopen(address) as page:
        assert b"What does this image show?" in page.read()
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=120)
    assert (out, err, started.returncode) == ("stopped\n", "", 0)


@contextmanager
def serving(seconds: float, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[tuple[str, int], set[Any]]]:
    """Serves a long answer, with so many seconds for the head of a request; yields the address, and who is there."""
    monkeypatch.setattr(demo, "HEAD_SECONDS", seconds)
    app = FastAPI()
    app.add_api_route("/long", lambda: "x" * 20_000_000)
    server = uvicorn.Server(uvicorn.Config(app, http=demo.ImpatientProtocol, log_level="error"))
    with socket.socket() as listening:
        listening.bind((demo.HOST, 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listening.getsockname(), server.server_state.connections
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT"])
def test_a_connection_without_a_whole_request_is_closed(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(0.1, monkeypatch) as (address, _), socket.create_connection(address, timeout=20) as connection:
        connection.sendall(begun)
        received = b""
        while part := connection.recv(4096):
            received += part
    assert received.count(b"HTTP/1.1 404") == begun.count(b"\r\n\r\n")


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
def test_a_connection_on_which_nobody_reads_the_answer_is_closed(more: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(0.1, monkeypatch) as (address, there), socket.create_connection(address, timeout=20) as connection:
        connection.sendall(b"GET /long HTTP/1.1\r\nHost: a\r\n" + more + b"\r\n")
        wait(lambda: len(there) == 1)
        wait(lambda: not there)


def test_a_connection_whose_answer_is_read_too_slowly_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    received = 0
    with serving(0.1, monkeypatch) as (address, there), socket.create_connection(address, timeout=20) as connection:
        connection.sendall(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        wait(lambda: len(there) == 1)
        with suppress(ConnectionResetError):
            while there and (part := connection.recv(200_000)):
                received += len(part)
                time.sleep(0.05)
        wait(lambda: not there)
    assert received < 15_000_000


def test_more_connections_than_the_demo_holds_are_closed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "MOST_CONNECTIONS", 2)
    with serving(20.0, monkeypatch) as (address, there):
        held = [socket.create_connection(address, timeout=20) for _ in range(6)]
        ends = [each.recv(1) if number > 3 else None for number, each in enumerate(held)]
        assert ends[4:] == [b"", b""]
        assert len(there) == 4
        for each in held:
            each.close()


def wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)
