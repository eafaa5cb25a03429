"""The listing of a folder or a zip, without unpacking it: names, single files, tables."""

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

import pandas as pd

from pipeline.core import csvs
from pipeline.core.archive import UNREADABLE, list_archive
from pipeline.core.errors import InputError, one_line, some
from pipeline.core.files import files_below, is_hidden, require_space
from pipeline.core.ids import natural_order
from pipeline.core.layouts import IMAGE_SUFFIXES

TABLE_SUFFIXES = (".csv", ".tsv")
_HEAD_BYTES = 1_000_000


@dataclass(frozen=True)
class ListedFile:
    """A file: on disk (``archive`` None), or as ``name`` inside an archive that lies on disk."""

    place: Path
    name: str | None = None


@dataclass
class Listing:
    """The files of a competition by their path, as they will lie when everything is unpacked.

    Attributes:
        source: the folder or zip.
        members: path with forward slashes -> where its bytes are.
        nested: the zips inside, in natural order.
        folder: a temporary folder, gone when the listing closes.
        closing: closes what was opened.
        encoding: of tables that are not UTF-8.
    """

    source: Path
    members: dict[str, ListedFile]
    nested: tuple[str, ...]
    folder: Path
    closing: ExitStack
    encoding: str | None = None
    _tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    _heads: dict[str, pd.DataFrame] = field(default_factory=dict)
    _archives: dict[Path, zipfile.ZipFile] = field(default_factory=dict)

    def of(self, *suffixes: str) -> list[str]:
        """Lists the paths with one of these endings (in any case) and not hidden, in natural order."""
        return [name for name in self.members if name.lower().endswith(suffixes) and not is_hidden(PurePosixPath(name))]

    @property
    def images(self) -> list[str]:
        """The paths of all images."""
        return self.of(*IMAGE_SUFFIXES)

    @property
    def tables(self) -> list[str]:
        """The paths of all tables."""
        return self.of(*TABLE_SUFFIXES)

    def read(self, path: str, limit: int | None = None) -> bytes:
        """Returns a file's bytes, or its first ``limit`` ones."""
        with self._opened(path) as file:
            return file.read(-1 if limit is None else limit)

    def table(self, path: str) -> pd.DataFrame:
        """Reads a table, every column as text; once."""
        if path not in self._tables:
            self._tables[path] = self._parsed(self._on_disk(path), path)
        return self._tables[path]

    def columns(self, path: str, names: Sequence[str]) -> pd.DataFrame:
        """Reads some columns of a table as text: of pixels, thousands of rows are too many to hold as text."""
        place = self._on_disk(path)
        return self._named(path, place, lambda: csvs.read_columns(place, names, self.encoding))

    def head(self, path: str) -> pd.DataFrame:
        """Reads the first whole lines of a table: enough for its columns and their kinds."""
        if path not in self._heads:
            self._heads[path] = self._tables[path] if path in self._tables else self._first_lines(path)
        return self._heads[path]

    def _first_lines(self, path: str) -> pd.DataFrame:
        limit = _HEAD_BYTES
        raw = self.read(path, limit)
        while len(raw) == limit:
            if whole := csvs.cut_whole_rows(raw):
                raw = whole
                break
            limit *= 8  # a row that long holds a mask or a picture
            raw = self.read(path, limit)
        cut = self.folder / "head.csv"
        cut.write_bytes(raw)
        return self._parsed(cut, path)

    def _parsed(self, place: Path, path: str) -> pd.DataFrame:
        return self._named(path, place, lambda: csvs.read_source_table(place, self.encoding))

    def _named(self, path: str, place: Path, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Errors name the table, not the copy of it that is read."""
        try:
            return read()
        except InputError as error:
            raise InputError(str(error).replace(str(place), f"{self.source}: {path}")) from error

    def _on_disk(self, path: str) -> Path:
        member = self.members[path]
        if member.name is None:
            return member.place
        # Never the member's own name: it could lead out of the folder.
        copy = self.folder / "table.csv"
        with self._opened(path) as part, copy.open("wb") as file:
            shutil.copyfileobj(part, file)
        return copy

    @contextmanager
    def _opened(self, path: str) -> Iterator[IO[bytes]]:
        try:
            with self._open(self.members[path]) as file:
                yield file
        except UNREADABLE as error:
            raise InputError(
                f"{self.source}: {path} cannot be read ({one_line(error)}); unpack what can be and give the folder"
            ) from error

    def _open(self, member: ListedFile) -> IO[bytes]:
        if member.name is None:
            return member.place.open("rb")
        # Opened once: reading the names of 100,000 members again for every image takes minutes.
        if member.place not in self._archives:
            self._archives[member.place] = self.closing.enter_context(zipfile.ZipFile(member.place))
        return self._archives[member.place].open(member.name)


@contextmanager
def open_listing(source: Path, encoding: str | None = None) -> Iterator[Listing]:
    """Lists a folder or a zip, zips one level down included; nothing is unpacked but nested zips, for a while.

    Args:
        source: the folder or zip.
        encoding: of tables that are not UTF-8.

    Raises:
        InputError: neither folder nor zip, a broken zip, or members that leave their folder.
    """
    with tempfile.TemporaryDirectory(prefix="pipeline-init-") as temporary, ExitStack() as closing:
        folder = Path(temporary)
        if source.is_dir():
            found = {path.relative_to(source).as_posix(): ListedFile(path) for path in files_below(source)}
        elif source.is_file() and zipfile.is_zipfile(source):
            found = _inside(source, str(source))
        else:
            raise InputError(f"--from {source} is neither a folder nor a zip; give the path of one")
        nested = tuple(natural_order([name for name in found if name.lower().endswith(".zip")]))
        # fetch unpacks the zips inside a zip; a folder it uses as it lies.
        for number, name in enumerate(nested if source.is_file() else ()):
            inner = _nested(source, found.pop(name), name, folder / f"{number}.zip")
            if twice := sorted(found.keys() & inner.keys()):
                raise InputError(
                    f"{source}: {name} would unpack over {some(twice)}; put its files into a folder of their own"
                )
            found |= inner
        yield Listing(
            source, {name: found[name] for name in natural_order(list(found))}, nested, folder, closing, encoding
        )


def _inside(path: Path, place: str) -> dict[str, ListedFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: ListedFile(path, info.filename) for name, info in list_archive(archive, place).items()}
    except zipfile.BadZipFile as error:
        raise InputError(f"{place} is not a whole zip ({error}); fetch it again") from error


def _nested(source: Path, member: ListedFile, name: str, copy: Path) -> dict[str, ListedFile]:
    with zipfile.ZipFile(source) as archive, archive.open(str(member.name)) as part, copy.open("wb") as file:
        require_space(copy.parent, archive.getinfo(str(member.name)).file_size)
        shutil.copyfileobj(part, file)
    inner = _inside(copy, f"{source}: {name}")
    # `unpack_archive` unpacks an inner zip into the folder where it lies.
    return {(PurePosixPath(name).parent / part).as_posix(): found for part, found in inner.items()}
