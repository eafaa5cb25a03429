"""Near ids: columns that name images, or labels that the sample writes, but for a detail of how they are written."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from pipeline.core.errors import some
from pipeline.core.ids import plain_path
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import ENOUGH, ImageFiles, is_id, strip_suffix
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.test_tables import WIDE

_POWERS = r"\d(\.\d+)?[eE]\+?\d{1,2}"
_LONG = re.compile(rf"\d{{7,}}(\.\d*)?|{_POWERS}")  # whole numbers


def _as_whole(name: str) -> str:
    try:
        return str(int(float(name))) if re.search("[.eE]", name) and float(name).is_integer() else name
    except (ValueError, OverflowError):
        return name


def _as_rounded(name: str) -> str:
    """Six digits of a long number, as spreadsheets write it: 1.23457e+12 of 1234567890123, and of 1.23457E+12."""
    return f"{float(name):.5e}" if _LONG.fullmatch(name) else name


_REASONS: dict[str, Callable[[str], str]] = {
    "capital letters": str.casefold,
    "a path before the name": lambda name: name.rpartition("/")[2],
    "numbers that a program wrote as fractions or in powers of ten": _as_whole,
    "zeros before a number, which a program took away": lambda name: name.lstrip("0"),
    "a word before the number, and zeros": lambda name: re.sub(r"^\D*0*(?=\d+$)", "", name),
    "the last digits of numbers, which a program rounded; get the ids again as text": _as_rounded,
}


def list_near_ids(listing: Listing, images: ImageFiles, tables: Sequence[str]) -> list[str]:
    """Lists columns whose ids name images except for capital letters, lost zeros and the like."""
    bare = {strip_suffix(PurePosixPath(plain_path(path)).name): path for path in images.paths}
    lines = []
    for path in [path for path in tables if len(listing.head(path).columns) <= WIDE and bare]:
        table = listing.table(path)
        # What was rounded is no longer distinct.
        rounded = {column for column in table.columns if table[column].str.fullmatch(_POWERS).mean() >= ENOUGH}
        for name in [str(column) for column in table.columns if is_id(table[column]) or column in rounded]:
            ids = [strip_suffix(plain_path(cell)) for cell in table[name].tolist()]
            if sum(cell in bare for cell in ids) >= ENOUGH * len(ids):
                continue
            for reason, form in _REASONS.items():
                formed = {form(stem): image for stem, image in bare.items()}
                hits = [(cell, formed[form(cell)]) for cell in ids if form(cell) in formed]
                if len(hits) >= ENOUGH * len(ids):
                    cell, image = hits[0]
                    lines.append(
                        f"{name} of {path} names images except for {reason} ({cell!r} for {image}): correct them"
                    )
                    break
    return lines


def list_ends_of_names(listing: Listing, images: ImageFiles, tables: Sequence[str]) -> list[str]:
    """Lists columns whose ids begin the names of files, each with one of a few endings: ``12_rgb`` and ``12_depth``."""
    starts: dict[str, list[tuple[str, str]]] = {}
    for path in images.paths:
        stem = strip_suffix(path.rpartition("/")[2])
        if end := re.search("[-_].+", stem):
            starts.setdefault(stem[: end.start()], []).append((end[0], path))
    found: dict[str, list[str]] = {}
    for path in [path for path in tables if len(listing.head(path).columns) <= WIDE and starts]:
        table = listing.table(path)
        for name in [str(column) for column in table.columns if is_id(table[column])]:
            ids = [cell for cell in table[name].tolist() if cell in starts]
            if len(ids) >= ENOUGH * len(table):
                found[f"{name} of {path}"] = ids
    if not found:
        return []
    column = max(found, key=lambda each: len(found[each]))
    ends = Counter(end for cell in found[column] for end, _ in starts[cell])
    if min(ends.values()) < ENOUGH * len(found[column]):
        return []
    ending, first = starts[found[column][0]][0]
    return [
        f"files are called by {column} with {some(sorted(ends), 4)} behind it, as {first} is: copy those with one "
        f"ending, such as {ending}, into a folder for the training and one for the test images"
    ]


def list_spelled_labels(listing: Listing, tables: Sequence[str], sample: SampleSubmission) -> list[str]:
    """Lists columns of whole numbers written as fractions, which the sample submission lists without: 11.0 and 11."""
    words = {word for cell in sample.examples for word in cell.split() if word.isdigit()}
    found = []
    for path in [path for path in tables if len(words) > 1 and len(listing.head(path).columns) <= WIDE]:
        for name, cells in listing.table(path).items():
            values = {cell for cell in cells if re.fullmatch(r"\d+\.0+", cell)}
            if len(words & set(map(_as_whole, values))) > 1 and values.issuperset(filter(None, cells)):
                found.append(
                    f"{name} of {path} holds {min(values)!r} where {sample.path} writes "
                    f"{_as_whole(min(values))!r}: write whole numbers there"
                )
    return found
