"""Sentences, notes, key figures and folds: the small blocks of a page."""

from collections.abc import Sequence

from pipeline.page.markup import Html, tag


def say(*sentences: str) -> Html:
    """A paragraph that says what is seen; sentences may hold `Html` (``tag("strong", ...)``)."""
    return tag("p", *_spaced(sentences))


def note(*sentences: str) -> Html:
    """A paragraph in small letters: how something was computed, what was sampled."""
    return tag("p", *_spaced(sentences), class_="note")


def warn(*sentences: str) -> Html:
    """A paragraph that stands out: something that the reader should act on."""
    return tag("p", *_spaced(sentences), class_="warn")


def heading(text: str) -> Html:
    """A heading within a section."""
    return tag("h3", text)


def facts(pairs: Sequence[tuple[str, str]]) -> Html:
    """Key figures side by side.

    Args:
        pairs: what it is, its value as it is shown: ``("train images", "7,200")``.
    """
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs), class_="facts")


def fold(summary: str, *blocks: Html) -> Html:
    """Long content that opens on a click or key."""
    return tag("details", tag("summary", summary), *blocks)


def _spaced(sentences: Sequence[str]) -> list[str]:
    return [part for sentence in sentences for part in (sentence, " ")][:-1]
