"""Tables that sort by mouse and keyboard; numbers are aligned to the right, in digits of equal width."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.page.blocks import render_details
from pipeline.page.markup import Html, tag


@dataclass(frozen=True)
class FormattedNumber:
    """A number with a text of its own, ``0.85 ± 0.01``: sorting goes by ``value``; None sorts as unknown."""

    value: float | None
    text: str


Cell = str | int | float | FormattedNumber | None
_UNKNOWN = "\N{EN DASH}"
_LONG = 40  # rows that a page shows without a click


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: its head.
        form: how numbers are written, as in ``format(value, form)``: ``,d``, ``.3f``, ``.1%``; empty for text.
    """

    name: str
    form: str = ""


def render_table(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], folded: bool = False) -> Html:
    """Renders a table whose first column names its rows; one of more than 40 rows is folded.

    Args:
        caption: what it shows; also what screen readers announce.
        columns: one or more.
        rows: one cell per column: text, `Html`, a number (kept whole in ``data-value``, which sorting goes by),
            `FormattedNumber`, or None for nothing known.
        folded: whether it opens on a click however short it is: where a chart shows the same.
    """
    heads = [_render_head(column) for column in columns]
    lines = [
        tag(
            "tr", *(_render_cell(value, column, first=not place) for place, (value, column) in _zip_cells(row, columns))
        )
        for row in rows
    ]
    whole = tag("table", tag("caption", caption), tag("thead", tag("tr", *heads)), tag("tbody", *lines))
    box = tag("div", whole, class_="scroll tall" if len(rows) > _LONG else "scroll", data_label=caption)
    return render_details(f"{caption}: all {len(rows):,} rows", box) if folded or len(rows) > _LONG else box


def _zip_cells(row: Sequence[Cell], columns: Sequence[Column]) -> list[tuple[int, tuple[Cell, Column]]]:
    return list(enumerate(zip(row, columns, strict=True)))


def _render_head(column: Column) -> Html:
    button = tag("button", column.name, tag("span", class_="arrow", aria_hidden="true"), type="button")
    return tag("th", button, scope="col", aria_sort="none", **({"class_": "number"} if column.form else {}))


def _render_cell(value: Cell, column: Column, first: bool) -> Html:
    name, attributes = ("th", {"scope": "row"}) if first else ("td", {})
    if column.form:
        attributes["class_"] = "number"
    if isinstance(value, FormattedNumber):
        return tag(name, value.text, **attributes, data_value="" if value.value is None else repr(value.value))
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return tag(name, _UNKNOWN, **attributes, data_value="")
    if isinstance(value, str):
        return tag(name, value, **attributes)
    return tag(name, format(value, column.form), **attributes, data_value=repr(value))
