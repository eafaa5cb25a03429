"""Joined tables: one of training and one of validation images that differ in that word alone, read as one."""

import re
from collections.abc import Mapping, Sequence

import pandas as pd

from pipeline.data.containers.patterns import SIGNS, expand_braces
from pipeline.data.describe.candidates import Candidate, TableCandidate, find_candidates
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Choices, ImageFiles
from pipeline.data.describe.sample import SampleSubmission

_TRAIN = re.compile(r"(?<![A-Za-z])(?:[Tt]rain(?:ing)?|TRAIN(?:ING)?)(?![a-z])")
_VALID = re.compile(r"(?<![A-Za-z])(?:[Vv]al(?:id(?:ation)?)?|VAL(?:ID(?:ATION)?)?|[Dd]ev|DEV)(?![a-z])")
_HOLE = "\0"


def find_pairs(paths: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Finds tables whose paths differ in ``train`` and ``val`` alone: the pattern of both, and their paths.

    Args:
        paths: of tables.
    """
    valid: dict[str, tuple[str, str]] = {}
    for path in paths:
        words = set(_VALID.findall(path))
        if len(words) == 1 and not SIGNS.search(path):
            valid[_VALID.sub(_HOLE, path)] = path, words.pop()
    found = {}
    for path in paths:
        words = set(_TRAIN.findall(path))
        template = _TRAIN.sub(_HOLE, path)
        if len(words) != 1 or template not in valid:
            continue
        other, word = valid[template]
        pattern = template.replace(_HOLE, f"{{{words.pop()},{word}}}")
        if set(expand_braces(pattern)) & set(paths) == {path, other}:
            found[pattern] = path, other
    return found


def take_joined(listing: Listing, paths: Sequence[str], train: str | None) -> list[str]:
    """Lists the tables with those joined that ``--train`` names as one pattern: in place of its parts.

    Args:
        listing: learns the joined table.
        paths: of tables.
        train: as the user gives it.
    """
    for pattern, parts in find_pairs(paths).items():
        if (train or "").removeprefix("./").startswith(pattern) and _join(listing, pattern, parts):
            return [pattern, *(path for path in paths if path not in parts)]
    return list(paths)


def offer_joined(
    listing: Listing,
    images: ImageFiles,
    found: Mapping[str, Candidate],
    sample: SampleSubmission,
    choices: Choices,
) -> dict[str, Candidate]:
    """Offers tables joined where both parts are readings of the training data, and none is chosen: readings by name.

    Args:
        listing: learns the joined tables.
        images: of the listing.
        found: what may be the training data.
        sample: the sample submission.
        choices: ``train`` decides, ``id`` and ``label`` exclude what they contradict.
    """
    tables = [each for each in found.values() if isinstance(each, TableCandidate) and choices.train is None]
    offered: dict[str, Candidate] = {}
    for pattern, parts in find_pairs(list(dict.fromkeys(each.table for each in tables))).items():
        if not _join(listing, pattern, parts):
            continue
        least = min(max(match.share for match in each.matches) for each in tables if each.table in parts)
        for name, each in find_candidates(listing, images, [pattern], sample, choices).items():
            if isinstance(each, TableCandidate) and max(match.share for match in each.matches) >= least:
                offered[name] = each
    return offered


def _join(listing: Listing, pattern: str, parts: tuple[str, str]) -> bool:
    """Joins two tables of the same columns that share no id; says whether they are such."""
    first, second = (listing.table(path) for path in parts)
    same = list(first.columns) == list(second.columns)
    if not same or not any(set(first[name]).isdisjoint(second[name]) for name in first.columns):
        return False
    listing.known[pattern] = pd.concat([first, second], ignore_index=True)
    return True
