"""Code columns: classes that the training table calls by codes, paired with the columns that the sample calls them."""

import re
from collections.abc import Sequence

import pandas as pd

from pipeline.core.errors import some
from pipeline.data.describe.class_codes import ClassCodes
from pipeline.data.describe.label_columns import drop_spreads, list_endings
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Choices, Reading
from pipeline.data.describe.target_parts import is_number_column

_MOST = 0.5  # of the rows of a code: more have their largest value in the column of its class


def pair_codes(listing: Listing, train: Reading, asked: Sequence[str], choices: Choices) -> tuple[ClassCodes, ...]:
    """Pairs the codes of a chosen column with as many columns of the sample submission.

    Columns of the training table that are called as the sample's (``red_conf``) tell by what is the largest in the rows
    of each code; else codes that are beginnings of the columns' names do, or their order: 0 is the first column.

    Args:
        listing: the files.
        train: the training section.
        asked: columns of the sample submission.
        choices: ``label`` must name the column: nothing else says that its codes are what the columns ask for.
    """
    path, codes, label = train.section.get("table"), train.classes, choices.label
    if label is None or train.section.get("label") != label or len(asked) != len(codes) or label in asked:
        return ()
    if path not in (*listing.tables, *listing.row_tables):  # a pattern of several files
        return ()
    head = listing.head(path)
    for ending in ("", *drop_spreads(list_endings(head, asked))):
        beside = [name + ending for name in asked]
        if set(beside) <= set(head.columns):
            table = listing.columns(path, [label, *beside])
            numbers = all(is_number_column(table[name]) for name in beside)
            held = _pair_by_values(table[label], table[beside].set_axis(list(asked), axis=1)) if numbers else {}
            if held.keys() >= set(codes) and len(set(held.values())) == len(asked):
                place = f"the values of {some(beside, 3)} of {path}"
                return (ClassCodes(place, {code: held[code] for code in codes}),)
    begun = {code: [name for name in asked if name.lower().startswith(code.lower())] for code in codes}
    if all(len(names) == 1 for names in begun.values()) and len({names[0] for names in begun.values()}) == len(asked):
        return (ClassCodes("the beginnings of their names", {code: names[0] for code, names in begun.items()}),)
    counted = sorted(int(code) for code in codes if re.fullmatch(r"\d{1,9}", code))
    if counted in (list(range(len(codes))), [*range(1, len(codes) + 1)]):
        return (ClassCodes("their order alone", dict(zip(sorted(codes, key=int), asked, strict=True))),)
    return ()


def _pair_by_values(codes: "pd.Series[str]", beside: pd.DataFrame) -> dict[str, str]:
    """Code -> the column that is the largest in most of its rows; codes without one are left out."""
    values = beside.apply(pd.to_numeric)
    known = values.notna().all(axis=1) & (values.nunique(axis=1) > 1)
    largest = values[known].idxmax(axis=1)
    found = {}
    for code, each in largest.groupby(codes[known]):
        counts = each.value_counts(normalize=True)
        if counts.iloc[0] > _MOST:
            found[str(code)] = str(counts.index[0])
    return found
