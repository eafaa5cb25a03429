"""Groups too few for five folds: applied with the number of folds that works, asked for where that is two, or hinted.

Small pictures decide: by its name alone a column of a few values may as well be a grade or a part of the body.
"""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from pipeline.core.errors import InputError
from pipeline.data.describe.group_evidence import measure_groups
from pipeline.data.describe.group_readings import LEAST_GROUPS, GroupedRows, GroupReading, are_shared, is_group_name
from pipeline.data.describe.listing import Listing
from pipeline.data.prepared.one_hot import is_flag

_HEADS = 3  # folds that heads on cached features need


def describe_few_groups(listing: Listing, rows: GroupedRows, tests: Sequence[pd.DataFrame]) -> GroupReading:
    """Describes the columns of the name of a group with fewer values than folds by default.

    Args:
        listing: the files.
        rows: the training table.
        tests: tables of test images: a place that they share is no group.

    Returns:
        The group where pictures speak for it; else the columns as lines to check.

    Raises:
        InputError: pictures speak for a group that allows two folds, and a person must decide.
    """
    hints, clear = [], {}
    for name in list_few_columns(rows, tests):
        groups = rows.table[name].tolist()
        evidence = measure_groups(listing, rows.images, groups, rows.labels)
        count = count_folds(groups, rows.labels)
        if evidence is not None and evidence.clear and count >= 2:
            clear[name] = (count, str(evidence))
        else:
            hints.append(_hint(name, rows, "" if evidence is None else f" ({evidence})"))
    if not clear:
        return GroupReading(check=tuple(hints))
    chosen = max(clear, key=lambda name: clear[name][0])
    count, said = clear[chosen]
    if count < _HEADS:
        raise InputError(
            f"{chosen} of {rows.name} ties images together: {said}; that allows {count} folds, and heads on cached "
            f"features need {_HEADS}: choose --group {chosen} (with split.n_splits: {count} in params.yaml) or "
            "--group none"
        )
    sizes = Counter(rows.table[chosen])
    facts = (f"{chosen}: {len(sizes)} groups of {min(sizes.values()):,} to {max(sizes.values()):,} images", said)
    hints += [_hint(name, rows, f" ({words})") for name, (_, words) in clear.items() if name != chosen]
    return GroupReading(column=chosen, facts=facts, check=(tell_folds(chosen, count), *hints))


def list_few_columns(rows: GroupedRows, tests: Sequence[pd.DataFrame]) -> list[str]:
    """Lists columns of the name of a group with at least two values, and fewer than there are folds by default."""
    found = []
    for name in [str(name) for name in rows.table.columns if name not in rows.taken and is_group_name(str(name))]:
        values = set(rows.table[name]) - {""}
        if is_flag(rows.table[name]):  # says whether there are several, not which belong together
            continue
        if any(are_shared(set(table[name]) - {""}, values) for table in tests if name in table.columns):
            continue  # a model will have seen what test images are of
        if 2 <= len(values) < min(LEAST_GROUPS, len(rows.table)):
            found.append(name)
    return found


def count_folds(groups: Sequence[str], labels: Sequence[str]) -> int:
    """Counts the folds that groups allow, if each class that is not rare is to lie in every one."""
    frequent = {label for label, count in Counter(labels).items() if count >= LEAST_GROUPS}
    pairs = {pair for pair in zip(labels, groups, strict=True) if pair[0] in frequent and pair[1]}
    spread = Counter(label for label, _ in pairs)
    return min([len(set(groups) - {""}), *spread.values()])


def tell_folds(name: str, count: int) -> str:
    """Says that a group is applied and how many folds it allows."""
    return (
        f"images of one {name} share a fold, and its groups allow {count} folds: set split.n_splits: {count} in "
        "params.yaml, as `split` refuses more; describe again with --group none if they need not"
    )


def _hint(name: str, rows: GroupedRows, evidence: str) -> str:
    count = len(set(rows.table[name]) - {""})
    folds = count_folds(rows.table[name].tolist(), rows.labels)
    way = (
        f"to keep their images together, write train.group: {name} here and split.n_splits: {folds} into params.yaml"
        if folds >= 2
        else "a class is in one of them alone, so that no folds keep them together"
    )
    return f"{name} of {rows.name} has {count} values, too few for {LEAST_GROUPS} folds{evidence}: {way}"
