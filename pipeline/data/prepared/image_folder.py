"""A folder of images: what lies in it, and which file an id means."""

from collections.abc import Sequence, Set
from functools import cached_property
from pathlib import Path, PurePosixPath

from pipeline.core.confined import require_files_below
from pipeline.core.errors import InputError, some
from pipeline.core.files import files_below, is_hidden, is_junk
from pipeline.core.ids import drop_zeros, plain_path
from pipeline.core.layouts import IMAGE_SUFFIXES
from pipeline.core.picture_formats import SIGNATURE_BYTES, find_picture_format, find_suffix_format


class ImageFolder:
    """The files below one folder of a competition, by path relative to it ('/' between parts).

    Files with an image's extension count as images, and so do files without any whose content is a picture; any other
    file counts only where a table names it.
    """

    def __init__(self, base: Path, name: str, taken: Set[str] = frozenset()) -> None:
        """Takes the source's folder, the name of the images' folder in it, and files that are something else's."""
        self.base = base
        self.taken = taken
        self.name = name
        self.path = base / name
        if not self.path.is_dir():
            there = sorted(path.name for path in base.iterdir() if path.is_dir())
            raise InputError(
                f"{self.path} is no folder; {base} has the folders {some(there) or 'none'}; "
                "correct images in the competition's file"
            )

    @cached_property
    def files(self) -> list[str]:
        """All files, sorted, without those taken, hidden ones and what operating systems leave behind.

        Raises:
            InputError: a link leads out of the source: what it links to would be copied into the store.
        """
        found = [path.relative_to(self.path).as_posix() for path in files_below(self.path)]
        shown = sorted(path for path in found if not is_hidden(PurePosixPath(path)))
        require_files_below(self.base, self.path, shown)
        return [path for path in shown if self.source(path) not in self.taken] if self.taken else shown

    @cached_property
    def images(self) -> list[str]:
        """The files with an image's extension, and the pictures without any."""
        endings = ((path, PurePosixPath(path).suffix.lower()) for path in self.files)
        return [path for path, end in endings if end in IMAGE_SUFFIXES or (not end and self._is_picture(path))]

    def _is_picture(self, path: str) -> bool:
        with (self.path / path).open("rb") as file:
            return find_picture_format(file.read(SIGNATURE_BYTES)) is not None

    @property
    def others(self) -> list[str]:
        """The files that are no images by their extension, or by their content where they have none."""
        images = set(self.images)
        return [path for path in self.files if path not in images]

    @property
    def folders(self) -> list[str]:
        """The folders that lie directly in this one, without hidden ones."""
        found = [PurePosixPath(path.name) for path in self.path.iterdir() if path.is_dir()]
        return sorted(path.name for path in found if not is_junk(path) and not is_hidden(path))

    @property
    def sources(self) -> list[str]:
        """The images by path below the source's folder."""
        return [self.source(path) for path in self.images]

    def source(self, path: str) -> str:
        """Returns the path below the source's folder."""
        return (PurePosixPath(self.name) / path).as_posix()

    def find(self, ids: Sequence[str], table: Path) -> list[str]:
        """Finds each id's file: with or without extension, in any case of it; by bare name when no path fits.

        Then by what the name looks like (`plain_path`): slashes of Windows, accents of a Mac, blanks around names.
        Then by the name without an image's extension: pictures that were converted keep their ids. Last, by the number
        alone where files are called by numbers with zeros before them, which programs that write tables take away.

        Returns:
            Paths below the source's folder, in the order of ``ids``.

        Raises:
            InputError: ids without a file, with two files, or two ids for one file; all are listed.
        """
        found: list[str] = []
        missing, double = [], []
        for name, matches in zip(ids, self._match(ids), strict=True):
            if len(matches) > 1:
                matches = [path for path in matches if path == name] or _leave_twins(matches)
            if not matches:
                missing.append(name)
            elif len(matches) > 1:
                double.append(f"{name} ({', '.join(matches)})")
            else:
                found.append(matches[0])
        if missing:
            raise InputError(
                f"{table}: {len(missing)} ids have no image in {self.path}: {some(missing)}; "
                "add the files, remove the rows, or write leave_out: {no_image: true}, which leaves such training rows "
                "out and predicts such test rows, half of all at most, from a black picture"
            )
        if double:
            raise InputError(
                f"{table}: {len(double)} ids fit more than one image in {self.path}: {some(double)}; keep one of each"
            )
        self._refuse_sharing(ids, found, table)
        return [self.source(path) for path in found]

    def lookup(self, ids: Sequence[str]) -> list[list[str]]:
        """Lists the images that each id may mean, by path below the source's folder; none or several, too."""
        return [[self.source(path) for path in matches] for matches in self._match(ids)]

    def has(self, ids: Sequence[str]) -> list[bool]:
        """Says of each id whether a file is there."""
        return [bool(matches) for matches in self._match(ids)]

    def _match(self, ids: Sequence[str]) -> list[list[str]]:
        exact, bare = self._names
        return [
            exact.get(_key(name))
            or bare.get(_key(name))
            or self._plain_names.get(_key(plain_path(name)))
            or exact.get(_stem(name))
            or bare.get(_stem(name))
            or self._numbers.get(drop_zeros(_stem(name) or name), [])
            for name in ids
        ]

    @cached_property
    def _names(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """Files by what an id may call them: by path with and without extension, and by name alone."""
        exact: dict[str, list[str]] = {}
        bare: dict[str, list[str]] = {}
        for path in self.files:
            pure = PurePosixPath(path)
            keys = {_key(path)}
            if pure.suffix.lower() in IMAGE_SUFFIXES:
                keys.add(path[: -len(pure.suffix)])
            for key in keys:
                exact.setdefault(key, []).append(path)
                if "/" in path:
                    bare.setdefault(PurePosixPath(key).name, []).append(path)
        return exact, bare

    @cached_property
    def _plain_names(self) -> dict[str, list[str]]:
        """The same by what the names look like: for paths of Windows, accents of a Mac, blanks around names."""
        found: dict[str, list[str]] = {}
        for names in reversed(self._names):
            for key, paths in names.items():
                found[plain_path(key)] = paths
        return found

    @cached_property
    def _numbers(self) -> dict[str, list[str]]:
        """Images whose names are numbers with zeros before them, by path and by name without the zeros."""
        found: dict[str, list[str]] = {}
        for names in self._names:
            for key, paths in names.items():
                if (plain := drop_zeros(key)) != key:
                    found.setdefault(plain, []).extend(paths)
        return found

    def _refuse_sharing(self, ids: Sequence[str], found: Sequence[str], table: Path) -> None:
        owner: dict[str, str] = {}
        shared = [
            f"{owner[path]} and {name}"
            for name, path in zip(ids, found, strict=True)
            if owner.setdefault(path, name) != name
        ]
        if shared:
            raise InputError(f"{table}: {len(shared)} images have two ids: {some(shared)}; keep one row of each")


def _leave_twins(paths: list[str]) -> list[str]:
    """Leaves out the DICOM and TIFF files of pictures that are plain files as well, as `init` does."""
    plain = [path for path in paths if not may_be_twin(path)]
    return plain if len(plain) == 1 else paths


def may_be_twin(path: str) -> bool:
    """Says whether a file may hold a second time what a plain picture of its name holds."""
    return find_suffix_format(path) in ("DICOM", "TIFF")


def _key(path: str) -> str:
    """An image's extension counts in any case; the rest of the name to the letter."""
    suffix = PurePosixPath(path).suffix
    return path[: -len(suffix)] + suffix.lower() if suffix.lower() in IMAGE_SUFFIXES else path


def _stem(name: str) -> str:
    """The name without an image's extension; empty, which no file is called, where it has none."""
    pure = PurePosixPath(name)
    return name[: -len(pure.suffix)] if pure.suffix.lower() in IMAGE_SUFFIXES else ""
