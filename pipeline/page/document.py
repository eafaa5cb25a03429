"""HTML document: one self-contained file that opens offline in any browser; no request leaves it.

A page is a title, a lead and sections; a section is a title and blocks; a block is what the ``render_*`` functions of
this room return::

    from pipeline.page.blocks import render_paragraph
    from pipeline.page.chart import BLUE, open_chart, render_chart
    from pipeline.page.document import PageSection, write_page
    from pipeline.page.pictures import Picture, render_pictures
    from pipeline.page.table import Column, render_table

    with open_chart(7, 3) as figure:
        figure.subplots().bar(names, counts, color=BLUE)
    section = PageSection(
        "Classes",
        [
            render_paragraph("15 classes; the rarest, bee, has 12 images."),
            render_chart(figure, "Images per class", "Bars: cat 40, bee 12, ant 20."),
            render_table("Images per class", [Column("class"), Column("images", ",d")], [("cat", 40), ("bee", 12)]),
            render_pictures([Picture(pixels, alt="a cat", caption="7.png")]),
        ],
    )
    write_page(reports_folder(root) / "x.html", "Explore animals15", "What is in the data.", [section])

All text is escaped on the way; nothing but `Html`, which only `tag` and `join_html` make, is written as it stands.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path

from pipeline.core.files import write_text
from pipeline.page.markup import Html, join_html, tag

_HERE = Path(__file__).parent
_PAGES = {"explore.html": "Data", "report.html": "Models", "best.html": "Best in the hours given"}
_ALWAYS = ("explore.html", "report.html")
_TUNING = "tuning"
# Whatever slips into the page, the browser fetches nothing for it.
_POLICY = (
    "default-src 'none'; img-src data:; style-src {style}; style-src-attr {attributes}; script-src {script}; "
    "base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True)
class PageSection:
    """A part of a page, with a line in its navigation.

    Attributes:
        title: short; differs from those of the other sections of the page.
        blocks: its content, in reading order.
        key: the anchor; made of the title where it is empty.
    """

    title: str
    blocks: Sequence[Html]
    key: str = ""

    @property
    def anchor(self) -> str:
        """The id that links lead to: of ``Suspicious images`` without a key it is ``suspicious-images``."""
        return self.key or re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def write_page(path: Path, title: str, lead: str, sections: Sequence[PageSection], footer: str = "") -> None:
    """Writes a page, whole or not at all.

    Args:
        path: an .html file.
        title: of the page; also of the browser's tab.
        lead: a sentence or two below it.
        sections: in reading order; their anchors differ.
        footer: what the page was made from, in small letters.
    """
    assert len({section.anchor for section in sections}) == len(sections), "two sections have the same anchor"
    links = [tag("li", tag("a", section.title, href=f"#{section.anchor}")) for section in sections]
    body = tag(
        "body",
        tag("a", "Skip to content", class_="skip", href="#main"),
        tag("header", *_render_pages(path), tag("h1", title), tag("p", lead, class_="lead")),
        tag(
            "div",
            tag("nav", tag("ol", *links), aria_label="Sections"),
            tag("main", *map(_render_section, sections), id="main", tabindex="-1"),
            class_="page",
        ),
        *([tag("footer", tag("p", footer))] if footer else []),
        tag("script", Html(_read_own("script.js"))),
    )
    write_text(
        path, join_html(Html("<!doctype html>\n"), tag("html", _render_head(title, body), body, lang="en"), "\n")
    )


def list_other_pages(path: Path) -> list[tuple[str, str]]:
    """Lists the pages that lie beside one: name and relative address.

    Every run makes the pages of the data and of the models, so these two, which every page of a run names, may not be
    there yet; the others are.
    """
    inside = path.parent.name == _TUNING
    folder = path.parent.parent if inside else path.parent
    up = "../" if inside else ""
    ours = inside or path.name in _PAGES
    always = _ALWAYS if ours else ()
    found = [(name, f"{up}{file}") for file, name in _PAGES.items() if file in always or (folder / file).is_file()]
    tuned = sorted(file.name for file in (folder / _TUNING).glob("*.html"))
    found += [(f"Tuning of {name.removesuffix('.html')}", ("" if inside else f"{_TUNING}/") + name) for name in tuned]
    return [(name, address) for name, address in found if address != path.name]


def _render_pages(path: Path) -> list[Html]:
    links = [tag("li", tag("a", name, href=address)) for name, address in list_other_pages(path)]
    return [tag("nav", tag("ul", *links, class_="pages"), aria_label="Pages")] if links else []


def _render_head(title: str, body: Html) -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_make_policy(str(body))),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),  # or browsers ask for one
        tag("title", title),
        tag("style", Html(_read_own("style.css"))),
    )


def _read_own(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _make_policy(body: str) -> str:
    """Allows the page's own script, its style sheets and the styles of its elements, by hashes."""
    styles = sorted({unescape(style) for style in re.findall(r'<[^>]* style="([^"]*)"', body)})
    attributes = " ".join(["'unsafe-hashes'", *map(_hash_source, styles)]) if styles else "'none'"
    sheets = {_read_own("style.css"), *re.findall(r"<style[^>]*>(.*?)</style>", body, re.DOTALL)}
    style = " ".join(map(_hash_source, sorted(sheets)))
    return _POLICY.format(script=_hash_source(_read_own("script.js")), style=style, attributes=attributes)


def _hash_source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def _render_section(section: PageSection) -> Html:
    heading = f"{section.anchor}-title"
    return tag(
        "section", tag("h2", section.title, id=heading), *section.blocks, id=section.anchor, aria_labelledby=heading
    )
