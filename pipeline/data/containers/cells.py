"""Cells of rows: plain ones become text, exactly; others hold pictures, as encoded bytes or as numbers."""

import datetime
from collections.abc import Iterator, Sequence
from decimal import Decimal

import numpy as np

from pipeline.core.errors import InputError

Row = dict[str, object]
LEAST_PIXELS = 64  # fewer numbers in a cell are a list of labels, a box or a point
_JOIN = "|"


def holds_picture(cell: object) -> bool:
    """Says whether a cell holds a picture: bytes that are no text, an array of numbers, or a long list of them."""
    if isinstance(cell, bytes):
        return read_text(cell) is None
    if isinstance(cell, np.ndarray):
        return cell.size >= LEAST_PIXELS and cell.dtype.kind in "buif"
    if isinstance(cell, list) and cell:
        first = cell[0]
        return isinstance(first, list) or (len(cell) >= LEAST_PIXELS and isinstance(first, int | float | Decimal))
    return False


def holds_text(cell: object) -> bool:
    """Says whether a cell can be written as text: one plain value, or a short list of such values."""
    if isinstance(cell, list):
        return not holds_picture(cell) and all(_is_plain(item) for item in cell)
    return _is_plain(cell)


def format_texts(cells: Sequence[object], place: str) -> list[str]:
    """Formats the cells of one column as text, digit by digit; nothing is empty text.

    Whole floating-point numbers of a column that holds no others lose their ``.0``: pandas turns whole numbers into
    floating point as soon as one is missing.

    Args:
        cells: from one column.
        place: of the column, for messages.

    Raises:
        InputError: a list whose values cannot be told apart once they stand in one cell.
    """
    floats = [cell for cell in cells if isinstance(cell, float)]
    whole = bool(floats) and all(cell.is_integer() or cell != cell for cell in floats)
    return [_format_cell(cell, whole, place) for cell in cells]


def read_text(cell: bytes) -> str | None:
    """Reads bytes as UTF-8 text; None where they are none."""
    try:
        text = cell.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() or text.replace("\n", "").replace("\t", "").isprintable() else None


def explode_pictures(rows: Iterator[Row]) -> Iterator[Row]:
    """Makes one row of each picture of rows that list several (``imgs: [{picture: ...}, ...]``).

    The list's own column then names the picture: the row's id, ``_`` and the picture's number from 0; its fields become
    columns ``imgs.picture``. The row's id is ``_id``, ``id``, or its first plain cell.
    """
    for row in rows:
        several = [name for name, cell in row.items() if _lists_pictures(cell)]
        if not several:
            yield row
            continue
        plain = {name: cell for name, cell in row.items() if holds_text(cell) and name not in several}
        key = next((name for name in ("_id", "id") if name in plain), next(iter(plain), None))
        for name in several:
            parts = row[name]
            assert isinstance(parts, list)
            for number, part in enumerate(parts):
                own = number if key is None else f"{_format_cell(row[key], False, '')}_{number}"
                yield plain | {name: own} | {f"{name}.{field}": value for field, value in part.items()}


def _lists_pictures(cell: object) -> bool:
    if not isinstance(cell, list) or not cell or not isinstance(cell[0], dict):
        return False
    return any(holds_picture(value) for value in cell[0].values())


def _is_plain(cell: object) -> bool:
    if isinstance(cell, bytes):
        return read_text(cell) is not None
    return cell is None or isinstance(
        cell, str | bool | int | float | Decimal | datetime.date | datetime.time | np.generic
    )


def _format_cell(cell: object, whole: bool, place: str) -> str:
    if type(cell) is str:
        return cell
    if cell is None:
        return ""
    if isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, bytes):
        return read_text(cell) or ""
    if isinstance(cell, float):
        return "" if cell != cell else str(int(cell)) if whole else repr(cell)
    if isinstance(cell, list):
        texts = [_format_cell(item, False, place) for item in cell]
        if len(texts) > 1 and any(_JOIN in text for text in texts):
            raise InputError(f"{place}: {texts!r} is a list whose values hold {_JOIN!r}; write another table of it")
        return _JOIN.join(texts)
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell)
