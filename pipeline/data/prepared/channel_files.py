"""Channel files: the files of images whose paths are made of columns of a table, one for each channel or one alone."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pipeline.core.csvs import require_columns
from pipeline.core.errors import InputError, some
from pipeline.core.file_layouts import CHANNEL, ChannelFiles
from pipeline.core.layouts import CsvImages, CsvOneHot, TestImages
from pipeline.data.prepared.image_folder import ImageFolder
from pipeline.data.prepared.packed_images import PackedImages
from pipeline.data.prepared.slice_folders import find_slices
from pipeline.images.fitting import StorageForm


def find_channel_files(
    images: ImageFolder | PackedImages,
    layout: CsvImages | CsvOneHot | TestImages,
    table: pd.DataFrame,
    id_column: str,
    place: Path,
    form: StorageForm | None = None,
) -> list[tuple[str, ...]]:
    """Finds the file of each row of a table, or its files in the order of their channels.

    Args:
        images: of the layout.
        layout: what files are called.
        table: as text.
        id_column: of the table.
        place: of the table, for messages.
        form: how images are kept; with ``slices``, paths and ids name folders.

    Returns:
        Paths below the source's folder.

    Raises:
        InputError: a column is missing, or files are; the first of them are listed.
    """
    if form is not None and form.slices is not None:
        return _find_slices(images, layout, table, (id_column, place), form)
    if layout.files is None:
        require_columns(table.columns.tolist(), [layout.file or id_column], place)
        return [(source,) for source in images.find(table[layout.file or id_column].tolist(), place)]
    if isinstance(images, PackedImages):
        raise InputError(f"{images.path} packs images, which no files.path names; remove files")
    folder, files = images, layout.files
    paths = _compose(files, table, id_column, place)
    there = set(folder.files)
    twice = [path for path, count in Counter(path for row in paths for path in row).items() if count > 1]
    if twice:
        raise InputError(
            f"{place}: files.path {files.path!r} makes {len(twice)} paths for several rows: {some(twice, 3)}; name "
            "another column in it"
        )
    missing = [path for row in paths for path in row if path not in there]
    if missing:
        raise InputError(
            f"{place}: {len(missing)} of {sum(map(len, paths))} files that files.path {files.path!r} makes are not in "
            f"{folder.path}: {some(missing, 3)}; there are {some(folder.files, 3) or 'none'}; correct the "
            "competition's file, or write leave_out: {no_image: true} there if such rows have no image"
        )
    return [tuple(map(folder.source, row)) for row in paths]


def have_files(
    images: ImageFolder, layout: CsvImages | CsvOneHot | TestImages, table: pd.DataFrame, id_column: str, place: Path
) -> list[bool]:
    """Says of each row of a table whether all files of its image are there.

    Raises:
        InputError: a column of the path is missing.
    """
    if layout.files is None:
        return images.has(table[layout.file or id_column].tolist())
    there = set(images.files)
    return [there.issuperset(row) for row in _compose(layout.files, table, id_column, place)]


def _compose(files: ChannelFiles, table: pd.DataFrame, id_column: str, place: Path) -> list[Sequence[str]]:
    """Composes the paths of each row."""
    columns = {name: id_column if name == "id" and "id" not in table.columns else name for name in files.columns}
    require_columns(table.columns.tolist(), list(columns.values()), place)
    cells = [table[column].tolist() for column in columns.values()]
    return [_fill(files, dict(zip(columns, row, strict=True))) for row in zip(*cells, strict=True)]


def _find_slices(
    images: ImageFolder | PackedImages,
    layout: CsvImages | CsvOneHot | TestImages,
    table: pd.DataFrame,
    named: tuple[str, Path],
    form: StorageForm,
) -> list[tuple[str, ...]]:
    (id_column, place), files = named, layout.files
    if isinstance(images, PackedImages) or (files is not None and files.channels):
        raise InputError(
            f"{place}: storage.slices makes images of folders of slices; remove it, or packed files and files.channels"
        )
    if files is not None:
        return find_slices(images, [row[0] for row in _compose(files, table, id_column, place)], form, place)
    require_columns(table.columns.tolist(), [layout.file or id_column], place)
    return find_slices(images, table[layout.file or id_column].tolist(), form, place)


def _fill(files: ChannelFiles, cells: dict[str, str]) -> Sequence[str]:
    path = files.path
    for name, cell in cells.items():
        path = path.replace(f"{{{name}}}", cell)
    return [path.replace(f"{{{CHANNEL}}}", channel) for channel in files.channels] if files.channels else [path]


def refuse_other_number(files: ChannelFiles | None, channels: int, place: str) -> None:
    """Refuses another number of files for each image than of stored channels.

    Raises:
        InputError: both numbers.
    """
    if files is not None and files.channels and len(files.channels) != channels:
        raise InputError(
            f"{place}.files names {len(files.channels)} channels, but storage.channels is {channels}; make them agree "
            "in the competition's file"
        )
