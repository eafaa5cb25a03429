"""Rows of JSON: records, one record a line, columns, and COCO's images with their categories, joined into one table.

Streamed by ijson, number by number, so that a file of gigabytes costs the memory of its plain cells. Numbers keep their
digits. COCO's form: https://cocodataset.org/#format-data
"""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, Literal

from pipeline.core.errors import InputError, one_line
from pipeline.data.containers.cells import Row, holds_text

Form = Literal["records", "coco", "columns", "pairs", "keyed", "other"]
_PAIR = ("key", "value")
_LOOKED_AT = 100_000  # events of the parser: about as many values
_DEEPEST = 100


def iterate_json(path: Path, columns: Collection[str] | None) -> Iterator[Row]:
    """Yields the rows of a JSON file.

    An object of plain values has the columns ``key`` and ``value``; one of objects has ``key`` and their fields.

    Args:
        path: the file.
        columns: those that are wanted; None is all.

    Raises:
        InputError: not JSON, or no rows in any of these forms.
    """
    form = find_json_form(path)
    if form == "coco":
        rows = _join_coco(path)
    elif form == "records":
        rows = _items(path, "item")
    elif form == "columns":
        rows = _from_columns(path)
    elif form in ("pairs", "keyed"):
        rows = _from_pairs(path)
    else:
        raise InputError(f"{path} holds no rows: wanted a list of records, or COCO's images and annotations")
    for row in rows:
        yield row if columns is None else {name: cell for name, cell in row.items() if name in columns}


def iterate_json_lines(path: Path, columns: Collection[str] | None) -> Iterator[Row]:
    """Yields one row for each line; blank lines are none.

    Raises:
        InputError: a line that is no JSON object.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _parse_line(line, columns, f"{path}, line {number}")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({one_line(error)}); save it as UTF-8") from error


def find_json_form(path: Path) -> Form:
    """Finds out which form a JSON file has, from its beginning; only COCO's images are looked for in the whole file.

    Raises:
        InputError: not JSON.
    """
    import ijson

    with _opened(path) as file:
        begun = [event for event, _ in islice(ijson.basic_parse(file), _LOOKED_AT)]
    if _is_deep(begun):
        return "other"
    if begun[:2] == ["start_array", "start_map"]:
        return "records"
    if begun[:2] != ["start_map", "map_key"]:
        return "other"
    with _opened(path) as file:
        if isinstance(next(ijson.items(file, "images.item"), None), dict):
            return "coco"
    kinds = _find_kinds(path)
    if kinds <= {"start_map"}:
        return "keyed"
    if kinds <= {"start_array"}:
        return "columns"
    return "other" if kinds & {"start_map", "start_array"} else "pairs"


def _is_deep(events: list[str]) -> bool:
    """True where values nest deeper than rows do: ijson names the whole path at each event, in quadratic time."""
    depth = 0
    for event in events:
        depth += event.startswith("start_") - event.startswith("end_")
        if depth > _DEEPEST:
            return True
    return False


def _find_kinds(path: Path) -> set[str]:
    """The kinds of a top-level object's values, of those that lie at its beginning."""
    import ijson

    kinds: dict[str, str] = {}
    key = None
    with _opened(path) as file:
        for prefix, event, value in islice(ijson.parse(file), _LOOKED_AT):
            if prefix == "" and event == "map_key":
                key = value
            elif prefix == key:
                kinds.setdefault(prefix, event)
    return set(kinds.values())


def _join_coco(path: Path) -> Iterator[Row]:
    """One row for each image and category: the image's cells, ``category_id`` and what its category says of it.

    Several annotations of one image with one category (boxes) are one row; images without an annotation keep their row.
    """
    names = {_key(row, "id", "category_id"): row for row in _items(path, "categories.item")}
    marks: dict[object, dict[object, Row]] = {}
    fields: list[str] = []
    for row in _items(path, "annotations.item"):
        if "category_id" in row:
            marks.setdefault(row.get("image_id"), {}).setdefault(row["category_id"], {})
            fields = fields or ["category_id"]
    for image in _items(path, "images.item"):
        cells = {name: cell for name, cell in image.items() if holds_text(cell)}
        found = marks.get(_key(image, "id", "image_id"))
        if not fields:
            yield cells
        for category in found if found else ([None] if fields else []):
            about = {
                name if name.startswith("category") else f"category_{name}": cell
                for name, cell in names.get(category, {}).items()
                if name not in ("id", "category_id") and holds_text(cell)
            }
            yield cells | {"category_id": category} | about


def _key(row: Row, *names: str) -> object:
    return next((row[name] for name in names if name in row), None)


def _from_columns(path: Path) -> Iterator[Row]:
    import ijson

    with _opened(path) as file:
        columns = dict(ijson.kvitems(file, ""))
    if len({len(values) for values in columns.values()}) != 1:
        lengths = ", ".join(f"{name} {len(values)}" for name, values in list(columns.items())[:5])
        raise InputError(f"{path} holds lists of several lengths ({lengths}); columns of one table have one length")
    for cells in zip(*columns.values(), strict=True):
        yield dict(zip(columns, cells, strict=True))


def _from_pairs(path: Path) -> Iterator[Row]:
    import ijson

    with _opened(path) as file:
        for key, value in ijson.kvitems(file, ""):
            if isinstance(value, dict):
                yield {_PAIR[0]: key} | {name: cell for name, cell in value.items() if name != _PAIR[0]}
            else:
                yield {_PAIR[0]: key, _PAIR[1]: value}


def _items(path: Path, prefix: str) -> Iterator[Row]:
    import ijson

    with _opened(path) as file:
        for number, item in enumerate(ijson.items(file, prefix), 1):
            if not isinstance(item, dict):
                raise InputError(f"{path}: {prefix.removesuffix('item') or 'row '}{number} is no record ({item!r:.60})")
            yield item


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    import ijson

    try:
        with path.open("rb") as file:
            if file.read(3) != b"\xef\xbb\xbf":
                file.seek(0)
            yield file
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no whole JSON in UTF-8 ({one_line(error)}); correct it or get it again") from error


def _parse_line(line: str, columns: Collection[str] | None, place: str) -> Row:
    try:
        row = json.loads(line, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place} is not JSON ({one_line(error)}); correct that line") from error
    if not isinstance(row, dict):
        raise InputError(f"{place} is no record in braces; correct that line")
    return row if columns is None else {name: cell for name, cell in row.items() if name in columns}
