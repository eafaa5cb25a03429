"""Pages: escaped, self-contained, readable for people and machines."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser
from support.browser import browser, check_page, column, opened, violations

import pipeline.page.document as page_styles
from pipeline.page.blocks import (
    render_details,
    render_download,
    render_heading,
    render_key_figures,
    render_note,
    render_paragraph,
    render_warning,
)
from pipeline.page.chart import BLUE, CATEGORIES, HEAT, INK, open_chart, render_chart, render_sparkline
from pipeline.page.document import PageSection, list_other_pages, write_page
from pipeline.page.markup import Html, join_html, tag
from pipeline.page.pictures import Picture, encode_data_uri, render_picture_group, render_pictures, render_side_by_side
from pipeline.page.table import Column, render_table

__all__ = ["browser"]
NASTY = "<script>alert('x')</script> & \"$5\""
CLASSES = [("cat", 40, 0.4), ("bee", 9, 0.09), ("ant", None, float("nan")), ("dog", 120, 0.51)]


def bars(name: str, label: str = "a") -> Html:
    with open_chart(4, 2) as figure:
        axes = figure.subplots()
        axes.bar([label, "b"], [1, 2], color=BLUE)
        axes.set_title(label)
    return render_chart(figure, name, "two bars")


def grey(side: int) -> np.ndarray:
    return np.arange(side * side, dtype=np.int64).reshape(side, side).astype(np.uint8)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with one of everything."""
    with open_chart(5, 3) as figure:
        axes = figure.subplots()
        axes.imshow(np.eye(3), cmap=HEAT)
        axes.text(0, 0, "1", color="black")
        axes.text(1, 0, "0", color="white")
    shown = [
        Picture(grey(32), "a ramp", "small"),
        Picture(grey(100), NASTY, NASTY, render_sparkline(np.ones(4), "flat")),
    ]
    blocks = [
        render_paragraph("A sentence.", tag("strong", "Loud.")),
        render_key_figures([("images", "7,200"), (NASTY, NASTY)]),
        render_table("Images", [Column("class"), Column("images", ",d"), Column("share", ".1%")], CLASSES),
        bars("Bars", NASTY),
        bars("More bars"),
        render_chart(figure, "Heat", "a diagonal"),
    ]
    wide = [Column("class"), *(Column(f"number {number}", ".2f") for number in range(12))]
    rows: list[tuple[str | float, ...]] = [(f"class {row}", *([float(row)] * 12)) for row in range(41)]
    more = [
        render_heading("Pictures"),
        render_warning(NASTY),
        render_note(NASTY),
        render_pictures(shown),
        render_side_by_side([render_picture_group(NASTY, shown, NASTY)]),
    ]
    long = [render_details("More", render_paragraph("Folded.")), render_table("Many", wide, rows)]
    path = tmp_path_factory.mktemp("page") / "reports" / "page.html"
    sections = [PageSection("Numbers", blocks), PageSection("Pictures & words", more), PageSection("Long", long)]
    write_page(path, f"Title {NASTY}", "A lead.", sections, "made by a test")
    return path


def test_text_is_escaped_and_markup_is_not() -> None:
    made = tag("p", NASTY, tag("b", "bold"), title='a "quote"')
    assert made == (
        '<p title="a &quot;quote&quot;">&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;$5&quot;'
        "<b>bold</b></p>"
    )
    assert join_html("<", tag("br")) == "&lt;<br>"


