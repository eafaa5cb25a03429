"""Readings of a competition's files: the choice between them, and the images that a column names."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import permutations
from pathlib import PurePosixPath
from typing import Any, TypeVar

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.core.ids import plain_path
from pipeline.core.layouts import IMAGE_SUFFIXES
from pipeline.core.sampling import draw_rows
from pipeline.data.containers.pictures import Picture

T = TypeVar("T")
ENOUGH = 0.5  # the least share of ids with an image that makes a column the id column


@dataclass(frozen=True)
class Choices:
    """The user's decisions about readings that the files leave open; None leaves the decision to the files.

    Attributes:
        train: a table, a folder, or ``TABLE:FOLDER``.
        id: the id column of the training table.
        label: the label column of the training table.
        test: the folder or table of test images.
        sample: the sample submission.
        positive: the class whose probability a single column holds.
        encoding: of tables that are not UTF-8.
        group: the column, or the pattern over ids, that ties training images together; ``none`` for neither.
        target: the kind of what is predicted.
        order: grades, the lowest first, between commas; or a file of them.
        metric: the competition's metric, which is evidence for the kind.
        placeholder: what the sample's cells hold where the name of a class belongs.
    """

    train: str | None = None
    id: str | None = None
    label: str | None = None
    test: str | None = None
    sample: str | None = None
    positive: str | None = None
    encoding: str | None = None
    group: str | None = None
    target: str | None = None
    order: str | None = None
    metric: str | None = None
    placeholder: str | None = None


@dataclass(frozen=True)
class Reading:
    """A section of a competition's file, and why it reads so.

    Attributes:
        section: its keys.
        facts: as read from the files; they become comments.
        check: guesses that a person should check.
        images: paths of the images.
        classes: class names, of a training section.
        pixels: (height, width, channels) where a table holds the pixels.
        rows: how many training images there are.
        pictures: some of the training images, where they are packed.
        more: other sections of the file that follow from this one: ``groups``, ``leave_out``.
        target: the section of what is predicted, of a training section; empty for one class per image.
        labelled: whether each training image has a label, of several labels.
        answers: keys of the submission section that the test images decide: ``unit``, or ``rows`` and ``parts``.
    """

    section: dict[str, Any]
    facts: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    pixels: tuple[int, int, int] | None = None
    rows: int = 0
    pictures: tuple[Picture, ...] = ()
    more: dict[str, dict[str, Any]] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=dict)
    labelled: bool = False
    answers: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of the target."""
        return str(self.target.get("kind", "one_class"))


def pick_reading(what: str, candidates: Mapping[str, T], option: str, chosen: str | None) -> T:
    """Returns the only candidate, or the chosen one; a chosen ``x`` also means ``x:...`` where only one begins so.

    Raises:
        InputError: several and none chosen, or no candidate of that name; both list them.
    """
    if chosen is None:
        if len(candidates) == 1:
            return next(iter(candidates.values()))
        listed = " or ".join(f"{option} '{name}'" for name in list(candidates)[:10])
        raise InputError(f"{what} can be read in {len(candidates)} ways; choose with {listed}")
    wanted = chosen.strip().removeprefix("./").rstrip("/") or "."
    if wanted in candidates:
        return candidates[wanted]
    if len(begun := [name for name in candidates if name.startswith(wanted + ":")]) == 1:
        return candidates[begun[0]]
    raise InputError(f"{option} {chosen!r} is not a possible reading of {what}; possible: {some(begun or candidates)}")


