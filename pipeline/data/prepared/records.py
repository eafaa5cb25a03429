"""Records: the images that a competition has, from its layout on disk -> id, source, label and group.

Whatever does not fit (ids without an image, images without an id, repeated ids) is refused as a whole list.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.core.competition import Competition
from pipeline.core.csvs import detect_dialect, read_columns, require_columns
from pipeline.core.errors import InputError, some
from pipeline.core.ids import check_ids, check_unique
from pipeline.core.layouts import (
    CsvImages,
    CsvOneHot,
    CsvPixels,
    FileNames,
    Folders,
    TestImages,
    TestPixels,
    list_answer_columns,
)
from pipeline.core.targets.spec import GradesSpec, OneClassSpec, SeveralLabelsSpec
from pipeline.data.containers.tables import read_rows
from pipeline.data.prepared.cells import join_rows_of_ids, read_cells
from pipeline.data.prepared.image_folder import ImageFolder
from pipeline.data.prepared.packed_images import PackedImages, open_images


@dataclass(frozen=True, slots=True)
class Record:
    """One image of a competition.

    Attributes:
        id: as the competition writes it.
        source: path of its file below the source's folder; ``<file>:<row>`` (from 1) where files pack images.
        label: class name, or the cell of another kind of target (see `core.targets.contract`); None for a test image.
        group: what the user says must not be torn apart; empty for none.
    """

    id: str
    source: str
    label: str | None = None
    group: str = ""


def list_records(base: Path, competition: Competition) -> tuple[list[Record], list[Record]]:
    """Lists the training and the test images, in the order of their tables or folders.

    Raises:
        InputError: tables, folders and ids do not fit each other.
    """
    train = _list_train(base, competition)
    test = list_test_records(base, competition)
    for records, place in ((train, "train"), (test, "test")):
        if not records:
            raise InputError(f"{base}: there is no {place} image; correct {place} in the competition's file")
        check_ids([record.id for record in records], f"{base}: {place}")
    _check_labels(train, competition)
    _refuse_leftovers(base, competition, {record.source for record in (*train, *test)})
    return train, test


def _list_train(base: Path, competition: Competition) -> list[Record]:
    layout = competition.train
    if isinstance(layout, Folders):
        return _from_folders(ImageFolder(base, layout.images))
    if isinstance(layout, FileNames):
        return _from_names(ImageFolder(base, layout.images), layout)
    if isinstance(layout, CsvImages | CsvOneHot):
        return _from_table(base, layout, competition)
    return _from_rows(base, layout)


def _from_folders(folder: ImageFolder) -> list[Record]:
    loose = [path for path in folder.images if "/" not in path]
    if loose:
        raise InputError(
            f"{folder.path}: {len(loose)} images lie in no class folder: {some(loose)}; move or delete them"
        )
    classes = {path.split("/")[0] for path in folder.images}
    empty = sorted(set(folder.folders) - classes)
    if empty:
        raise InputError(f"{folder.path}: class folders without an image: {some(empty)}; fill or delete them")
    return [Record(path, folder.source(path), path.split("/")[0]) for path in folder.images]


def _from_names(folder: ImageFolder, layout: FileNames) -> list[Record]:
    found = {path: re.search(layout.pattern, PurePosixPath(path).name) for path in folder.images}
    unlike = [path for path, match in found.items() if match is None]
    if unlike:
        raise InputError(
            f"{folder.path}: {len(unlike)} names do not match train.pattern {layout.pattern!r}: {some(unlike)}; "
            "correct the pattern in the competition's file"
        )
    records = []
    for path, match in found.items():
        assert match is not None
        group = match.groupdict().get("group") or ""
        records.append(Record(path, folder.source(path), match["label"], group))
    return records


def _from_table(base: Path, layout: CsvImages | CsvOneHot, competition: Competition) -> list[Record]:
    path = base / layout.table
    table = read_rows(path)
    others = [name for name in (layout.group, layout.file) if name]
    require_columns(table.columns.tolist(), [layout.id, *list_answer_columns(layout), *others], path)
    if isinstance(competition.target, SeveralLabelsSpec):
        table = join_rows_of_ids(table, layout, competition.target)
    ids = table[layout.id].tolist()
    labels = read_cells(table, layout, competition.target, ids, str(path))
    _check_one_label_each(ids, labels, path)
    check_ids(ids, str(path))
    groups = table[layout.group].tolist() if layout.group else [""] * len(ids)
    sources = open_images(base, layout).find(table[layout.file or layout.id].tolist(), path)
    return [Record(*row) for row in zip(ids, sources, labels, groups, strict=True)]


def _from_rows(base: Path, layout: CsvPixels) -> list[Record]:
    path = base / layout.table
    names = {"id": layout.id, "label": layout.label, "group": layout.group}
    table = read_columns(path, [name for name in names.values() if name])
    ids = table[layout.id].tolist() if layout.id else _numbered(len(table), layout.first_id)
    labels = table[layout.label].tolist()
    _check_one_label_each(ids, labels, path)
    groups = table[layout.group].tolist() if layout.group else [""] * len(ids)
    return [Record(*row) for row in zip(ids, _row_sources(layout.table, len(ids)), labels, groups, strict=True)]


def list_test_records(base: Path, competition: Competition) -> list[Record]:
    """Lists the test images, in the order of their table or folder.

    Raises:
        InputError: ids repeat, leave their folder, or have no image.
    """
    layout = competition.test
    if isinstance(layout, TestPixels):
        return _test_rows(base, layout)
    folder = open_images(base, layout)
    if layout.listed_by == "folder":
        return _test_folder(base, folder, competition)
    table, column = _test_listing(layout, competition)
    path = base / table
    ids = _ids(path, column)
    check_unique(ids, str(path))
    check_ids(ids, str(path))
    names = _ids(path, layout.file) if layout.file else ids
    return [Record(*row) for row in zip(ids, folder.find(names, path), strict=True)]


def _ids(path: Path, column: str) -> list[str]:
    table = read_rows(path)
    require_columns(table.columns.tolist(), [column], path)
    ids: list[str] = table[column].tolist()
    return ids


def _test_listing(layout: TestImages, competition: Competition) -> tuple[str, str]:
    if layout.listed_by == "table" and layout.table is not None and layout.id is not None:
        return layout.table, layout.id
    return competition.submission.sample, competition.submission.id


def _test_folder(base: Path, folder: ImageFolder | PackedImages, competition: Competition) -> list[Record]:
    """Ids as the sample submission writes them (with or without extension); else without."""
    if isinstance(folder, PackedImages):
        check_unique(folder.ids, str(folder.path))
        return [Record(*row) for row in zip(folder.ids, folder.sources, strict=True)]
    train = competition.train
    sample = base / competition.submission.sample
    known = set(_ids(sample, competition.submission.id)) if sample.is_file() else set()
    paths = folder.images
    if not isinstance(train, CsvPixels) and train.images == folder.name:
        used = {record.source for record in _list_train(base, competition)}
        paths = [path for path in paths if folder.source(path) not in used]
    ids = [path if path in known else str(PurePosixPath(path).with_suffix("")) for path in paths]
    check_unique(ids, str(folder.path))
    return [Record(name, folder.source(path)) for name, path in zip(ids, paths, strict=True)]


def _test_rows(base: Path, layout: TestPixels) -> list[Record]:
    path = base / layout.table
    # Without an id column any column counts the rows: the first is as good as the others.
    table = read_columns(path, [layout.id or detect_dialect(path).columns[0]])
    ids = table[layout.id].tolist() if layout.id else _numbered(len(table), layout.first_id)
    check_unique(ids, str(path))
    return [Record(*row) for row in zip(ids, _row_sources(layout.table, len(ids)), strict=True)]


def _numbered(count: int, first: int) -> list[str]:
    return [str(first + row) for row in range(count)]


def _row_sources(table: str, count: int) -> list[str]:
    return [f"{table}:{row}" for row in range(1, count + 1)]


def _check_one_label_each(ids: Sequence[str], labels: Sequence[str], path: Path) -> None:
    first: dict[str, str] = {}
    torn = {name for name, label in zip(ids, labels, strict=True) if first.setdefault(name, label) != label}
    if torn:
        raise InputError(f"{path}: {len(torn)} ids have two labels: {some(sorted(torn))}; keep the right row of each")
    check_unique(ids, str(path))


def _check_labels(train: Sequence[Record], competition: Competition) -> None:
    """Refuses missing labels, a single class, classes that look the same, and a name that the id column has."""
    if not isinstance(competition.target, OneClassSpec | GradesSpec):
        return
    missing = [record.id for record in train if (record.label or "").strip().lower() in ("", "nan")]
    if missing:
        raise InputError(f"{len(missing)} training images have no label: ids {some(missing)}; label or remove them")
    classes = {record.label for record in train}
    if len(classes) < 2:
        raise InputError(f"all {len(train)} training images are of class {train[0].label!r}; two classes are the least")
    alike: dict[str, list[str]] = {}
    for name in sorted(str(name) for name in classes):
        alike.setdefault(name.strip(), []).append(repr(name))
    double = [" and ".join(names) for names in alike.values() if len(names) > 1]
    if double:
        raise InputError(f"{len(double)} classes differ by blanks alone: {some(double)}; write each in one way")
    if "id" in classes:
        raise InputError("a class is called 'id', as the column of ids in every table of predictions; rename the class")


def _refuse_leftovers(base: Path, competition: Competition, used: set[str]) -> None:
    """Refuses images in the layout's folders that no row names; train and test may share a folder."""
    layouts = [
        layout for layout in (competition.train, competition.test) if not isinstance(layout, CsvPixels | TestPixels)
    ]
    by_name = {layout.images: layout for layout in layouts}
    left = [
        source
        for _, layout in sorted(by_name.items())
        for source in open_images(base, layout).sources
        if source not in used
    ]
    if left:
        raise InputError(
            f"{base}: {len(left)} images have no id in any table: {some(left)}; delete them or add their rows"
        )
