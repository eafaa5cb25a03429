"""Readings of the groups of training images; those that the headers of DICOM files name."""

import io
import re
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.core.picture_formats import SIGNATURE_BYTES, find_picture_format, find_suffix_format
from pipeline.core.row_rules import Groups
from pipeline.data.describe.listing import Listing
from pipeline.images.dicom import SUBJECTS, Subject, read_subject

LEAST_GROUPS = 5  # as many as there are folds by default
_OPENED, _LEAST = 200, 5  # files that are looked at, and subjects among them: fewer are a name for all, or a hospital
# Whole names, without a closing id, number or the like: anatom_site is a part of the body, site a hospital.
_NAMES = {
    *("patient", "person", "subject", "participant", "driver", "donor", "animal", "specimen", "case", "study"),
    *("studyinstance", "series", "seriesinstance", "lesion", "slide", "location", "sequence", "seq", "site", "place"),
    *("session", "video", "clip", "scene", "camera", "group", "experiment", "plot", "field", "tree", "hospital"),
    *("institution", "center", "centre", "photographer", "observer", "user", "owner", "flight", "dive", "burst"),
    *("wsi", "wholeslide", "biopsy", "accession", "individual", "observation", "deployment", "trap"),
    *("cameratrap", "recording", "trip", "mouse", "farm"),
}
_ENDINGS = {"id", "ids", "no", "num", "number", "name", "key", "code", "uid", "hash", "idx", "index", "instance"}
_LAST = ("patient", "subject", "slide", "wsi", "donor")  # also behind another word: source_slide
_LIVING = {"patient", "subject", "person", "participant", "donor", "driver", "individual", "animal", "mouse"}


@dataclass(frozen=True)
class GroupedRows:
    """The rows of a training table that name an image.

    Attributes:
        table: text.
        name: of the table, for messages.
        ids: of its rows.
        images: their paths.
        labels: their classes.
        taken: columns that are something else: id, label, what the sample submission asks for.
        sample_ids: ids of the sample submission, without suffix.
    """

    table: pd.DataFrame
    name: str
    ids: Sequence[str]
    images: Sequence[str]
    labels: Sequence[str]
    taken: Sequence[str]
    sample_ids: Set[str] = frozenset()

    def part(self, tests: Set[str]) -> tuple["GroupedRows", list[pd.DataFrame]]:
        """Parts rows of test images off: the rows that train, and a table of the others, if there are any."""
        mine = [place for place, name in enumerate(self.ids) if name not in tests]
        ids, images, labels = ([cells[place] for place in mine] for cells in (self.ids, self.images, self.labels))
        rest = self.table.iloc[[place for place, name in enumerate(self.ids) if name in tests]]
        rows = replace(self, table=self.table.iloc[mine], ids=ids, images=images, labels=labels)
        return rows, [rest] if len(rest) else []


@dataclass(frozen=True)
class GroupReading:
    """The groups of the training images: a column, a pattern over ids, what headers name, or nothing.

    Attributes:
        column: of the training table.
        pattern: over ids.
        dicom: what the headers of DICOM files name: patient, study or series.
        beside: another table of the images, its column of their ids, and that of their groups.
        facts: as read from the files.
        check: guesses that a person should check.
    """

    column: str | None = None
    pattern: str | None = None
    dicom: str | None = None
    beside: tuple[str, str, str] | None = None
    facts: tuple[str, ...] = ()
    check: tuple[str, ...] = ()

    @property
    def sections(self) -> dict[str, dict[str, Any]]:
        """The section ``groups`` of the competition's file, if it needs one."""
        table, row, column = self.beside or (None, None, None)
        keys = {"pattern": self.pattern, "dicom": self.dicom, "table": table, "id": row, "column": column}
        section = {name: value for name, value in keys.items() if value is not None}
        return {"groups": section} if section else {}