def strip_suffix(name: str) -> str:
    """Drops an image extension, in any case; other dots stay."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending.lower()}" in IMAGE_SUFFIXES else name


def plain_stem(path: str) -> str:
    """What an id may call an image: its path without extension, as it looks."""
    return plain_path(strip_suffix(path))


def parent_folder(path: str) -> str:
    """Returns the folder of a path; ``.`` is the root."""
    return path.rpartition("/")[0] or "."


def is_below(folder: str, path: str) -> bool:
    """Says whether a path lies below a folder, at any depth."""
    return folder == "." or path.startswith(folder + "/")


@dataclass(frozen=True)
class Match:
    """A column that names the images of a folder.

    Attributes:
        column: the column.
        folder: the folder that its values are relative to.
        images: the paths found, in the order of the rows.
        rows: how many ids the column holds.
        share: of the ids, those with an image.
        overlap: images named by the column over all images or ids on either side (Jaccard).
        places: the row of each image, from 0.
    """

    column: str
    folder: str
    images: tuple[str, ...]
    rows: int
    share: float
    overlap: float
    places: tuple[int, ...] = ()


@dataclass
class ImageFiles:
    """The images of a listing, by folder and by stem."""

    paths: list[str]

    @cached_property
    def by_folder(self) -> dict[str, dict[str, str]]:
        """Folder -> stem -> path, for the images that lie directly in it."""
        folders: dict[str, dict[str, str]] = {}
        for path in self.paths:
            folders.setdefault(parent_folder(path), {})[plain_stem(path.rpartition("/")[2])] = path
        return folders

    @cached_property
    def by_stem(self) -> dict[str, str]:
        """Whole path without extension -> path."""
        return {plain_stem(path): path for path in self.paths}

    @cached_property
    def by_ancestor(self) -> dict[str, dict[str, str]]:
        """Folder -> stem -> path, for the images in sub-folders; a bare name that two images share is left out."""
        found: dict[str, dict[str, str]] = {}
        for folder in sorted({upper.as_posix() for name in self.by_folder for upper in PurePosixPath(name).parents}):
            counts = Counter(plain_stem(path.rpartition("/")[2]) for path in self.under(folder))
            by_name = {plain_stem(path.rpartition("/")[2]): path for path in self.under(folder)}
            found[folder] = {name: path for name, path in by_name.items() if counts[name] == 1}
        return found

    def under(self, folder: str) -> list[str]:
        """Lists the images below a folder, at any depth."""
        return [path for path in self.paths if is_below(folder, path)]

    def matches(self, column: str, values: Sequence[str], claimed: Iterable[str] = ()) -> list[Match]:
        """Finds the folders whose images a column names: the best one, or all that are about as good.

        Args:
            column: its name, for the result.
            values: its cells.
            claimed: images that belong to something else already (training images are no test images).
        """
        taken = set(claimed)
        ids = [strip_suffix(plain_path(value)) for value in values]
        deep = any("/" in name for name in ids[:1000])
        found = [_match(column, ids, folder, names, taken) for folder, names in self._bases(ids, deep).items()]
        good = [match for match in found if match.share >= ENOUGH]
        best = max((match.share for match in good), default=0.0)
        if best < 1 and not deep:
            rest = ImageFiles([path for path in self.paths if path not in taken]) if taken else self
            bare = [_match(column, ids, folder, names, taken) for folder, names in rest.by_ancestor.items()]
            good += [match for match in bare if match.share >= ENOUGH and match.share > best]
        whole = _drop_outer([match for match in good if match.share == max(m.share for m in good)])
        exact = [match for match in whole if match.overlap == 1]
        # ids 0, 1, 2 ... fit any folder with as many images or more: a folder with twice as many is not meant.
        most = max((match.overlap for match in whole), default=0.0)
        return exact or [match for match in whole if match.overlap > most / 2]

    def _bases(self, ids: Sequence[str], deep: bool) -> dict[str, dict[str, str]]:
        """The folders that the ids may be relative to, each with its images by what an id calls them."""
        probe = [ids[row] for row in draw_rows(len(ids), 64, 0)]  # steps could miss all rows of a folder
        if not deep:
            return {folder: names for folder, names in self.by_folder.items() if not names.keys().isdisjoint(probe)}
        bases = set()
        for name in [name for name in probe if "/" in name][:5]:
            parts = name.count("/") + 1
            bases |= {
                "/".join(path.split("/")[:-parts]) or "."
                for whole, path in self.by_stem.items()
                if f"/{whole}".endswith(f"/{name}")
            }
        cuts = {folder: 0 if folder == "." else len(folder) + 1 for folder in bases}
        return {base: {plain_stem(path[cut:]): path for path in self.under(base)} for base, cut in sorted(cuts.items())}


def _drop_outer(matches: Sequence[Match]) -> list[Match]:
    """Leaves out folders around another one that holds the same images."""
    pairs = permutations(matches, 2)  # outer, inner
    around = [one.folder for one, two in pairs if two.images == one.images and is_below(one.folder, two.folder)]
    return [match for match in matches if match.folder not in around]


def _match(column: str, ids: Sequence[str], folder: str, names: Mapping[str, str], taken: set[str]) -> Match:
    pairs = [(place, names[name]) for place, name in enumerate(ids) if name in names and names[name] not in taken]
    images = tuple(path for _, path in pairs)
    free = sum(path not in taken for path in names.values())
    share, either = len(images) / max(1, len(ids)), len(set(ids)) + free - len(set(images))
    overlap = len(set(images)) / max(1, either)
    return Match(column, folder, images, len(ids), share, overlap, tuple(place for place, _ in pairs))


def is_id(values: pd.Series) -> bool:
    """Says whether a column tells rows apart: an id column does, a label column does not."""
    return bool(values.nunique() >= 0.9 * len(values)) and len(values) > 0
