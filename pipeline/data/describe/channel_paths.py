"""Channel paths of a new competition: paths that columns of a table make, with a file for each channel of an image."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from pipeline.core.file_layouts import CHANNEL
from pipeline.core.ids import natural_order
from pipeline.core.sampling import draw_rows
from pipeline.data.describe.match import ENOUGH
from pipeline.data.describe.slice_paths import NAMES_OF_CHANNELS, SHARE, are_slices, list_places
from pipeline.images.slices import are_numbered

_PROBED = 24  # rows whose files are looked for by each cell; the others by the path that these make
_MOST_CHANNELS, _MOST_PLACES = 32, 64
_NEVER_CHANNELS = 2.0  # a share of folders that none has


@dataclass(frozen=True)
class ChannelPaths:
    """A path that columns make, below a folder.

    Attributes:
        folder: of the images.
        path: below it, with ``{column}``, ``{id}`` and, where an image has several files, ``{channel}``.
        channels: their names, in natural order; none where one file makes the image.
        further: what else of the images' files differs, of which the first is taken: ``s: 1, 2``.
        alike: of slices, the names that recur from folder to folder: they may be channels of which some are lost.
    """

    folder: str
    path: str
    channels: tuple[str, ...] = ()
    further: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the path is made of, and ``id``."""
        return tuple(name for name in dict.fromkeys(re.findall(r"{([^{}]*)}", self.path)) if name != CHANNEL)

    @property
    def section(self) -> dict[str, Any]:
        """The key ``files`` of a layout."""
        return {"path": self.path} | ({"channels": list(self.channels)} if self.channels else {})

    def take_first(self) -> "ChannelPaths":
        """Takes the first of several files that are no channels: the views or photographs of one thing."""
        return ChannelPaths(self.folder, self.path.replace(f"{{{CHANNEL}}}", self.channels[0]))

    def compose(self, table: pd.DataFrame, id_column: str) -> list[list[str]]:
        """Makes the paths of each row, one for each channel."""
        columns = self.columns
        cells = [table[id_column if name == "id" else name].tolist() for name in columns]
        start, marks = "" if self.folder == "." else f"{self.folder}/", [f"{{{name}}}" for name in columns]
        rows = []
        for row in zip(*cells, strict=True):
            path = start + self.path
            for mark, cell in zip(marks, row, strict=True):
                path = path.replace(mark, cell)
            rows.append([path.replace(f"{{{CHANNEL}}}", channel) for channel in self.channels or ("",)])
        return rows

    def move(
        self, paths: Collection[str], table: pd.DataFrame, id_column: str, share: float = 1
    ) -> "ChannelPaths | None":
        """Finds the other folder in which the same path leads to files of every row of a table; None where none does.

        Args:
            paths: of images.
            table: another one with these columns.
            id_column: of it.
            share: of the rows that have such files at least; below 1, folders of slices are no files.
        """
        every = list_places(paths) if share == 1 else set(paths)
        here = replace(self, folder=".")
        likely = [row[0] for row in here.compose(table.head(1 if share == 1 else _PROBED), id_column)]
        first = next((name for name in likely if any(f"/{path}".endswith(f"/{name}") for path in every)), likely[0])
        folders = sorted(path[: -len(first)].rstrip("/") or "." for path in every if f"/{path}".endswith(f"/{first}"))
        for folder in sorted(folders, key=lambda name: name == self.folder):  # its own, at last, if they share it
            moved = replace(self, folder=folder)
            if sum(every.issuperset(row) for row in moved.compose(table, id_column)) >= share * len(table):
                return moved
        return None


def find_channel_paths(
    paths: Sequence[str], table: pd.DataFrame, columns: Sequence[str], id_column: str
) -> ChannelPaths | None:
    """Finds the path that columns of a table make; None where no path leads to files of most rows.

    Args:
        paths: of all images.
        table: as text.
        columns: that may stand in the path: those of the test images, too.
        id_column: of the table; it is one of ``columns`` or stands in no path.
    """
    probe = table.iloc[draw_rows(len(table), _PROBED, 0)]  # steps could miss a pattern of the rows
    if len(probe) < 2:
        return None
    used, files = _narrow(paths, probe, sorted(columns, key=lambda name: -table[name].nunique()))
    if not used:
        return None
    used += [name for name in columns if name not in used and _stands_behind_name(name, probe[name], files)]
    names = {("id" if name == id_column else name): probe[name].astype("str").tolist() for name in used}
    cells = [dict(zip(names, row, strict=True)) for row in zip(*names.values(), strict=True)]
    slices = are_slices(files)
    templates = _list_common(files, cells, slices)
    # Files without a name in common are no channels, however many each row has.
    if not templates and not slices and are_slices(files, alike=_NEVER_CHANNELS):
        slices, templates = True, _list_common(files, cells, True)
    made = (_choose_folder if slices else _merge)(templates) if templates else None
    if made is None:
        return None
    if slices and not are_numbered([path for mine in files for path in mine]):
        recurring = sorted(PurePosixPath(name).name for name in _list_common(files, cells, False, ENOUGH))
        made = replace(made, alike=tuple(recurring) if len(recurring) > 1 else ())
    there = list_places(paths)
    rows = made.compose(table, id_column)
    alone = len({row[0] for row in rows}) == len(rows)
    return made if alone and sum(there.issuperset(row) for row in rows) >= ENOUGH * len(rows) else None


