"""The listing of a folder or an archive, unpacking as little as can be: names, single files, tables."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO

import pandas as pd

from pipeline.core import csvs
from pipeline.core.archives.kinds import group_parts, has_archive_name
from pipeline.core.archives.listed import PackedListing, list_archive_files
from pipeline.core.archives.members import DamagedArchiveError
from pipeline.core.archives.packed import PackedFile
from pipeline.core.confined import require_files_below
from pipeline.core.errors import InputError
from pipeline.core.files import files_below
from pipeline.core.ids import natural_order
from pipeline.core.layouts import IMAGE_SUFFIXES
from pipeline.core.picture_formats import SIGNATURE_BYTES, find_picture_format
from pipeline.data.containers.array_rows import list_single_pictures
from pipeline.data.containers.formats import ROW_SUFFIXES, find_format, is_row_shard
from pipeline.data.containers.tables import find_row_columns, read_rows

TABLE_SUFFIXES = (".csv", ".tsv")
_HEAD_BYTES = 1_000_000
_PICTURE_OR_ROWS = (".npy",)  # an array of one picture, or of all pictures
_MOST_SETS = 32  # files of arrays: more are pictures
_WIDE, _MOST_FOLDERS = 200, 200  # columns: more are pixels or nothing; folders of files without extension looked into


@dataclass
class Listing:
    """The files of a competition by their path, as they will lie when everything is unpacked.

    Attributes:
        source: the folder or archive.
        members: path with forward slashes -> where its bytes are, on disk or in an archive.
        nested: the archives inside a folder, in natural order.
        folder: a temporary folder, gone when the listing closes.
        packed: the listing of an archive; None of a folder.
        encoding: of tables that are not UTF-8.
        known: tables that were read, and those that several files make together, by their pattern.
    """

    source: Path
    members: dict[str, PackedFile | Path]
    nested: tuple[str, ...]
    folder: Path
    packed: PackedListing | None = None
    encoding: str | None = None
    known: dict[str, pd.DataFrame] = field(default_factory=dict)
    _heads: dict[str, pd.DataFrame] = field(default_factory=dict)
    _places: dict[str, Path] = field(default_factory=dict)

    def of(self, *suffixes: str) -> list[str]:
        """Lists the paths with one of these endings (in any case) and not hidden, in natural order."""
        return [name for name in self.members if name.lower().endswith(suffixes) and "/." not in f"/{name}"]

    @cached_property
    def images(self) -> list[str]:
        """The paths of all images."""
        taken = set(self.of(*IMAGE_SUFFIXES)) - set(self.row_files) | self.bare_images
        return [path for path in self.members if path in taken]

    @cached_property
    def bare_images(self) -> set[str]:
        """The files without any extension of folders where the first and the last of them are pictures."""
        folders: dict[str, list[str]] = {}
        for path in self.of(""):
            if "." not in path.rpartition("/")[2]:
                folders.setdefault(path.rpartition("/")[0], []).append(path)
        probes = {folder: paths[:: max(1, len(paths) - 1)] for folder, paths in list(folders.items())[:_MOST_FOLDERS]}
        self.load([path for paths in probes.values() for path in paths])
        drawn = {folder for folder, paths in probes.items() if all(map(self._is_picture, paths))}
        whole = set(folders) if len(drawn) == len(probes) else drawn
        return {path for folder in whole for path in folders[folder]}

    def _is_picture(self, path: str) -> bool:
        return find_picture_format(self.read(path, SIGNATURE_BYTES)) is not None

    @cached_property
    def row_files(self) -> list[str]:
        """The paths of the files that hold rows; of NumPy's, those that do not hold a picture each."""
        shards = [path for path in self.of("") if is_row_shard(path)]
        arrays = self.of(*_PICTURE_OR_ROWS)
        if len(arrays) <= _MOST_SETS:
            self.load(arrays)
            arrays = list_single_pictures(arrays, lambda path: self.read(path, SIGNATURE_BYTES))
        single = set(arrays)
        return [path for path in self.of(*ROW_SUFFIXES) if path not in single] + shards

    @cached_property
    def tables(self) -> list[str]:
        """The paths of all tables."""
        return self.of(*TABLE_SUFFIXES)

    def read(self, path: str, limit: int | None = None) -> bytes:
        """Returns a file's bytes, or its first ``limit`` ones."""
        with self._opened(path) as file:
            return file.read(-1 if limit is None else limit)

    @cached_property
    def row_tables(self) -> list[str]:
        """The paths of the files that hold rows without pictures: JSON, Parquet and others, but no CSV."""
        return [path for path in self.row_files if self._holds_rows(path)]

    def _holds_rows(self, path: str) -> bool:
        try:
            columns = find_row_columns(self.place(path))
        except InputError:
            return False  # a JSON of another kind; what no reader takes is named where nothing else is there
        return 1 < len(columns.plain) <= _WIDE and not columns.pictures

    def place(self, path: str) -> Path:
        """Returns where a file lies on disk, copying it out of its archive once."""
        if path not in self._places:
            found = self._on_disk(path)
            if found.parent == self.folder:
                copy = self.folder / "rows" / f"{len(self._places)}{PurePosixPath(path).suffix}"
                copy.parent.mkdir(exist_ok=True)
                found = found.rename(copy)
            self._places[path] = found
        return self._places[path]

    def table(self, path: str) -> pd.DataFrame:
        """Reads a table, every column as text; once."""
        if path not in self.known:
            rows = find_format(path) is not None
            place = self.place(path) if rows else self._on_disk(path)
            self.known[path] = self._named(path, place, lambda: read_rows(place)) if rows else self._parsed(place, path)
        return self.known[path]

    def columns(self, path: str, names: Sequence[str]) -> pd.DataFrame:
        """Reads some columns of a table as text: of pixels, thousands of rows are too many to hold as text."""
        if path in self.known or find_format(path) is not None:
            return self.table(path)[list(names)]
        place = self._on_disk(path)
        return self._named(path, place, lambda: csvs.read_columns(place, names, self.encoding))

    def head(self, path: str) -> pd.DataFrame:
        """Reads the first whole lines of a table: enough for its columns and their kinds."""
        if find_format(path) is not None:
            return self.table(path)
        if path not in self._heads:
            self._heads[path] = self.known[path] if path in self.known else self._first_lines(path)
        return self._heads[path]

    def _first_lines(self, path: str) -> pd.DataFrame:
        limit, rows = _HEAD_BYTES, b""
        raw = self.read(path, limit)
        while len(raw) == limit and not (rows := csvs.cut_whole_rows(raw)):
            limit *= 8  # a row that long holds a mask or a picture
            raw = self.read(path, limit)
        cut = self.folder / "head.csv"
        cut.write_bytes(rows or raw)
        head = self._parsed(cut, path)
        if not rows:  # the table ends there
            self.known[path] = head
        return head

    def _parsed(self, place: Path, path: str) -> pd.DataFrame:
        return self._named(path, place, lambda: csvs.read_source_table(place, self.encoding))

    def _named(self, path: str, place: Path, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Errors name the table, not the copy of it that is read."""
        try:
            return read()
        except InputError as error:
            raise InputError(str(error).replace(str(place), f"{self.source}: {path}")) from error

    def load(self, paths: Sequence[str]) -> None:
        """Copies files that `read` would read one by one from archives that are read as a whole: tars and 7zs."""
        if self.packed is not None:
            self.packed.unpack([path for path in paths if self._lies_apart(path)])

    def _lies_apart(self, path: str) -> bool:
        file = self.members[path]
        return isinstance(file, PackedFile) and not file.archive.is_zip

    def _on_disk(self, path: str) -> Path:
        member = self._loaded(path)
        if isinstance(member, Path):
            return member
        copy = self.folder / "table.csv"
        with self._opened(path) as part, copy.open("wb") as file:
            shutil.copyfileobj(part, file)
        return copy

    def _loaded(self, path: str) -> PackedFile | Path:
        self.load([path])
        return self.members[path]

    @contextmanager
    def _opened(self, path: str) -> Iterator[IO[bytes]]:
        member = self._loaded(path)
        try:
            if isinstance(member, Path):
                with member.open("rb") as file:
                    yield file
            else:
                with member.archive.open_member(member.place) as file:
                    yield file
        except DamagedArchiveError as error:
            raise InputError(
                f"{self.source}: {path} cannot be read ({error.reason}); unpack what can be and give the folder"
            ) from error


@contextmanager
def open_listing(source: Path, encoding: str | None = None) -> Iterator[Listing]:
    """Lists a folder or an archive, with the archives inside it.

    Args:
        source: the folder or archive.
        encoding: of tables that are not UTF-8.

    Raises:
        InputError: neither folder nor archive, a damaged one, or members or links that leave their folder.
    """
    with tempfile.TemporaryDirectory(prefix="pipeline-init-") as temporary:
        folder = Path(temporary)
        if source.is_dir():
            # A folder is used as it lies: fetch unpacks nothing in it.
            lying: dict[str, PackedFile | Path]
            lying = {path.relative_to(source).as_posix(): path for path in files_below(source)}
            require_files_below(source, source, lying)
            nested = [name for name in lying if has_archive_name(name)] + list(group_parts(list(lying)))
            yield Listing(source, _in_order(lying), tuple(natural_order(nested)), folder, None, encoding)
        elif source.is_file():
            try:
                packed = list_archive_files(source, folder / "copies", IMAGE_SUFFIXES)
            except DamagedArchiveError as error:
                raise InputError(
                    f"--from {source} is neither a folder nor a whole, readable archive ({error.reason}); give the "
                    "path of one, or unpack it by hand and give the folder"
                ) from error
            packed.files = _in_order(packed.files)
            yield Listing(source, packed.files, (), folder, packed, encoding)
        else:
            raise InputError(f"--from {source} is neither a folder nor an archive; give the path of one")


def _in_order(files: dict[str, PackedFile | Path]) -> dict[str, PackedFile | Path]:
    return {name: files[name] for name in natural_order(list(files))}
