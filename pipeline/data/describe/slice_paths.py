"""Slice paths of a new competition: which files are slices of an image, and what a path of a folder of them names."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

from pipeline.core.errors import some
from pipeline.core.file_layouts import CHANNEL
from pipeline.images.slices import are_numbered

SHARE = 0.9  # of the rows have a file of the path, or as many slices, at least: some files are lost
_MOST_OF_ONE = 4  # numbered files of a folder that are channels, as far as the files tell
NAMES_OF_CHANNELS = frozenset({"w", "c", "ch", "chan", "channel", "band", "b", "stain", "filter"})
_COLOURS = {"red", "green", "blue", "yellow", "cyan", "magenta", "nir", "swir", "infrared", "dapi", "gfp", "rfp", "cy"}


def list_places(paths: Iterable[str]) -> set[str]:
    """Lists files and the folders around them: what a composed path may name."""
    found = set(paths)
    for folder in {path.rpartition("/")[0] for path in found}:
        found.update(str(upper) for upper in (PurePosixPath(folder), *PurePosixPath(folder).parents))
    return found


def choose_middle_files(places: Sequence[str], paths: Sequence[str]) -> tuple[str, ...]:
    """Chooses a file for each place: the file itself, or the one in the middle of a folder of slices."""
    there, inner = set(paths), defaultdict[str, list[str]](list)
    for path in paths if not there.issuperset(places) else ():
        for upper in PurePosixPath(path).parents:
            inner[str(upper)].append(path)
    return tuple(place if place in there else sorted(inner[place])[len(inner[place]) // 2] for place in places)


def are_slices(files: Sequence[Collection[str]], alike: float = SHARE) -> bool:
    """Says whether each row has folders of its own that hold slices of an image, rather than its channels.

    Slices are numbered, or of another number in each folder; channels are few, and as many in most folders.

    Args:
        files: of each row.
        alike: the share of folders with the most common number from which on their files may be channels.
    """
    folders = [Counter(str(PurePosixPath(path).parent) for path in mine) for mine in files]
    if max(Counter(name for mine in folders for name in mine).values(), default=2) > 1:
        return False
    counts = Counter(count for mine in folders for count in mine.values())
    names = [path for mine in files for path in mine]
    word = re.split(r"\d", PurePosixPath(names[0]).stem)[0].strip("_-").lower()
    many = max(counts) > _MOST_OF_ONE and are_numbered(names) and word not in NAMES_OF_CHANNELS
    return max(counts) > 1 and (many or max(counts.values()) < alike * counts.total())


def check_channels(path: str, channels: Sequence[str]) -> tuple[str, ...]:
    """Says that files were read as channels of an image though neither a word before them nor a colour calls them so.

    Args:
        path: that columns make, with ``{channel}``.
        channels: their names; none where one file makes the image.
    """
    mark = f"{{{CHANNEL}}}"
    word = re.search(r"([A-Za-z]+)[-_. ]?$", path.partition(mark)[0])
    named = word is not None and word[1].lower() in NAMES_OF_CHANNELS
    if not channels or named or not _COLOURS.isdisjoint(map(str.lower, channels)):
        return ()
    folder, name = str(PurePosixPath(path).parent), PurePosixPath(path).name
    inside, around = (set(re.findall(r"{[^{}]*}", part)) - {mark} for part in (name, folder))
    apart = mark not in folder and bool(around) and inside <= around  # each row has a folder of its own
    what, key = ("slices", "slices: spread") if apart else ("pictures of their own", "channels: 1")
    other = folder if apart else path.replace(mark, channels[0])
    return (
        f"the {len(channels)} files of each row ({some(channels, 4)}) were read as channels of one image, though no "
        f"name says so; if they are {what}, write files: {{path: '{other}'}} in train and test, and {key} in storage",
    )


def check_further_files(template: str, used: Sequence[str], paths: Iterable[str], id_column: str) -> tuple[str, ...]:
    """Says that rows have more files than the one whose end the path says: ``a-1.jpg``, ``a-2.jpg``, ``a_back.png``.

    Args:
        template: the path that columns make, of one file for each row.
        used: these files.
        paths: of all images.
        id_column: of the table.
    """
    tail = template.rpartition("}")[2]
    if not tail or tail[0].isalnum() or tail[0] in "./":
        return ()
    starts = {path.removesuffix(tail) for path in used}
    ends = {path: cut for path in set(paths).difference(used) if (cut := _cut_end(path, tail[0], starts)) is not None}
    if not ends:
        return ()
    rows = len(set(ends.values()))
    return (
        f"{rows:,} of {len(used):,} rows have several files, such as {min(ends)}: the one that ends in "
        f"{tail} is taken, and {len(ends):,} others are not; for answers from all files of a row list the files in "
        f"a table with {id_column}, and write train.answers and submission.unit by hand (docs/competitions.md)",
    )


def _cut_end(path: str, joint: str, starts: Collection[str]) -> str | None:
    """Returns the one of some starts that a path has before a joint; None where it has none."""
    places = [place for place, letter in enumerate(path) if letter == joint]
    return next((path[:place] for place in reversed(places) if path[:place] in starts), None)
