"""The demo in a real browser: a picture is dropped, and the answer can be read by everybody."""

import base64
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect
from support.browser import browser, check_page, opened, violations

from pipeline.images.store import open_store
from pipeline.inference.demo.app import HOST, make_app
from pipeline.inference.predictor import open_predictor

__all__ = ["browser"]  # a fixture
DROP = """([content, kind]) => {
  const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], 'dropped', { type: kind }));
  document.getElementById('drop').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true }));
}"""


@pytest.fixture(scope="module")
def address(browser: Browser, predicting_root: Path) -> Iterator[str]:
    """Where a demo of the convolutional model is served."""
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        samples = open_store(predicting_root / "data" / "prepared" / "test_images.npy")
        app = make_app(open_predictor(predicting_root, "cnn", keep=True), 0.05, samples)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        running = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        running.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://{HOST}:{listening.getsockname()[1]}/"
        server.should_exit = True
        running.join()


def drop(page: Page, content: bytes, kind: str = "image/png") -> None:
    page.evaluate(DROP, [base64.b64encode(content).decode(), kind])


@pytest.mark.slow
def test_the_page_can_be_read_by_everybody(browser: Browser, address: str) -> None:
    check_page(browser, address)


@pytest.mark.parametrize(("width", "scheme"), [pytest.param(1400, "light", marks=pytest.mark.slow), (400, "dark")])
def test_a_dropped_picture_is_answered_with_three_guesses_and_heat(
    browser: Browser, address: str, predicting_root: Path, width: int, scheme: str
) -> None:
    content = (predicting_root / "download" / "tiny" / "test" / "0.png").read_bytes()
    with opened(browser, address, width, scheme) as page:
        drop(page, content)
        expect(page.locator("#status")).to_have_text("Done.", timeout=30_000)
        assert page.locator("#guesses li").count() == 3
        assert "of known images look at least as unusual" in page.inner_text("#verdict")
        sizes = page.evaluate("[...document.images].map(image => image.naturalWidth)")
        assert sizes == [448, 448]
        assert not violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow  # several files are chosen below
def test_a_chosen_file_is_answered_too(browser: Browser, address: str, predicting_root: Path) -> None:
    with opened(browser, address) as page:
        page.set_input_files("#file", predicting_root / "download" / "tiny" / "test" / "1.png")
        expect(page.locator("#status")).to_have_text("Done.", timeout=30_000)


def test_several_files_are_answered_each_and_the_chosen_one_is_shown(
    browser: Browser, address: str, predicting_root: Path, tmp_path: Path
) -> None:
    folder = predicting_root / "download" / "tiny" / "test"
    (tmp_path / "broken.png").write_bytes(b"no picture")
    page = browser.new_page()  # unlike `opened` it allows that the browser logs the refusal
    page.goto(address)
    page.set_input_files("#file", [folder / "0.png", tmp_path / "broken.png", folder / "1.png"])
    expect(page.locator("#status")).to_have_text("Done; 1 of 3 could not be read.", timeout=60_000)
    assert page.locator("#list .file").all_inner_texts() == ["0.png", "broken.png", "1.png"]
    first = page.locator("#input img").get_attribute("src")
    assert page.locator("#list button").nth(0).get_attribute("aria-pressed") == "true"
    assert page.locator("#list button").nth(1).is_disabled()
    page.locator("#list button").nth(2).click()
    assert page.locator("#input img").get_attribute("src") != first
    assert not violations(page)
    page.close()


def test_a_sample_picture_can_be_tried(browser: Browser, address: str) -> None:
    with opened(browser, address, width=390) as page:
        page.get_by_role("button", name="Try a sample").click()
        expect(page.locator("#status")).to_have_text("Done.", timeout=30_000)
        assert page.locator("#guesses li").count() == 3


def test_a_file_that_is_no_picture_is_refused_in_words(browser: Browser, address: str) -> None:
    page = browser.new_page()  # unlike `opened` it allows that the browser logs the refusal
    page.goto(address)
    drop(page, b"no picture", "text/plain")
    expect(page.locator("#status")).to_have_text("The image cannot be read: not an image but text: 'no picture'.")
    assert page.locator("#result").is_hidden()
    page.close()


def later(page: Page, waits: list[int]) -> None:
    """Answers the pictures in turn, each after its wait in milliseconds, with its number as the class."""
    script = """waits => {
      let sent = 0;
      window.fetch = async () => {
        const number = sent++;
        await new Promise(done => setTimeout(done, waits[number]));
        const said = { guesses: [{ class: `${number}`, name: `picture ${number}`, probability: 1 }], unknown: false,
                       p_known: 1, seen: "data:,", heat: null };
        return { ok: true, json: async () => said };
      };
    }"""
    page.evaluate(script, waits)


def test_a_late_answer_does_not_take_the_place_of_the_picture_given_after_it(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    expect(page.locator("#about")).to_contain_text("knows")
    later(page, [300, 50])
    drop(page, b"first")
    drop(page, b"second")
    expect(page.locator("#guesses .name")).to_have_text("picture 1")
    page.wait_for_timeout(450)
    expect(page.locator("#guesses .name")).to_have_text("picture 1")
    page.close()


def test_what_is_dropped_and_no_file_is_told(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        page.evaluate(
            "document.getElementById('drop').dispatchEvent("
            "new DragEvent('drop', { dataTransfer: new DataTransfer(), bubbles: true }))"
        )
        expect(page.locator("#status")).to_contain_text("This is not a file")


def test_a_server_that_fails_without_words_is_not_taken_for_a_dead_one(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    page.route("**/predict", lambda route: route.fulfill(status=500, body="Internal Server Error"))
    drop(page, b"any")
    expect(page.locator("#status")).to_contain_text("The server failed")
    page.close()


def test_what_the_camera_sees_is_answered_and_the_camera_goes_off(browser: Browser, address: str) -> None:
    with browser.new_context(permissions=["camera"]) as context:
        page = context.new_page()
        page.goto(address)
        page.click("#camera")
        expect(page.locator("#video")).to_have_js_property("readyState", 4)  # enough to play
        page.evaluate("window.tracks = document.getElementById('video').srcObject.getTracks()")
        page.click("#shoot")
        expect(page.locator("#status")).to_have_text("Done.", timeout=30_000)
        assert page.locator("#guesses li").count() == 3
        assert page.locator("#input img").evaluate("image => image.naturalWidth") == 448
        assert page.locator("#live").is_hidden()
        assert page.evaluate("window.tracks.map(track => track.readyState)") == ["ended"]


@pytest.mark.slow
def test_a_camera_that_is_not_allowed_is_told(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        page.click("#camera")
        expect(page.locator("#status")).to_contain_text("The camera cannot be used")
        assert page.locator("#live").is_hidden()


@pytest.mark.slow
def test_a_second_click_leaves_no_camera_on(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        page.evaluate(
            """() => {
              window.streams = [];
              navigator.mediaDevices.getUserMedia = async () => {
                const canvas = document.createElement('canvas');
                canvas.getContext('2d');
                const stream = canvas.captureStream();
                window.streams.push(stream);
                return stream;
              };
            }"""
        )
        for _ in range(2):
            page.click("#camera")
            page.wait_for_timeout(200)
        states = page.evaluate("window.streams.map(stream => stream.getTracks()[0].readyState)")
        assert states == ["ended", "live"]
