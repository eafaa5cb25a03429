"""One self-contained HTML file: it opens offline in any browser, and no request leaves it.

A page is a title, a lead and sections; a section is a title and blocks; a block is what the other modules of this
package make::

    from pipeline.page.blocks import fold, facts, note, say
    from pipeline.page.chart import BLUE, chart, drawn
    from pipeline.page.document import Section, write
    from pipeline.page.pictures import Picture, group, groups, pictures
    from pipeline.page.table import Column, table

    with chart(7, 3) as figure:
        figure.subplots().bar(names, counts, color=BLUE)
    section = Section(
        "Classes",
        [
            say("15 classes; the rarest, bee, has 12 images."),
            drawn(figure, "Images per class", "Bars: cat 40, bee 12, ant 20."),
            table("Images per class", [Column("class"), Column("images", ",d")], [("cat", 40), ("bee", 12)]),
            pictures([Picture(pixels, alt="a cat", caption="7.png")]),
        ],
    )
    write(reports_folder(root) / "x.html", "Explore animals15", "What is in the data.", [section])

All text is escaped on the way; nothing but `Html`, which only `tag` and `joined` make, is written as it stands.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.files import write_text
from pipeline.page.markup import Html, joined, tag

_HERE = Path(__file__).parent
# Whatever slips into the page, the browser fetches nothing for it.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True)
class Section:
    """A part of a page, with a line in its navigation.

    Attributes:
        title: short; the anchor is made of it (`anchor`), so titles differ within a page.
        blocks: what stands in it.
    """

    title: str
    blocks: Sequence[Html]

    @property
    def anchor(self) -> str:
        """The id that links lead to: ``Test against train`` is ``test-against-train``."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def write(path: Path, title: str, lead: str, sections: Sequence[Section], footer: str = "") -> None:
    """Writes a page, whole or not at all.

    Args:
        path: an .html file.
        title: of the page; also of the browser's tab.
        lead: a sentence or two below it.
        sections: in reading order; their anchors differ.
        footer: what the page was made from, in small letters.
    """
    assert len({section.anchor for section in sections}) == len(sections), "two sections have one title"
    links = [tag("li", tag("a", section.title, href=f"#{section.anchor}")) for section in sections]
    body = tag(
        "body",
        tag("a", "Skip to content", class_="skip", href="#main"),
        tag("header", tag("h1", title), tag("p", lead, class_="lead")),
        tag(
            "div",
            tag("nav", tag("ol", *links), aria_label="Sections"),
            tag("main", *map(_section, sections), id="main", tabindex="-1"),
            class_="page",
        ),
        *([tag("footer", tag("p", footer))] if footer else []),
        tag("script", Html((_HERE / "script.js").read_text(encoding="utf-8"))),
    )
    write_text(path, joined(Html("<!doctype html>\n"), tag("html", _head(title), body, lang="en"), "\n"))


def _head(title: str) -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),  # or browsers ask for one
        tag("title", title),
        tag("style", Html((_HERE / "style.css").read_text(encoding="utf-8"))),
    )


def _section(section: Section) -> Html:
    heading = f"{section.anchor}-title"
    return tag(
        "section", tag("h2", section.title, id=heading), *section.blocks, id=section.anchor, aria_labelledby=heading
    )