def find_headers(listing: Listing, images: Sequence[str], check: Sequence[str] = ()) -> GroupReading | None:
    """Finds groups in the headers of DICOM files: their patients, where each of a few hundred files names one.

    A patient of one image is a group of its own, which changes nothing; so it does not matter whether any two of the
    files that were opened are of one.

    Args:
        listing: the files.
        images: paths of the training images.
        check: lines that go along.

    Returns:
        None where files are no DICOM, or name none, one for nearly all, or a few.
    """
    if _list_others(listing, images[:1]) or not images:
        return None
    named = [path for path in images if find_suffix_format(path) not in (None, "DICOM")]  # as another format
    opened = list(dict.fromkeys([*images[:: max(1, len(images) // _OPENED)], *named[:_OPENED]]))
    listing.load(opened)
    try:
        names = [read_subject(io.BytesIO(listing.read(path)), "patient") for path in opened]
    except ValueError:
        return None
    counts = Counter(names)
    if "" in counts or len(counts) < _LEAST or 2 * max(counts.values()) > len(names):
        return None
    facts = (
        f"headers of {len(names):,} DICOM files name {len(counts):,} patients by PatientID: images of one share a fold",
    )
    words = "images of one patient share a fold by their DICOM headers; describe again with --group none if they need "
    return GroupReading(dicom="patient", facts=facts, check=(*check, words + "not, or --group dicom:series"))


def _list_others(listing: Listing, paths: Sequence[str]) -> list[str]:
    """Lists the files that are no DICOM by their first bytes, whatever they are called."""
    listing.load(paths)
    formats = [(path, find_picture_format(listing.read(path, SIGNATURE_BYTES))) for path in paths]
    return [path for path, known in formats if known is None or known.name != "DICOM"]


def choose_header(listing: Listing, images: Sequence[str], wanted: str) -> GroupReading | None:
    """Returns the reading that ``--group dicom:patient`` chooses; None where it begins otherwise.

    Args:
        listing: the files.
        images: paths of the training images; none where they are packed.
        wanted: the choice.

    Raises:
        InputError: neither patient, study nor series, or images that are no DICOM files.
    """
    before, colon, name = wanted.strip().partition(":")
    if before.lower() != "dicom" or not colon:
        return None
    subject: Subject | None = next((each for each in SUBJECTS if each == name.strip().lower()), None)
    if subject is None:
        raise InputError(f"--group {wanted!r} names none of {some(f'dicom:{each}' for each in SUBJECTS)}; choose one")
    opened = images[:_OPENED]
    others = _list_others(listing, opened)
    if len(others) == len(opened):  # a few among others are named with their number by `prepare`
        what = f"such as {some(others)}" if others else "packed in other files"
        raise InputError(
            f"--group {wanted!r} is for DICOM files, but training images are none, {what}; choose a column, a pattern "
            "with brackets, or none"
        )
    return GroupReading(dicom=subject, facts=(f"the {subject} of DICOM headers ties images together: --group",))


def is_group_name(name: str) -> bool:
    """Says whether a column is called after what several images belong to: ``patient_id``, ``slideid``, ``Site``."""
    words, called = _read_name(name)
    return not _NAMES.isdisjoint(called) or (len(words) == 2 and words[-1] in _LAST)


def is_id_name(name: str) -> bool:
    """Says whether a column is called after ids of anything: ``RescuerID``, ``batch_no``."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return len(words) > 1 and words[-1].lower() in _ENDINGS


def is_living_name(name: str) -> bool:
    """Says whether a column is called after a living being: ``patient_id``, ``source_subject``, no place or visit."""
    words, called = _read_name(name)
    return not _LIVING.isdisjoint(called) or (len(words) == 2 and words[-1] in _LIVING.intersection(_LAST))


def _read_name(name: str) -> tuple[list[str], list[str]]:
    """The words of a column's name without a closing id, number or the like, and what it may be called as a whole."""
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
    while len(words) > 1 and words[-1] in _ENDINGS:
        words.pop()
    whole = "".join(words)
    return words, [whole, *(whole.removesuffix(ending) for ending in _ENDINGS)] if len(words) == 1 else [whole]


def are_shared(tests: Set[str], known: Set[str]) -> bool:
    """Says whether most groups of test images are those of training images.

    One group says nothing: where test images are hidden, a few rows of one patient stand for them.
    """
    return len(tests) > 1 and 2 * len(tests & known) > len(tests)


def refuse_one_group(pattern: str, ids: Sequence[str]) -> None:
    """Refuses a pattern that finds one group in all ids.

    Raises:
        InputError: names the group.
    """
    groups = {Groups(pattern=pattern).match(name) for name in ids}
    if len(groups) == 1:
        raise InputError(
            f"--group {pattern!r} finds {groups.pop()!r} in all ids, such as {ids[0]}, which no two folds can share; "
            "correct it"
        )
