"""The tables of a page as data, so that tests can compare them with what they compute themselves."""

from html.parser import HTMLParser

import pandas as pd


class _Reader(HTMLParser):
    """Collects captions, heads and cells."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, tuple[list[str], list[list[str]]]] = {}
        self._caption = ""
        self._inside: list[str] = []
        self._value: str | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("caption", "th", "td"):
            self._text, self._value = "", dict(attrs).get("data-value")
        if tag == "tr":
            self._inside = []
        if tag == "thead":
            self.tables[self._caption] = ([], [])

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "caption":
            self._caption = self._text
        if tag in ("th", "td"):
            self._inside.append(self._text if self._value is None else self._value)
        if tag == "thead":
            self.tables[self._caption][0].extend(self._inside)
            self._inside = []
        if tag == "tr" and self._inside and self.tables[self._caption][0]:
            self.tables[self._caption][1].append(self._inside)


def page_tables(html: str) -> dict[str, pd.DataFrame]:
    """Returns every table by its caption: text as it is shown, numbers whole, unknown ones as NaN."""
    reader = _Reader()
    reader.feed(html)
    return {
        caption: pd.DataFrame(rows, columns=heads).apply(lambda column: _numbers(column))
        for caption, (heads, rows) in reader.tables.items()
    }


def _numbers(column: "pd.Series[str]") -> "pd.Series[float] | pd.Series[str]":
    try:
        return pd.to_numeric(column)
    except ValueError:
        return column
