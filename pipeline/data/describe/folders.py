"""Reads classes off folders and off file names."""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.core.errors import some
from pipeline.core.ids import natural_order
from pipeline.data.describe.classes import format_counts
from pipeline.data.describe.match import ImageFiles, Reading, parent_folder

_PARTS = re.compile(r"^(train|test|val|valid|validation|images?|img|data|sample)(ing|s|ed)?[-_ ]?\w?$", re.IGNORECASE)
# With more behind it: test_stg1, train-jpg. A single class may be called so (train station), but not all of them.
# So is stage_2_train beside stage_2_test.
_LONGER_PARTS = re.compile(
    r"^(train|test|valid|validation)(ing|s)?[-_ .].+$|^.+[-_ .](train|test|valid|validation)(ing|s)?$", re.IGNORECASE
)
# With something on both sides, such as stage_2_train_images: as words of classes these are not rare.
_WITHIN = re.compile(r"^.+[-_ .](train|test|valid|validation)(ing|s)?[-_ .].+$", re.IGNORECASE)
_TESTS = re.compile(r"^test(ing|s)?([-_ ].*)?$", re.IGNORECASE)
# Matched from the start of the file name: cat.0.jpg, beagle_0012.png and 17_cat.png.
_PATTERNS = (
    r"^(?P<label>[A-Za-z](?:[\w -]*[A-Za-z])?)[._ -]*\d+(?=\.\w+$|$)",
    r"^\d+[._ -]+(?P<label>[A-Za-z](?:[\w -]*[A-Za-z])?)(?=\.\w+$|$)",
)
_NUMBERED = r"^(?P<label>\d+)[_-]\d+(?=\.\w+$|$)"  # 3_17.jpg: only where the sample submission speaks for it


@dataclass(frozen=True)
class FolderCandidate:
    """A folder whose sub-folders are classes, but for one of test images that lies beside them (``aside``).

    Images of each class may lie in a folder of one name (``inner``): ``train/ant/images/1.png``.
    """

    folder: str
    classes: tuple[str, ...]
    aside: str | None = None
    inner: str | None = None


@dataclass(frozen=True)
class NameCandidate:
    """A folder whose file names hold the class."""

    folder: str
    pattern: str
    counts: dict[str, int]


def find_class_folders(images: ImageFiles) -> list[str]:
    """Lists the folders whose sub-folders can be classes: not those that part images by letters of their names."""
    return [
        folder
        for folder in sorted({parent_folder(name) for name in images.by_folder if name != "."})
        if list_class_folders(images, folder) and not _are_shards(images, folder)
    ]


def _are_shards(images: ImageFiles, folder: str) -> bool:
    """Says whether two folders above each image are parts of its name, beside each other, in either order.

    So are ``3f/a2/3fa2c1.png`` and ``75/27/3332775.png``, whose folders are called by the end of the name.
    """
    outer = PurePosixPath(folder).name
    if not re.fullmatch(r"[0-9A-Za-z]{1,3}", outer):
        return False
    for path in images.under(folder):
        inner, stem = PurePosixPath(path).parent.name, PurePosixPath(path).stem
        if len(inner) != len(outer) or not (outer + inner in stem or inner + outer in stem):
            return False
    return True


def are_parts_of_names(images: ImageFiles, folder: str) -> bool:
    """Says whether each sub-folder is called after a part of the names of its images: ``3f/3fa2c1.png``."""
    return all(PurePosixPath(path).parent.name in PurePosixPath(path).stem for path in images.under(folder))


def list_class_folders(images: ImageFiles, folder: str) -> tuple[str, ...]:
    """Lists the sub-folders with images in natural order; none unless they can be classes."""
    names = [PurePosixPath(name).name for name in images.by_folder if name != "." and parent_folder(name) == folder]
    if len(names) < 2 or any(_PARTS.match(name) for name in names) or all(map(_is_longer_part, names)):
        return ()
    return tuple(natural_order(names))


def _is_longer_part(name: str) -> bool:
    return bool(_LONGER_PARTS.match(name) or _WITHIN.match(name))


def is_part(name: str) -> bool:
    """Says whether a folder is called after a part of the data, such as training or tests, and is no class by that."""
    return bool(_PARTS.match(name) or _LONGER_PARTS.match(name))


