"""Padded names: ids that lost the zeros of their files' names, ``7`` of ``0007.jpg``, as read as numbers."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.core.errors import some
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import ENOUGH, ImageFiles, Match, is_id, plain_stem
from pipeline.data.describe.test_tables import WIDE

_NUMBER = r"\d+"


@dataclass
class PaddedFiles(ImageFiles):
    """Images whose files are called by numbers of ``widths`` digits, and ids by the numbers alone."""

    widths: tuple[int, ...] = ()

    def matches(self, column: str, values: Sequence[str], claimed: Iterable[str] = ()) -> list[Match]:
        """Finds the folders whose images a column names, with zeros before its numbers where they name none without."""
        taken = set(claimed)
        found = super().matches(column, values, taken)
        if found or not all(re.fullmatch(_NUMBER, name) for name in values):
            return found
        ways = [super(PaddedFiles, self).matches(column, [v.zfill(w) for v in values], taken) for w in self.widths]
        return max(ways, key=lambda way: max((match.share for match in way), default=0.0), default=[])


def find_padded(listing: Listing, images: ImageFiles) -> ImageFiles:
    """Reads ids as numbers without their zeros where some column names images so, and none of its table otherwise."""
    widths = [_find_width(tuple(stems)) for stems in images.by_folder.values()]
    padded = PaddedFiles(images.paths, tuple(sorted({width for width in widths if width})))
    if not padded.widths:
        return images
    lost = False
    for path in [path for path in listing.tables if 0 < len(listing.head(path).columns) <= WIDE]:
        head = listing.head(path)
        cells = {str(name): head[name].tolist() for name in head.columns if is_id(head[name])}
        numbers = {name for name, each in cells.items() if all(re.fullmatch(_NUMBER, cell) for cell in each)}
        plain = any(images.matches(name, each) for name, each in cells.items())
        loose = [name for name in numbers if padded.matches(name, cells[name])]
        if plain and loose and not any(images.matches(name, cells[name]) for name in loose):
            return images  # the table names its images: numbers beside these count rows
        lost = lost or (bool(loose) and not plain)
    return padded if lost else images


def _find_width(stems: Sequence[str]) -> int:
    """The number of digits that all names of a folder have, some with zeros before them; 0 where they differ."""
    digits = {len(stem) for stem in stems if re.fullmatch(_NUMBER, stem)}
    zeros = any(re.fullmatch(r"0\d+", stem) for stem in stems)
    whole = sum(bool(re.fullmatch(_NUMBER, stem)) for stem in stems) >= ENOUGH * len(stems)
    return min(digits) if zeros and whole and len(digits) == 1 else 0


def check_padded(match: Match, ids: Sequence[str]) -> tuple[str, ...]:
    """Says which ids name files except for zeros before a number; nothing where all name them to the letter.

    Args:
        match: the images of a table.
        ids: those of their rows.
    """
    stems = [PurePosixPath(plain_stem(path)).name for path in match.images]
    unlike = [
        f"{name} is {path}"
        for name, stem, path in zip(ids, stems, match.images, strict=True)
        if name != stem and re.fullmatch(_NUMBER, name + stem) and int(name) == int(stem)
    ]
    if not unlike:
        return ()
    return (f"{len(unlike):,} ids of {match.column} name files except for zeros before a number: {some(unlike, 3)}",)
