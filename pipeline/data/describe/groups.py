"""Groups of a new competition: a column, or a part of the ids, that ties training images together.

A column counts by its name (a patient, a place, a sequence), by how it repeats, and by whether the test images are of
other groups; small pictures say what tearing it apart would cost.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.data.describe.apart_groups import describe_apart_groups
from pipeline.data.describe.few_groups import count_folds, describe_few_groups, list_few_columns, tell_folds
from pipeline.data.describe.group_evidence import measure_groups
from pipeline.data.describe.group_readings import (
    LEAST_GROUPS,
    GroupedRows,
    GroupReading,
    are_shared,
    choose_header,
    find_headers,
    is_group_name,
    is_living_name,
    refuse_one_group,
)
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Choices, strip_suffix

_SIDES = {
    *("left", "right", "l", "r", "od", "os", "front", "back", "top", "bottom", "upper", "lower", "side"),
    *("cc", "mlo", "pa", "ap", "lat", "lateral", "frontal", "dorsal", "ventral"),
}
_SIDE_PATTERN = r"^(.+)[_-][A-Za-z]+$"
# What ids may have in common, and how it is said: a folder, or all before a number.
_ALIKE = ((r"^(.+)/[^/]+$", "^(.+)/"), (r"^(.+)[_-]\d+$", r"^(.+)[_-]\d+"))


@dataclass(frozen=True)
class _Candidate:
    """A way to group, with the group of each row."""

    name: str
    groups: list[str]
    reading: GroupReading
    apart: bool = False
    facts: list[str] = field(default_factory=list)


def describe_groups(
    listing: Listing,
    rows: GroupedRows,
    tests: Sequence[pd.DataFrame],
    choices: Choices,
    find_beside: Callable[[], GroupReading] = GroupReading,
) -> GroupReading:
    """Describes the groups of the training images.

    Args:
        listing: the files.
        rows: the training table.
        tests: tables of test images: where one has the same column, they tell whether groups are new there.
        choices: ``group`` decides: a column, a pattern with brackets, ``dicom:patient`` or the like, or ``none``.
        find_beside: finds groups in other tables, before a person is asked about ids that begin alike.

    Raises:
        InputError: a choice that is none, or a doubtful group that only a person can decide on.
    """
    if choices.group is not None:
        return _chosen(listing, rows, choices.group)
    found = _list_columns(rows, tests)
    sides = _find_sides(rows)
    if sides is not None and not found:
        found = [sides]
    coarse = [each for each in found if not any(_refines(each, other) for other in found if other is not each)]
    if len(coarse) > 1 and len([each for each in coarse if each.apart]) == 1:
        coarse = [each for each in coarse if each.apart]
    if not coarse:
        return _describe_others(listing, rows, tests, find_beside)
    coarse = _order_crossed(listing, rows, coarse)
    reading = _apply(listing, rows, coarse[0])
    torn = tuple(
        f"{each.name} crosses {reading.column or reading.pattern} and is torn: --group '{each.name}' keeps it whole"
        for each in coarse[1:]
    )
    return replace(reading, check=(*reading.check, *torn))


def _order_crossed(listing: Listing, rows: GroupedRows, found: list[_Candidate]) -> list[_Candidate]:
    """Puts groups that cross in order, the one to apply first.

    Numbers that begin anew in each of other groups (the second slide of each patient) tie nothing. Patients and other
    living beings come before places, visits and the like, which may be parts of the body. Groups whose small pictures
    resemble each other come before others; of equals the fewest tie the most: folds that keep them are the most honest.
    """
    if len(found) < 2:
        return found
    counters = [each for each in found if any(_counts(each, other) and not _counts(other, each) for other in found)]

    def rank(each: _Candidate) -> tuple[bool, bool, bool, int]:
        evidence = measure_groups(listing, rows.images, each.groups, rows.labels)
        unlike = evidence is None or not evidence.clear
        return each in counters, not is_living_name(each.name), unlike, len(set(each.groups))

    return sorted(found, key=rank)


def _counts(one: _Candidate, other: _Candidate) -> bool:
    """Says whether values of ``one`` count from the same number on in each group of ``other``: slide 1, 2, 3 ..."""
    numbers: dict[str, set[int]] = {}
    for cell, group in zip(one.groups, other.groups, strict=True):
        if cell and not re.fullmatch(r"\d{1,9}", cell):
            return False
        if cell:
            numbers.setdefault(group, set()).add(int(cell))
    first = min(min(each) for each in numbers.values())
    return all(each == set(range(first, first + len(each))) for each in numbers.values())


def _apply(listing: Listing, rows: GroupedRows, chosen: _Candidate) -> GroupReading:
    evidence = measure_groups(listing, rows.images, chosen.groups, rows.labels)
    sizes = Counter(name for name in chosen.groups if name)
    facts = [
        f"{chosen.name}: {len(sizes):,} groups of {min(sizes.values()):,} to {max(sizes.values()):,} images, "
        "which share a fold",
        *chosen.facts,
        *([str(evidence)] if evidence is not None else []),
    ]
    doubt = "" if chosen.apart or (evidence is not None and evidence.clear) else " by its name alone"
    check = (f"images of one {chosen.name} share a fold{doubt}; describe again with --group none if they need not",)
    return replace(chosen.reading, facts=tuple(facts), check=check)


def _chosen(listing: Listing, rows: GroupedRows, wanted: str) -> GroupReading:
    columns = [str(name) for name in rows.table.columns]
    if wanted not in columns and (header := choose_header(listing, rows.images, wanted)) is not None:
        return header
    if wanted in columns:
        if rows.table[wanted].nunique() < 2:
            raise InputError(
                f"--group {wanted}: all {len(rows.table):,} rows of {rows.name} have one value, "
                f"{rows.table[wanted].iloc[0]!r}, which no two folds can share; choose another column, or --group none"
            )
        count = count_folds(rows.table[wanted].tolist(), rows.labels)
        check = (tell_folds(wanted, count),) if 2 <= count < LEAST_GROUPS else ()
        return GroupReading(column=wanted, facts=(f"{wanted} ties images together: chosen with --group",), check=check)
    if wanted.strip().lower() == "none":
        return GroupReading(facts=("no images belong together: chosen with --group",))
    if "(" in wanted:
        try:
            hits = sum(re.search(wanted, name) is not None for name in rows.ids)
        except re.error as error:
            raise InputError(f"--group {wanted!r} is not a regular expression ({error})") from error
        if not hits or not re.compile(wanted).groups:
            raise InputError(f"--group {wanted!r} finds no group in ids such as {some(rows.ids, 3)}; correct it")
        refuse_one_group(wanted, rows.ids)
        words = f"a part of {hits:,} ids ties images together: chosen with --group"
        return GroupReading(pattern=wanted, facts=(words,))
    raise InputError(
        f"--group {wanted!r} is no column of {rows.name} and no pattern with brackets; it has {some(columns)}; or "
        "none, dicom:patient, dicom:study or dicom:series for DICOM files"
    )


def _list_columns(rows: GroupedRows, tests: Sequence[pd.DataFrame]) -> list[_Candidate]:
    found = []
    for name in map(str, rows.table.columns):
        if name in rows.taken or not is_group_name(name):
            continue
        groups = rows.table[name].tolist()
        if not _repeats(groups) or _is_label_again(groups, rows.labels):
            continue
        there = [set(table[name]) - {""} for table in tests if name in table.columns]
        known = set(groups)
        if any(are_shared(values, known) for values in there):
            continue  # the test images are of the same groups: a model will have seen them
        apart = bool(there) and not any(values & known for values in there)
        facts = [f"test images are of other values of {name} than training images"] if apart else []
        found.append(_Candidate(name, groups, GroupReading(column=name), apart, facts))
    return found


def _repeats(groups: Sequence[str]) -> bool:
    """Says whether values repeat over images, in enough groups for the folds."""
    distinct = set(groups) - {""}
    named = sum(bool(name) for name in groups)
    return LEAST_GROUPS <= len(distinct) < named and 2 * named > len(groups)


def _is_label_again(groups: Sequence[str], labels: Sequence[str]) -> bool:
    """Says whether groups are classes by another name: each class is one group."""
    pairs = set(zip(groups, labels, strict=True))
    return len(pairs) == len(set(labels)) or len(pairs) == len(set(groups)) == len(set(labels))


def _refines(fine: _Candidate, coarse: _Candidate) -> bool:
    """Says whether each group of ``fine`` lies in one of ``coarse``, which then ties more."""
    pairs = set(zip(fine.groups, coarse.groups, strict=True))
    return len(pairs) == len(set(fine.groups)) and len(set(fine.groups)) > len(set(coarse.groups))


def _find_sides(rows: GroupedRows) -> _Candidate | None:
    """Finds ids that end in a side or view of one thing: ``10_left`` and ``10_right``."""
    found = [re.search(_SIDE_PATTERN, strip_suffix(name)) for name in rows.ids]
    groups = [match[1] if match else "" for match in found]
    ends = {re.split(r"[_-]", match[0])[-1].lower() for match in found if match}
    if len(ends) < 2 or not ends <= _SIDES or not all(groups) or not _repeats(groups):
        return None
    with_suffix = any(strip_suffix(name) != name for name in rows.ids)
    pattern = r"^(.+)[_-][A-Za-z]+(?:\.\w+)?$" if with_suffix else _SIDE_PATTERN
    facts = [f"ids end in {some(sorted(ends))}: views of one thing"]
    return _Candidate("the id before its last part", groups, GroupReading(pattern=pattern), False, facts)


def _describe_others(
    listing: Listing, rows: GroupedRows, tests: Sequence[pd.DataFrame], find_beside: Callable[[], GroupReading]
) -> GroupReading:
    """Describes what headers name, a column of few groups, or ids numbered alike whose pictures resemble each other."""
    few = list_few_columns(rows, tests)
    lines = [f"{name} of {rows.name} is not applied, as headers of DICOM files name patients" for name in few]
    headers = find_headers(listing, rows.images, lines)
    if headers is not None:
        return headers
    few_groups = describe_few_groups(listing, rows, tests)
    if few_groups.column is not None:
        return few_groups
    beside = find_beside()
    beside = replace(beside, check=(*few_groups.check, *beside.check))
    if beside.beside is not None:
        return beside
    apart = describe_apart_groups(listing, rows, tests)
    apart = replace(apart, check=(*beside.check, *apart.check))
    return apart if apart.column is not None else _ask_or_hint(listing, rows, apart)


def _ask_or_hint(listing: Listing, rows: GroupedRows, few: GroupReading) -> GroupReading:
    """Looks for ids in folders, or numbered ones (``video3_12``), whose pictures resemble each other: asks if so."""
    for pattern, shown in _ALIKE:
        groups = [match[1] if (match := re.search(pattern, strip_suffix(name))) else "" for name in rows.ids]
        if not all(groups) or not _repeats(groups) or _is_label_again(groups, rows.labels):
            continue
        evidence = measure_groups(listing, rows.images, groups, rows.labels)
        if evidence is not None and evidence.clear:
            raise InputError(
                f"ids of {rows.name} such as {some(rows.ids, 3)} begin alike in {len(set(groups)):,} groups, and "
                f"{evidence}; choose with --group '{shown}' or --group none"
            )
    return few