def find_classes_beside_tests(images: ImageFiles, tests: Collection[str]) -> list[FolderCandidate]:
    """Finds folders whose sub-folders are classes, all but one: that of the test images.

    Args:
        images: by folder.
        tests: folders whose images the sample submission may name; of several, one that is called after tests.
    """
    found = []
    for folder in sorted({parent_folder(name) for name in images.by_folder if name != "."}):
        inner = [name for name in images.by_folder if name != "." and parent_folder(name) == folder]
        likely = [name for name in inner if name in tests]
        likely = [name for name in likely if _TESTS.match(PurePosixPath(name).name)] if len(likely) > 1 else likely
        names = [PurePosixPath(name).name for name in inner if name not in likely]
        parts = any(map(is_part, names))
        if len(likely) == 1 and len(names) > 1 and not parts:
            found.append(FolderCandidate(folder, tuple(natural_order(names)), likely[0]))
    return found


def describe_class_folders(candidate: FolderCandidate, images: ImageFiles) -> Reading:
    """Reads one folder per class."""
    aside = set(images.under(candidate.aside)) if candidate.aside else set()
    below = [path for path in images.under(candidate.folder) if path not in aside]
    start, end = ("" if candidate.folder == "." else f"{candidate.folder}/"), candidate.inner and f"/{candidate.inner}"
    homes = {f"{start}{name}{end or ''}": name for name in candidate.classes}
    mine = [path for path in below if parent_folder(path) in homes]
    counts = Counter(homes[parent_folder(path)] for path in mine)
    facts = (
        f"{candidate.folder}: {len(mine):,} images in one folder per class; {format_counts(counts, candidate.classes)}",
    )
    loose = len(below) - len(mine)
    loose_line = (f"{loose:,} images below {candidate.folder} are in no class folder",) if loose else ()
    aside_line = (f"{candidate.aside} is next to folders read as classes",) if candidate.aside else ()
    check = (*loose_line, *aside_line)
    return Reading(
        {"layout": "folders", "images": candidate.folder}, facts, check, tuple(mine), candidate.classes, rows=len(mine)
    )


def find_file_names(images: ImageFiles) -> list[NameCandidate]:
    """Finds folders whose files are all called by a class and a number."""
    found = []
    flat = {folder: stems for folder, stems in images.by_folder.items() if len(images.under(folder)) == len(stems)}
    for folder, stems in flat.items():
        for pattern in _PATTERNS:
            hits = [re.match(pattern, PurePosixPath(path).name) for path in stems.values()]
            counts = Counter(hit["label"] for hit in hits if hit)
            enough = (
                len(counts) >= 2 and 2 * len(counts) <= len(hits) and not any(_PARTS.match(name) for name in counts)
            )
            if enough and all(hits):
                found.append(NameCandidate(folder, pattern, dict(counts)))
    return found


def find_numbered_names(images: ImageFiles, tests: Collection[str], shown: Collection[str]) -> list[NameCandidate]:
    """Finds folders whose files are all called by the number of a class and a number: ``3_17.jpg``.

    Args:
        images: by folder.
        tests: the ids of the sample submission: if these are called alike, the first number is no class.
        shown: its answers: they, too, are numbers of these classes, which count from 0 or 1 on.
    """
    if any(re.match(_NUMBERED, name) for name in tests):
        return []
    found = []
    for folder, stems in images.by_folder.items():
        hits = [re.match(_NUMBERED, PurePosixPath(path).name) for path in stems.values()]
        counts = Counter(hit["label"] for hit in hits if hit)
        numbers = sorted(map(int, counts))
        counted = numbers in (list(range(len(counts))), [*range(1, len(counts) + 1)])
        told = bool(shown) and counts.keys() >= set(shown)
        if (
            all(hits)
            and told
            and counted
            and 2 <= len(counts) <= len(hits) // 2
            and len(images.under(folder)) == len(stems)
        ):
            found.append(NameCandidate(folder, _NUMBERED, dict(counts)))
    return found


def describe_file_names(candidate: NameCandidate, images: ImageFiles) -> Reading:
    """Reads the class out of the file names."""
    classes = tuple(natural_order(list(candidate.counts)))
    paths = tuple(images.by_folder[candidate.folder].values())
    names = [PurePosixPath(path).name for path in paths]
    facts = (
        f"{candidate.folder}: {len(paths):,} images such as {some(names, 3)}; "
        f"{format_counts(candidate.counts, classes)}",
    )
    section = {"layout": "file_names", "images": candidate.folder, "pattern": candidate.pattern}
    return Reading(section, facts, ("the class was read from the file names",), paths, classes, rows=len(paths))