def test_nothing_that_was_given_as_text_becomes_a_script(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("<script") == 1
    assert "&lt;script&gt;" in text


def test_a_page_names_no_address_but_those_of_vocabularies(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    addresses = {word.split('"')[0] for word in text.split('="http')[1:]}
    assert addresses <= {"://www.w3.org/2000/svg", "://www.w3.org/1999/xlink"}
    assert "default-src 'none'" in text.replace("&#x27;", "'")


def test_the_same_page_is_the_same_bytes() -> None:
    assert bars("Bars") == bars("Bars")


def test_no_two_charts_share_an_id(page: Path) -> None:
    ids = [part.split('"')[0] for part in page.read_text(encoding="utf-8").split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_colours_of_the_page_become_variables_and_others_stay() -> None:
    with open_chart(3, 2) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=CATEGORIES[5])
        axes.text(0, 0, "dark", color=INK)
        axes.text(0, 1, "white", color="white")
    svg = render_chart(figure, "Lines", "a line")
    assert "stroke: var(--c5)" in svg
    assert "fill: var(--ink)" in svg
    assert "#ffffff" in svg
    assert CATEGORIES[5] not in svg


def test_a_chart_says_its_name_and_what_it_shows() -> None:
    svg = bars("Bars")
    mark = svg.split('aria-labelledby="')[1].split("-title")[0]
    assert 'role="img"' in svg
    assert f'<title id="{mark}-title">Bars</title><desc id="{mark}-about">two bars</desc>' in svg


def test_labels_keep_dollars_and_other_alphabets() -> None:
    svg = bars("Bars", "$5 for a 猫")
    assert "$5 for a 猫</text>" in svg


def test_a_long_table_is_folded_and_a_short_one_is_not() -> None:
    short = render_table("Few", [Column("a")], [("x",)] * 40)
    long = render_table("Many", [Column("a")], [("x",)] * 41)
    assert not short.startswith("<details>")
    assert long.startswith("<details><summary>Many: all 41 rows</summary>")
    assert render_table("Few", [Column("a")], [("x",)], folded=True).startswith("<details>")


def test_a_table_keeps_whole_values_and_shows_unknown_ones_as_a_dash() -> None:
    made = render_table("T", [Column("a"), Column("b", ".1f")], [("x", 1.23456), ("y", None)])
    assert 'data-value="1.23456">1.2<' in made
    assert 'data-value="">\N{EN DASH}<' in made


def test_sections_of_one_title_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="two sections"):
        write_page(tmp_path / "x.html", "T", "", [PageSection("A b", []), PageSection("A  b!", [])])
    assert not (tmp_path / "x.html").exists()


def test_tiny_pictures_are_kept_without_loss_and_large_ones_are_small() -> None:
    assert encode_data_uri(grey(32)).startswith("data:image/png;base64,")
    assert encode_data_uri(grey(100)[..., None]).startswith("data:image/webp;base64,")


def test_the_page_holds_in_a_browser(browser: Browser, page: Path) -> None:
    check_page(browser, page.as_uri())


def test_a_click_sorts_numbers_from_the_largest_and_back_and_unknown_ones_stay_last(
    browser: Browser, page: Path
) -> None:
    with opened(browser, page.as_uri()) as there:
        head = there.get_by_role("columnheader", name="images").first
        head.get_by_role("button").click()
        assert column(there, 0, 0) == ["dog", "cat", "bee", "ant"]
        assert head.get_attribute("aria-sort") == "descending"
        head.get_by_role("button").click()
        assert column(there, 0, 0) == ["bee", "cat", "dog", "ant"]
        assert head.get_attribute("aria-sort") == "ascending"


def test_the_keyboard_sorts_text_from_its_beginning(browser: Browser, page: Path) -> None:
    with opened(browser, page.as_uri()) as there:
        there.get_by_role("columnheader", name="class").first.get_by_role("button").focus()
        there.keyboard.press("Enter")
        assert column(there, 0, 0) == ["ant", "bee", "cat", "dog"]
        assert there.get_by_role("columnheader", name="images").first.get_attribute("aria-sort") == "none"


def test_what_is_wider_than_a_phone_scrolls_within_itself_and_by_keyboard(browser: Browser, page: Path) -> None:
    with opened(browser, page.as_uri(), width=400) as there:
        box = there.get_by_role("region", name="Many")
        box.focus()
        there.keyboard.press("ArrowRight")
        # Not wait_for_function, which looks again by eval, as the page's own policy forbids.
        end = time.monotonic() + 20
        while not there.evaluate("document.activeElement.scrollLeft > 0"):
            assert time.monotonic() < end, "not in time"
            time.sleep(0.02)


def test_colours_follow_the_reader(browser: Browser, page: Path) -> None:
    found = []
    for scheme in ("light", "dark"):
        with opened(browser, page.as_uri(), scheme=scheme) as there:
            found.append(there.evaluate("getComputedStyle(document.querySelector('svg text')).fill"))
    assert found[0] != found[1]


def test_the_browser_test_sees_a_request_that_leaves(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "leaves.html"
    path.write_text('<!doctype html><html lang="en"><title>x</title><img alt="x" src="other.png">', encoding="utf-8")
    with pytest.raises(AssertionError, match=r"other\.png"), opened(browser, path.as_uri()):
        pass


def test_the_browser_test_sees_what_axe_calls_serious(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "pale.html"
    text = '<!doctype html><html lang="en"><title>x</title><main><h1>x</h1><p style="color:#ccc">pale</p></main>'
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError, match="color-contrast"):
        check_page(browser, path.as_uri())


def test_a_picture_is_enlarged_by_click_and_by_key_and_closed_by_escape(browser: Browser, page: Path) -> None:
    with opened(browser, page.as_uri()) as there:
        picture = there.get_by_role("button", name="a ramp").first
        picture.click()
        large = there.locator("dialog[open] img")
        assert large.get_attribute("alt") == "a ramp"
        box, small = large.bounding_box(), picture.bounding_box()
        assert box is not None
        assert small is not None
        assert box["width"] > 3 * small["width"]
        there.keyboard.press("Escape")
        assert not there.locator("dialog[open]").count()
        picture.focus()
        there.keyboard.press("Enter")
        assert there.locator("dialog[open]").count() == 1
        assert not violations(there)


def test_pages_of_a_run_name_each_other_and_others_once_they_are_there(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    (folder / "tuning").mkdir(parents=True)
    (folder / "tuning" / "small_cnn.html").touch()
    models = [("Data", "explore.html"), ("Tuning of small_cnn", "tuning/small_cnn.html")]
    assert list_other_pages(folder / "report.html") == models
    assert list_other_pages(folder / "tuning" / "small_cnn.html") == [
        ("Data", "../explore.html"),
        ("Models", "../report.html"),
    ]
    (folder / "best.html").touch()
    assert ("Best in the hours given", "best.html") in list_other_pages(folder / "explore.html")
    assert list_other_pages(tmp_path / "elsewhere" / "x.html") == []


def test_a_file_inside_the_page_is_saved_as_it_is(browser: Browser, tmp_path: Path) -> None:
    block = render_download("Save", "list.csv", "id,label\n7,ä\n")
    write_page(tmp_path / "x.html", "T", "", [PageSection("A", [block])])
    with opened(browser, (tmp_path / "x.html").as_uri()) as there:
        with there.expect_download() as saved:
            there.get_by_role("link", name="Save").click()
        assert saved.value.suggested_filename == "list.csv"
        assert Path(saved.value.path()).read_text(encoding="utf-8") == "id,label\n7,ä\n"


@pytest.mark.slow
def test_a_long_word_below_a_picture_stays_whole_and_the_picture_makes_room(browser: Browser, tmp_path: Path) -> None:
    name = "old_english_sheepdog_puppies"
    block = render_pictures([Picture(grey(32), "a dog", name), Picture(grey(32), "a cat", "cat")], 60)
    write_page(tmp_path / "x.html", "T", "", [PageSection("A", [block])])
    with opened(browser, (tmp_path / "x.html").as_uri(), width=390) as there:
        caption, other = (there.get_by_text(word, exact=True) for word in (name, "cat"))
        lines = "e => { const r = document.createRange(); r.selectNodeContents(e); return r.getClientRects().length; }"
        assert caption.evaluate(lines) == 1
        end, start = caption.bounding_box(), other.bounding_box()
        assert end is not None
        assert start is not None
        assert end["x"] + end["width"] <= start["x"]


@pytest.mark.slow
def test_ten_classes_have_ten_colours_in_either_theme() -> None:
    style = (Path(page_styles.__file__).parent / "style.css").read_text(encoding="utf-8")
    assert len(set(CATEGORIES)) == 10
    for number in range(10):
        assert len(set(re.findall(rf"--c{number}: (#\w+)", style))) == 2


@pytest.mark.slow
def test_a_wide_chart_is_drawn_for_the_phone_or_keeps_the_labels_of_its_rows_in_view(
    browser: Browser, tmp_path: Path
) -> None:
    charts = []
    for name, phone in (("Redrawn", "redrawn"), ("Scrolled", "scrolled")):
        with open_chart(9, 2) as figure:
            figure.subplots().barh(["first", "second"], [1, 2], color=BLUE)
        charts.append(render_chart(figure, name, "two bars", phone))  # type: ignore[arg-type]
    write_page(tmp_path / "x.html", "T", "", [PageSection("A", charts)])
    with opened(browser, (tmp_path / "x.html").as_uri(), width=390) as there:
        box = there.get_by_role("region", name="Scrolled")
        box.evaluate("e => { e.scrollLeft = 400 }")
        labels = box.locator(".frozen").bounding_box()
        redrawn = there.get_by_role("img", name="Redrawn").bounding_box()
        assert labels is not None
        assert redrawn is not None
        assert labels["x"] >= 0
        assert redrawn["x"] + redrawn["width"] <= 390
    check_page(browser, (tmp_path / "x.html").as_uri())
