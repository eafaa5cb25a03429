"""Packed images: those of files that hold many, found by id as `ImageFolder` finds files, and decoded into a store."""

from collections import Counter
from collections.abc import Sequence, Set
from functools import cached_property
from pathlib import Path

from pipeline.core.errors import InputError, some
from pipeline.core.file_layouts import Packed
from pipeline.core.layouts import CsvImages, CsvOneHot, FileNames, Folders, TestImages
from pipeline.data.containers.array_rows import NAME, ROW
from pipeline.data.containers.pictures import iterate_pictures
from pipeline.data.containers.tables import find_row_columns, list_row_files, read_rows
from pipeline.data.prepared.image_folder import ImageFolder
from pipeline.images.fitting import StorageForm
from pipeline.images.store import ImageFacts, Store
from pipeline.images.store_filling import fill_packed

ImageLayout = Folders | FileNames | CsvImages | CsvOneHot | TestImages


class PackedImages:
    """The images of one packed file, or of several that a pattern names, by id.

    A source reads ``<file>:<row>``, with rows from 1.
    """

    def __init__(self, base: Path, name: str, packed: Packed, id_column: str | None) -> None:
        """Takes the source's folder, the files' name or pattern in it, how they hold images, the layout's id column."""
        self.base = base
        self.name = name
        self.path = base / name
        self.packed = packed
        self._id_column = id_column

    @property
    def ids(self) -> list[str]:
        """The ids in the order of the files; numbers from 0 where the files hold none."""
        ids, sources = self._entries
        return [str(number) for number in range(len(sources))] if ids is None else ids

    @property
    def sources(self) -> list[str]:
        """The sources, in the order of the ids."""
        return self._entries[1]

    def find(self, ids: Sequence[str], table: Path) -> list[str]:
        """Finds each id's image: by the files' ids; where they hold none, by number (from 0 or 1), else by order.

        Returns:
            Sources, in the order of ``ids``.

        Raises:
            InputError: ids that the files hold twice or not at all, or another number of images.
        """
        known, sources = self._entries
        if known is None:
            return self._find_by_place(ids, table)
        double = [name for name, count in Counter(known).items() if count > 1]
        if double:
            raise InputError(f"{self.path}: {len(double)} ids have two images: {some(double)}; keep one of each")
        place = dict(zip(known, sources, strict=True))
        missing = [name for name in ids if name not in place]
        if missing:
            raise InputError(
                f"{table}: {len(missing)} ids have no image in {self.path}: {some(missing)}; the ids there are "
                f"{some(known, 3)}; correct packed.id in the competition's file, or remove the rows"
            )
        return [place[name] for name in ids]

    def lookup(self, ids: Sequence[str]) -> list[list[str]]:
        """Lists the sources that each id may mean; none or several, too."""
        known, sources = self._entries
        places: dict[str, list[str]] = {}
        for name, source in zip(known or [], sources, strict=False):
            places.setdefault(name, []).append(source)
        return [places.get(name, []) for name in ids]

    def has(self, ids: Sequence[str]) -> list[bool]:
        """Says of each id whether an image is there; where the files hold no ids, of none that it is not."""
        if self._entries[0] is None:
            return [True] * len(ids)
        return [bool(sources) for sources in self.lookup(ids)]

    def _find_by_place(self, ids: Sequence[str], table: Path) -> list[str]:
        for first in (0, 1):
            if set(ids) == {str(first + row) for row in range(len(self.sources))}:
                return [self.sources[int(name) - first] for name in ids]
        if len(ids) != len(self.sources):
            raise InputError(
                f"{table} has {len(ids)} rows, {self.path} {len(self.sources)} images without ids: they cannot be "
                "paired by their order; name the column of the ids with packed.id"
            )
        return list(self.sources)

    @cached_property
    def _entries(self) -> tuple[list[str] | None, list[str]]:
        files = list_row_files(self.path)
        columns = find_row_columns(files[0]).plain
        wanted = self.packed.id or next((name for name in (self._id_column, NAME) if name in columns), None)
        if wanted is None and ROW not in columns:
            raise InputError(
                f"{files[0]} has no column {self._id_column!r} that names its images; it has "
                f"{some(columns) or 'none'}; name the column of the ids with packed.id in the competition's file"
            )
        ids: list[str] = []
        sources: list[str] = []
        for file in files:
            cells = read_rows(file, [wanted or ROW]).iloc[:, 0].tolist()
            where = file.relative_to(self.base).as_posix()
            ids += cells
            sources += [f"{where}:{row}" for row in range(1, len(cells) + 1)]
        return (None if wanted is None else ids), sources


def open_images(base: Path, layout: ImageLayout, taken: Set[str] = frozenset()) -> ImageFolder | PackedImages:
    """Opens the images of a layout: those of a folder, or packed ones.

    Args:
        base: the source's folder.
        layout: says where they are.
        taken: files of the folder that are something else's, by path below ``base``.

    Raises:
        InputError: neither a folder nor packed files.
    """
    if isinstance(layout, Folders | FileNames) or (base / layout.images).is_dir():
        return ImageFolder(base, layout.images, taken)
    if not list_row_files(base / layout.images):
        return ImageFolder(base, layout.images)  # its error names the folders that are there
    return PackedImages(base, layout.images, layout.packed or Packed(), layout.id)


def fill_from_packed(
    store: Store, base: Path, packed: Packed, sources: Sequence[str], form: StorageForm, workers: int | None
) -> list[ImageFacts]:
    """Decodes packed images into the rows of a store, row i from source i.

    Args:
        store: where the rows go.
        base: folder that ``sources`` are relative to.
        packed: how the files hold images.
        sources: ``<file>:<row>``, with rows from 1.
        form: size, channels and resize policy.
        workers: processes; None takes one per core where that pays.

    Returns:
        The facts of each image, in the order of ``sources``; broken images are reported, not raised.

    Raises:
        InputError: a file cannot be read, or holds no pictures as ``packed`` says.
    """
    places: dict[str, dict[int, int]] = {}
    for place, source in enumerate(sources):
        file, _, row = source.rpartition(":")
        places.setdefault(file, {})[int(row)] = place
    pictures = (
        (rows[number], f"{base / file}, row {number}", picture)
        for file, rows in places.items()
        for number, picture in iterate_pictures(base / file, packed, rows)
    )
    return fill_packed(store, pictures, form, [base / file for file in places], workers)
