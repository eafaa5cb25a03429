"""What a page says, read back from its HTML: tables by caption, sentences, alternative texts."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd


@dataclass
class Cell:
    """A cell's text, and the number behind it where there is one."""

    text: str = ""
    value: float | None = None


@dataclass
class Page:
    """What a page says.

    Attributes:
        tables: by caption; the heads first, then one list of cells per row.
        text: of the body, without styles and scripts.
        alts: of the pictures.
    """

    tables: dict[str, list[list[Cell]]] = field(default_factory=dict)
    text: str = ""
    alts: list[str] = field(default_factory=list)

    def column(self, caption: str, head: str) -> dict[str, Cell]:
        """Returns a column of a table, by the first cell of each row."""
        heads, *rows = self.tables[caption]
        place = [cell.text for cell in heads].index(head)
        return {row[0].text: row[place] for row in rows}

    def frame(self, caption: str) -> pd.DataFrame:
        """Returns a table: columns of numbers whole, what is unknown in them as NaN; others as they are shown."""
        heads, *rows = self.tables[caption]
        columns = {head.text: [row[place] for row in rows] for place, head in enumerate(heads)}
        return pd.DataFrame({name: _told(cells) for name, cells in columns.items()})

    def values(self, caption: str, head: str) -> dict[str, float | None]:
        """Returns the numbers of a column."""
        return {name: cell.value for name, cell in self.column(caption, head).items()}


def _told(cells: list[Cell]) -> list[str] | list[float | None]:
    numbers = [cell.value for cell in cells]
    return [cell.text for cell in cells] if all(number is None for number in numbers) else numbers


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page, self._rows, self._caption = Page(), list[list[Cell]](), ""
        self._silent, self._in_caption, self._cell = 0, False, False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag in ("style", "script"):
            self._silent += 1
        elif tag == "img":
            self.page.alts.append(known.get("alt") or "")
        elif tag == "table":
            self._rows = []
        elif tag == "caption":
            self._in_caption, self._caption = True, ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            value = known.get("data-value")
            self._rows[-1].append(Cell(value=float(value) if value else None))
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script"):
            self._silent -= 1
        elif tag == "caption":
            self._in_caption = False
        elif tag in ("td", "th"):
            self._cell = False
        elif tag == "table":
            self.page.tables[self._caption] = self._rows
        if tag in ("p", "h2", "h3", "figcaption", "caption", "td", "th", "summary"):
            self.page.text += "\n"

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        self.page.text += data
        if self._in_caption:
            self._caption += data
        elif self._cell:
            self._rows[-1][-1].text += data


def read(path: Path) -> Page:
    """Reads a page."""
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader.page
