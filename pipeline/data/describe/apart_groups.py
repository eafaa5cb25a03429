"""Groups that test images are not of: columns of ids, called after nothing known, with other values in the test."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from pipeline.data.describe.group_evidence import measure_groups
from pipeline.data.describe.group_readings import LEAST_GROUPS, GroupedRows, GroupReading, is_id_name
from pipeline.data.describe.listing import Listing


def describe_apart_groups(listing: Listing, rows: GroupedRows, tests: Sequence[pd.DataFrame]) -> GroupReading:
    """Describes columns of ids, such as ``RescuerID``, of which test images have other values than training images.

    Small pictures decide whether one is applied; by its name alone it is listed to check.

    Args:
        listing: the files.
        rows: the training table.
        tests: tables of test images; where they have no such column nothing is known.
    """
    lines: list[str] = []
    clear: list[tuple[list[str], GroupReading]] = []
    for name in [str(column) for column in rows.table.columns if column not in rows.taken and is_id_name(str(column))]:
        groups = rows.table[name].tolist()
        sizes = Counter(cell for cell in groups if cell)
        there = [set(table[name]) - {""} for table in tests if name in table.columns]
        new = bool(there) and all(len(values) >= LEAST_GROUPS and values.isdisjoint(sizes) for values in there)
        measured = any(re.fullmatch(r"-?\d*\.\d*[1-9]\d*", cell) for cell in sizes)  # 12.0 is a number of something
        if not new or measured or 2 * sizes.total() <= len(groups):
            continue
        if not LEAST_GROUPS <= len(sizes) < sizes.total() or _tells_class(groups, rows.labels):
            continue
        evidence = measure_groups(listing, rows.images, groups, rows.labels)
        said = f"{name}: {len(sizes):,} values of up to {max(sizes.values()):,} images, and test images are of others"
        if evidence is not None and evidence.clear:
            check = f"images of one {name} share a fold; describe again with --group none if they need not"
            clear.append((groups, GroupReading(column=name, facts=(said, str(evidence)), check=(check,))))
            continue
        shown = "" if evidence is None else f" ({evidence})"
        lines.append(f"{said}{shown}: --group '{name}' keeps the images of one together, as the test does")
    if not clear:
        return GroupReading(check=tuple(lines))
    (coarse, first), *others = sorted(clear, key=lambda pair: len(set(pair[0])))  # the fewest groups tie the most
    torn = [each.column for fine, each in others if len(set(zip(fine, coarse, strict=True))) > len(set(fine))]
    lines += [f"{name} crosses {first.column} and is torn: --group '{name}' keeps it whole" for name in torn]
    return replace(first, check=(*first.check, *lines))


def _tells_class(groups: Sequence[str], labels: Sequence[str]) -> bool:
    """Says whether each value belongs to one class alone, and each class to one value: a class by another name."""
    pairs = set(zip(groups, labels, strict=True))
    return len(pairs) == len(set(groups)) == len(set(labels))
