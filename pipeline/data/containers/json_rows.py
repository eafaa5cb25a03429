"""Rows of JSON: records, one record a line, columns, and COCO's images with their categories, joined into one table.

Streamed by ijson, number by number, so that a file of gigabytes costs the memory of its plain cells. Numbers keep their
digits. COCO's form: https://cocodataset.org/#format-data
"""

import json
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

from pipeline.core.errors import InputError, one_line
from pipeline.data.containers.cells import Row
from pipeline.data.containers.coco_rows import join_coco
from pipeline.data.containers.json_guard import open_json

Form = Literal["records", "inner", "coco", "columns", "numbered", "split", "pairs", "keyed", "other"]
_PAIR = ("key", "value")
_LOOKED_AT = 100_000  # events of the parser: about as many values
_FEW = 20  # columns that may be more than rows
_NUMBERED, _RECORDS = ("start_map", "map_key", "0"), ("start_array", "start_map", None)


def iterate_json(path: Path, columns: Collection[str] | None) -> Iterator[Row]:
    """Yields the rows of a JSON file.

    An object of plain values has the columns ``key`` and ``value``; one of objects has ``key`` and their fields. A list
    of records may stand inside an object (``{"data": [...]}``); tables may be written as pandas writes them.

    Args:
        path: the file.
        columns: those that are wanted; None is all.

    Raises:
        InputError: not JSON, or no rows in any of these forms.
    """
    form = find_json_form(path)
    if form == "coco":
        rows = join_coco(partial(_items, path))
    elif form == "records":
        rows = _items(path, "item")
    elif form == "inner":
        rows = _items(path, f"{_list_records(_find_kinds(path))[0]}.item")
    elif form != "other":
        readers = {"columns": _from_columns, "numbered": _from_numbered, "split": _from_split}
        rows = readers.get(form, _from_pairs)(path)
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
        InputError: not JSON, or values that no table has.
    """
    import ijson

    with open_json(path) as file:
        begun = [event for event, _ in islice(ijson.basic_parse(file), _LOOKED_AT)]
    if begun[:2] == ["start_array", "start_map"]:
        return "records"
    if begun[:2] != ["start_map", "map_key"]:
        return "other"
    with open_json(path) as file:
        if isinstance(next(ijson.items(file, "images.item"), None), dict):
            return "coco"
    kinds = set((found := _find_kinds(path)).values())
    if kinds == {"start_map 0"}:
        with open_json(path) as file:
            cells = len(next(ijson.kvitems(file, ""))[1])
        return "numbered" if len(found) <= max(cells, _FEW) else "keyed"  # by image: values of classes 0, 1, 2
    if {"columns", "data"} <= found.keys() <= {"columns", "data", "index"}:
        return "split"
    if len(_list_records(found)) == 1:
        return "inner" if len(begun) < _LOOKED_AT or len(_list_records(_find_kinds(path, whole=True))) == 1 else "other"
    if kinds <= {"start_map", "start_map 0"}:
        return "keyed"
    if kinds <= {"start_array"}:
        return "columns"
    return "other" if any(kind.startswith("start") for kind in kinds) else "pairs"


def _find_kinds(path: Path, whole: bool = False) -> dict[str, str]:
    """The kinds of the values of a top-level object that lie at its beginning, or in the whole of it.

    They are the parser's events; of ``start_map 0`` the first key is the number 0, of ``start_array map`` the first
    value an object.
    """
    import ijson

    begun: dict[str, list[tuple[str, object]]] = {}
    key = None
    with open_json(path) as file:
        for prefix, event, value in islice(ijson.parse(file), None if whole else _LOOKED_AT):
            if prefix == "" and event == "map_key":
                key = value
                begun[key] = []
            elif key is not None and prefix in (key, f"{key}.item") and len(begun[key]) < 2:
                begun[key].append((event, value))
    kinds = {key: (events[0][0], *events[-1]) for key, events in begun.items() if events}
    names: dict[tuple[object, ...], str] = {_NUMBERED: "start_map 0", _RECORDS: "start_array map"}
    return {key: names.get(words, words[0]) for key, words in kinds.items()}


def _list_records(kinds: Mapping[str, str]) -> list[str]:
    """Lists the keys of an object that hold lists of records; none where a list of plain values stands beside them."""
    found = [key for key, kind in kinds.items() if kind == "start_array map"]
    return found if "start_array" not in kinds.values() else []


def _from_columns(path: Path) -> Iterator[Row]:
    import ijson

    with open_json(path) as file:
        columns = dict(ijson.kvitems(file, ""))
    _require_kind(path, columns, list)
    if len({len(values) for values in columns.values()}) != 1:
        lengths = ", ".join(f"{name} {len(values)}" for name, values in list(columns.items())[:5])
        raise InputError(f"{path} holds lists of several lengths ({lengths}); columns of one table have one length")
    yield from (dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True))


def read_lists(path: Path) -> dict[str, list[object]]:
    """Reads an object of lists, of any lengths; nothing of another form.

    Raises:
        InputError: not JSON, or values that no table has.
    """
    import ijson

    if find_json_form(path) != "columns":
        return {}
    with open_json(path) as file:
        return {name: cells for name, cells in ijson.kvitems(file, "") if isinstance(cells, list)}


def _require_kind(path: Path, columns: Mapping[str, object], kind: type) -> None:
    """Refuses what stands behind the columns by which the form was found out."""
    other = next((name for name, cells in columns.items() if not isinstance(cells, kind)), None)
    if other is not None:
        raise InputError(
            f"{path}: {other} holds {columns[other]!r:.60}, and the values before it are columns of a table; move it "
            "into a file of its own"
        )


def _from_numbered(path: Path) -> Iterator[Row]:
    """Rows of columns of numbered cells, as pandas writes a table by default."""
    import ijson

    with open_json(path) as file:
        columns: dict[str, dict[str, object]] = dict(ijson.kvitems(file, ""))
    _require_kind(path, columns, dict)
    for number in dict.fromkeys(number for cells in columns.values() for number in cells):
        yield {name: cells.get(number) for name, cells in columns.items()}


def _from_split(path: Path) -> Iterator[Row]:
    """Rows of values beside a list of their names, as pandas' ``orient="split"`` writes them."""
    import ijson

    with open_json(path) as file:
        names = list(ijson.items(file, "columns.item"))
    with open_json(path) as file:
        for number, cells in enumerate(ijson.items(file, "data.item"), 1):
            if not isinstance(cells, list) or len(cells) != len(names):
                raise InputError(f"{path}: row {number} of data does not hold {len(names)} values, one for each column")
            yield dict(zip(map(str, names), cells, strict=True))


def _from_pairs(path: Path) -> Iterator[Row]:
    import ijson

    with open_json(path) as file:
        for key, value in ijson.kvitems(file, ""):
            if isinstance(value, dict):
                yield {_PAIR[0]: key} | {name: cell for name, cell in value.items() if name != _PAIR[0]}
            else:
                yield {_PAIR[0]: key, _PAIR[1]: value}


def _items(path: Path, prefix: str) -> Iterator[Row]:
    import ijson

    with open_json(path) as file:
        for number, item in enumerate(ijson.items(file, prefix), 1):
            if not isinstance(item, dict):
                raise InputError(f"{path}: {prefix.removesuffix('item') or 'row '}{number} is no record ({item!r:.60})")
            yield item


def _parse_line(line: str, columns: Collection[str] | None, place: str) -> Row:
    try:
        row = json.loads(line, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place} is not JSON ({one_line(error)}); correct that line") from error
    if not isinstance(row, dict):
        raise InputError(f"{place} is no record in braces; correct that line")
    return row if columns is None else {name: cell for name, cell in row.items() if name in columns}
