"""Blocks of text: paragraphs, notes, warnings, headings, key figures, and details that open on a click."""

import base64
from collections.abc import Sequence

from pipeline.page.markup import Html, tag


def render_paragraph(*sentences: str) -> Html:
    """Renders a paragraph; sentences may hold `Html` (``tag("strong", ...)``)."""
    return tag("p", *_separate(sentences))


def render_note(*sentences: str) -> Html:
    """Renders a paragraph in small letters, for methods and sample sizes."""
    return tag("p", *_separate(sentences), class_="note")


def render_warning(*sentences: str) -> Html:
    """Renders a paragraph that stands out, for something that the reader should act on."""
    return tag("p", *_separate(sentences), class_="warn")


def render_heading(text: str) -> Html:
    """Renders a heading within a section."""
    return tag("h3", text)


def render_key_figures(pairs: Sequence[tuple[str, str]]) -> Html:
    """Renders key figures side by side.

    Args:
        pairs: name and formatted value of each: ``("train images", "7,200")``.
    """
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs), class_="facts")


def render_details(summary: str, *blocks: Html) -> Html:
    """Renders long content that opens on a click or key."""
    return tag("details", tag("summary", summary), *blocks)


def render_download(text: str, name: str, content: str) -> Html:
    """Renders a link that saves a text file, which travels inside the page.

    Args:
        text: of the link.
        name: of the file that is saved.
        content: of the file.
    """
    data = base64.b64encode(content.encode()).decode()
    return tag("p", tag("a", text, href=f"data:text/csv;charset=utf-8;base64,{data}", download=name))


def _separate(sentences: Sequence[str]) -> list[str]:
    return [part for sentence in sentences for part in (sentence, " ")][:-1]