def _list_common(
    files: Sequence[Collection[str]], rows: Sequence[dict[str, str]], slices: bool, share: float = SHARE
) -> list[str]:
    """Lists the templates that lead to files, or folders of slices, of most rows."""
    counts: Counter[str] = Counter()
    for mine, cells in zip(files, rows, strict=True):
        named = {str(PurePosixPath(path).parent) for path in mine} if slices else mine
        counts.update({template for path in named for template in _make_templates(path, cells)})
    return [template for template, count in counts.items() if count >= share * len(files)]


def _choose_folder(templates: Sequence[str]) -> ChannelPaths | None:
    """Takes the first of the folders of slices that each row has."""
    least = min(template.count("{") for template in templates)
    named = natural_order([each for each in templates if each.count("{") == least and "{" in each])
    if not named:
        return None
    others = [PurePosixPath(each).name for each in named]
    return _split(named[0], (), (f"folders: {', '.join(others)}",) if len(others) > 1 else ())


def _narrow(
    paths: Sequence[str], probe: pd.DataFrame, columns: Sequence[str]
) -> tuple[list[str], list[Collection[str]]]:
    """Columns whose cells stand in the paths, until each row has files of its own alone; and the files of each row."""
    used: list[str] = []
    files: list[Collection[str]] = [paths] * len(probe)
    for name in columns:
        patterns = [_bounded(str(cell)) for cell in probe[name]]
        plain = [str(cell) for cell in probe[name]]
        if not all(plain):
            continue
        fewer = [
            [path for path in mine if cell in path and pattern.search(path)]
            for mine, cell, pattern in zip(files, plain, patterns, strict=True)
        ]
        if sum(map(bool, fewer)) < SHARE * len(fewer):
            continue
        used, files = [*used, name], list(fewer)
        if max(Counter(path for mine in files for path in mine).values()) == 1:
            break
    return used, files


def _stands_behind_name(name: str, cells: "pd.Series[str]", files: Sequence[Collection[str]]) -> bool:
    """Says whether the cells stand in all files behind the column's name: ``Plate1`` of a column ``plate``."""
    patterns = [re.compile(rf"(?<![A-Za-z]){re.escape(name + cell)}(?!\d)", re.IGNORECASE) for cell in cells]
    return all(pattern.search(path) for pattern, mine in zip(patterns, files, strict=True) for path in mine)


def _bounded(cell: str) -> re.Pattern[str]:
    """A pattern of the cell where it is no part of a longer word or number."""
    before, after = (r"(?<!\d)" if cell[:1].isdigit() else "", r"(?!\d)" if cell[-1:].isdigit() else "")
    before = before or (r"(?<![A-Za-z])" if cell[:1].isalpha() else "")
    after = after or (r"(?![A-Za-z])" if cell[-1:].isalpha() else "")
    return re.compile(before + re.escape(cell) + after)


def _make_templates(path: str, cells: dict[str, str]) -> set[str]:
    """Paths with a column's name in the place of its cell: in one of its places, or in all of them."""
    found = {path}
    for name, cell in sorted(cells.items(), key=lambda item: -len(item[1])):
        pattern, more = _bounded(cell), set()
        for each in found:
            places = [at.span() for at in pattern.finditer(each) if not _is_inside_name(each, at.start())]
            whole = each
            for start, end in reversed(places):
                more.add(f"{each[:start]}{{{name}}}{each[end:]}")
                whole = f"{whole[:start]}{{{name}}}{whole[end:]}"
            if places:
                more.add(whole)
        found = set(sorted(more)[:_MOST_PLACES])
    return found


def _is_inside_name(template: str, at: int) -> bool:
    return template.count("{", 0, at) > template.count("}", 0, at)


def _merge(templates: Sequence[str]) -> ChannelPaths | None:
    """Merges templates that differ in a channel; where they differ in more, the first of the others is taken."""
    least = min(template.count("{") for template in templates)
    groups: dict[tuple[Any, ...], list[list[str]]] = defaultdict(list)
    for template in sorted(templates):
        tokens = re.findall(r"\{[^{}]*\}|\d+|[A-Za-z]+|[^{}\dA-Za-z]+", template)
        if template.count("{") == least:
            places = tuple((at, token) for at, token in enumerate(tokens) if token[0] == "{")
            groups[len(tokens), places].append(tokens)
    group = max(groups.values(), key=lambda each: (_count_named(each[0]), len(each)))
    varied = [at for at in range(len(group[0])) if len({tokens[at] for tokens in group}) > 1]
    if not varied:
        return _split("".join(group[0]), (), ())
    named = [at for at in varied if at and group[0][at - 1].lower() in NAMES_OF_CHANNELS]
    channel = (named or varied)[-1]
    further = []
    for at in [at for at in varied if at != channel]:
        values = natural_order(sorted({tokens[at] for tokens in group}))
        further.append(f"{group[0][at - 1].strip('_-/. ') or 'part'}: {', '.join(values)}")
        group = [tokens for tokens in group if tokens[at] == values[0]]
    channels = tuple(natural_order(sorted({tokens[channel] for tokens in group})))
    if not 2 <= len(channels) <= _MOST_CHANNELS:
        return None
    path = "".join(f"{{{CHANNEL}}}" if at == channel else token for at, token in enumerate(group[0]))
    return _split(path, channels, tuple(further))


def _count_named(tokens: Sequence[str]) -> int:
    """Counts columns that stand behind their own name: ``Plate{plate}``."""
    return sum(token[1:-1].lower() == before.lower() for before, token in pairwise(tokens))


def _split(path: str, channels: tuple[str, ...], further: tuple[str, ...]) -> ChannelPaths:
    parts = PurePosixPath(path).parts
    first = next(number for number, part in enumerate(parts) if "{" in part)
    folder = "/".join(parts[:first]) or "."
    return ChannelPaths(folder, "/".join(parts[first:]), channels, further)
