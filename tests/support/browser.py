"""Pages in a real browser: the machine's own Chromium, driven by Playwright; tests skip where there is none."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Both widths and both schemes, in two looks: contrast depends on the scheme alone, overflow on the width alone.
LOOKS = ((1400, "light"), (390, "dark"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium; for one module, as it holds an event loop that other tests could not start theirs beside."""
    program = next((path for name in NAMES if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        # Never one that Playwright would have downloaded. Its camera shows a test pattern, where a page may use it.
        running = playwright.chromium.launch(executable_path=program, args=["--use-fake-device-for-media-stream"])
        yield running
        running.close()


@contextmanager
def opened(browser: Browser, url: str, width: int = 1400, scheme: str = "light") -> Iterator[Page]:
    """Opens a page with everything folded out; on leaving, fails on errors in its console and requests that left it."""
    wrong: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.append(request.url) if not allowed(request.url, url) else None)
    page.goto(url)
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    try:
        yield page
        assert not wrong, wrong
    finally:
        context.close()


def allowed(requested: str, url: str) -> bool:
    """Says whether a request stays with the page: the page itself, data in it, and where it is served, its server."""
    if requested.startswith(("data:", "blob:")) or requested.split("#")[0] == url.split("#")[0]:
        return True
    server = "/".join(url.split("/")[:3])
    return url.startswith("http") and requested.startswith(f"{server}/")


def check_page(browser: Browser, url: str) -> None:
    """Holds a page to what every page must be, wide and narrow, light and dark.

    No error in the console, no request that leaves it, every picture there, nothing wider than the window, and no
    serious or critical violation that axe-core finds, contrast and alternative texts included.
    """
    lost = "[...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => `no picture: ${i.alt}`)"
    for width, scheme in LOOKS:
        with opened(browser, url, width, scheme) as page:
            wrong = [*page.evaluate(lost), *violations(page)]
            wide = page.evaluate("document.documentElement.scrollWidth")
            wrong += [f"{wide} pixels wide"] if wide > width else []
            wrong += page.evaluate(_OFF_SCREEN)
            assert not wrong, f"at {width} pixels, {scheme}: {wrong}"


# Charts that are on the screen are there whole, or scroll with the labels of their rows in view; no text is cut off.
_OFF_SCREEN = """[...document.querySelectorAll('.chart svg:not(.frozen)')].flatMap(s => {
  if (!s.checkVisibility()) return [];
  const name = s.closest('.chart').querySelector('figcaption').textContent, box = s.getBoundingClientRect();
  const labels = s.parentNode.querySelector('.frozen')?.getBoundingClientRect(), wrong = [];
  if (box.right > innerWidth && !(labels && labels.left >= 0 && labels.right < 0.8 * innerWidth)) {
    wrong.push(`${name}: ends at ${Math.round(box.right)} of ${innerWidth} pixels`);
  }
  const texts = [...s.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
  for (const [text, at] of texts) {
    if (at.left < box.left - 2 || at.right > box.right + 2) wrong.push(`${name}: ${text} is cut off`);
  }
  return wrong;
})"""


def violations(page: Page) -> list[str]:
    """What axe-core finds that is serious or critical, each with the first element it is about."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {rule['help']}: {rule['nodes'][0]['html'][:200]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]


def column(page: Page, table: int, place: int) -> list[str]:
    """The shown texts of one column of a table."""
    script = "([t, c]) => [...document.querySelectorAll('table')[t].tBodies[0].rows].map(r => r.cells[c].textContent)"
    found: list[str] = page.evaluate(script, [table, place])
    return found
