"""Training records: the images that a competition gives with labels -> id, source, label and group."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pipeline.core.competition import Competition
from pipeline.core.confined import search_pattern
from pipeline.core.csvs import read_columns, require_columns
from pipeline.core.errors import InputError, some
from pipeline.core.ids import check_ids, check_unique, refuse_look_alikes
from pipeline.core.layouts import CsvImages, CsvOneHot, CsvPixels, FileNames, Folders, TestImages, list_answer_columns
from pipeline.core.picture_formats import describe_content, find_picture_format
from pipeline.core.targets.spec import GradesSpec, OneClassSpec, SeveralLabelsSpec
from pipeline.data.containers.tables import read_rows
from pipeline.data.prepared.cells import join_answers, join_rows_of_ids, read_cells
from pipeline.data.prepared.channel_files import find_channel_files
from pipeline.data.prepared.image_folder import ImageFolder
from pipeline.data.prepared.joined_rows import unfold_rows
from pipeline.data.prepared.packed_images import open_images
from pipeline.data.prepared.record import Record
from pipeline.data.prepared.rows_left_out import LeftOut, group_records, leave_records_out, leave_rows_out
from pipeline.images.fitting import StorageForm

_HEAD = 4096  # bytes that tell a picture's format


def list_training_records(base: Path, competition: Competition) -> tuple[list[Record], list[LeftOut]]:
    """Lists the training images, in the order of their table or folder, and those that ``leave_out`` leaves out.

    Raises:
        InputError: tables, folders and ids do not fit each other.
    """
    layout = competition.train
    left: list[LeftOut] = []
    if isinstance(layout, Folders):
        tests = competition.test.images if isinstance(competition.test, TestImages) else None
        records, left = _from_folders(ImageFolder(base, layout.images), tests)
    elif isinstance(layout, FileNames):
        records = _from_names(ImageFolder(base, layout.images), layout)
    elif isinstance(layout, CsvImages | CsvOneHot):
        records, left = _from_table(base, layout, competition)
    else:
        records, left = _from_rows(base, layout, competition)
    records, more = leave_records_out(records, competition)
    grouped = group_records(base, records, competition)
    if len(grouped) > 1 and grouped[0].group and len({record.group for record in grouped}) == 1:
        raise InputError(
            f"all {len(grouped)} training images are of the group {grouped[0].group!r}, which no two folds can share; "
            "remove train.group, or groups, from the competition's file, or name another column"
        )
    return grouped, [*left, *more]


def _from_folders(folder: ImageFolder, tests: str | None) -> tuple[list[Record], list[LeftOut]]:
    """Takes every file that is a picture, whatever it is called; a file that is none is named as left out.

    A folder of test images (``tests``) that lies beside the classes is none of them.
    """
    inner = {name for name in folder.folders if tests is None or folder.source(name) != PurePosixPath(tests).as_posix()}
    images = [path for path in folder.images if "/" not in path or path.split("/")[0] in inner]
    left = []
    for path in [path for path in folder.others if "/" not in path or path.split("/")[0] in inner]:
        with (folder.path / path).open("rb") as file:
            head = file.read(_HEAD)
        if find_picture_format(head) is not None:
            images = [*images, path]
        elif "/" in path:
            left.append(LeftOut(folder.source(path), describe_content(head).partition(":")[0]))
    loose = [path for path in images if "/" not in path]
    if loose:
        raise InputError(
            f"{folder.path}: {len(loose)} images are in no class folder: {some(loose)}; move or delete them"
        )
    classes = {path.split("/")[0] for path in images}
    empty = sorted(inner - classes)
    if empty:
        raise InputError(f"{folder.path}: class folders without an image: {some(empty)}; fill or delete them")
    return [Record(path, folder.source(path), path.split("/")[0]) for path in images], left


def _from_names(folder: ImageFolder, layout: FileNames) -> list[Record]:
    found = {path: search_pattern(layout.pattern, PurePosixPath(path).name) for path in folder.images}
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


def _from_table(
    base: Path, layout: CsvImages | CsvOneHot, competition: Competition
) -> tuple[list[Record], list[LeftOut]]:
    path = base / layout.table
    table = read_rows(path, encoding=competition.encoding)
    others = [name for name in (layout.group, layout.file) if name]
    if isinstance(layout, CsvImages):
        others += [layout.present] if layout.present else []
        table = join_answers(table, layout, base, competition.encoding)
    if layout.rows is not None:
        require_columns(table.columns.tolist(), [layout.id, layout.rows.value], path)
        table = unfold_rows(table, layout.id, layout.rows, list_answer_columns(layout), str(path))
    require_columns(table.columns.tolist(), [layout.id, *list_answer_columns(layout), *others], path)
    images = open_images(base, layout)
    table, left = leave_rows_out(table, layout, competition, images, str(path))
    if isinstance(competition.target, SeveralLabelsSpec):
        table = join_rows_of_ids(table, layout, competition.target)
    ids = table[layout.id].tolist()
    labels = read_cells(table, layout, competition.target, ids, str(path))
    _check_one_label_each(ids, labels, path)
    check_ids(ids, str(path))
    group = layout.group or (layout.answers.key if isinstance(layout, CsvImages) and layout.answers else None)
    groups = table[group].tolist() if group else [""] * len(ids)
    form = StorageForm(**competition.storage.model_dump())
    files = find_channel_files(images, layout, table, layout.id, path, form)
    return [
        Record(name, first, label, group, tuple(others))
        for name, (first, *others), label, group in zip(ids, files, labels, groups, strict=True)
    ], left


def _from_rows(base: Path, layout: CsvPixels, competition: Competition) -> tuple[list[Record], list[LeftOut]]:
    path = base / layout.table
    rules = competition.leave_out
    wanted = [layout.id, *layout.labels, layout.group, *([rule.column for rule in rules.rows] if rules else [])]
    table = read_columns(path, list(dict.fromkeys(name for name in wanted if name)), competition.encoding)
    numbered = layout.id or "number of the row"
    if layout.id is None:
        table = table.assign(**{numbered: number_rows(len(table), layout.first_id)})
    table, left = leave_rows_out(table, layout.model_copy(update={"id": numbered}), competition, None, str(path))
    ids = table[numbered].tolist()
    labels = read_cells(table, layout, competition.target, ids, str(path))
    _check_one_label_each(ids, labels, path)
    groups = table[layout.group].tolist() if layout.group else [""] * len(ids)
    sources = [f"{layout.table}:{row + 1}" for row in table.index]
    return [Record(*row) for row in zip(ids, sources, labels, groups, strict=True)], left


def check_labels(train: Sequence[Record], competition: Competition) -> None:
    """Refuses missing labels, a single class, classes that look the same, and a name that the id column has."""
    if not isinstance(competition.target, OneClassSpec | GradesSpec):
        return
    missing = [record.id for record in train if (record.label or "").strip().lower() in ("", "nan")]
    if missing:
        raise InputError(
            f"{len(missing)} training images have no label: ids {some(missing)}; label them, or write "
            "leave_out: {no_label: true} into the competition's file"
        )
    classes = {record.label for record in train}
    if len(classes) < 2:
        raise InputError(f"all {len(train)} training images are of class {train[0].label!r}; two classes are the least")
    refuse_look_alikes([str(name) for name in classes], "the training images")
    if "id" in classes:
        raise InputError("a class is called 'id', as the column of ids in every table of predictions; rename the class")


def number_rows(count: int, first: int) -> list[str]:
    """Returns the ids of rows that have none: their numbers, from ``first``."""
    return [str(first + row) for row in range(count)]


def name_row_sources(table: str, count: int) -> list[str]:
    """Returns the sources of a table's rows: ``<table>:<row>``, from 1."""
    return [f"{table}:{row}" for row in range(1, count + 1)]


def _check_one_label_each(ids: Sequence[str], labels: Sequence[str], path: Path) -> None:
    first: dict[str, str] = {}
    torn = {name for name, label in zip(ids, labels, strict=True) if first.setdefault(name, label) != label}
    if torn:
        raise InputError(f"{path}: {len(torn)} ids have two labels: {some(sorted(torn))}; keep the right row of each")
    check_unique(ids, str(path))
