"""Columns beside the picture that the tables of training and test images share, with their types."""

from collections.abc import Sequence

import pandas as pd

from pipeline.core.errors import some
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Reading

_MOST_CATEGORIES = 50
_MOST_COLUMNS = 1000
_BLANK = ("", "nan", "na")


def describe_columns(
    listing: Listing, tables: Sequence[str], sample: pd.DataFrame, train: Reading, test: Reading
) -> dict[str, Reading]:
    """Describes the ``columns`` section; nothing where no table of test images shares columns with the training table.

    Args:
        listing: the files.
        tables: those that are neither sample nor solution.
        sample: the sample submission.
        train: the training section.
        test: that of the test images.
    """
    section = train.section
    if section.get("layout") not in ("csv_images", "csv_one_hot") or "file" in section:
        return {}
    own, column = str(section["table"]), str(section["id"])
    if own not in listing.tables:
        return {}
    table = listing.table(own)
    label = section.get("label", ())
    answers = {*((label,) if isinstance(label, str) else label), *section.get("classes", ())}
    for path in tables:
        if path == own or path not in listing.tables or column not in listing.head(path).columns:
            continue
        other = listing.table(path)
        if not _lists_tests(other, column, sample, test, path) or set(other.columns) & answers:
            continue
        unit = section.get("group")
        shared = [str(name) for name in table.columns if name in other.columns and name not in (column, unit, *answers)]
        kinds = {name: kind for name in shared if (kind := find_column_type(table[name], other[name])) is not None}
        if kinds and len(kinds) <= _MOST_COLUMNS:
            return {"columns": _make_section(own, path, column, kinds, unit if unit in other.columns else None)}
    return {}


def _lists_tests(table: pd.DataFrame, column: str, sample: pd.DataFrame, test: Reading, path: str) -> bool:
    if table[column].duplicated().any():
        return False
    if test.section.get("table") == path and test.section.get("id") == column:
        return True
    return column in sample.columns and set(sample[column]) <= set(table[column])


def find_column_type(train: pd.Series, test: pd.Series) -> str | None:
    """Finds the type of a column: ``number`` or ``category``; None for one value, free text, or ids."""
    cells = pd.concat([train, test]).str.strip()
    known = cells[~cells.str.lower().isin(_BLANK)]
    if train.nunique() < 2 or known.empty:
        return None
    distinct = known.nunique()
    if pd.to_numeric(known, errors="coerce").notna().all():
        whole = known.str.fullmatch(r"[+-]?\d+").all()
        return None if whole and distinct == len(cells) else "number"
    return "category" if distinct <= min(_MOST_CATEGORIES, len(known) / 2) else None


def _make_section(train: str, test: str, column: str, kinds: dict[str, str], unit: str | None) -> Reading:
    section = {"train": train, "test": test, "id": column, "features": kinds}
    if unit is not None:
        section["relative_to"] = unit
    facts = (f"{train} and {test} share {len(kinds)} columns in addition to the picture: {some(kinds, 6)}",)
    return Reading(section, facts, ("columns are read by tabular models alone: see docs/models.md",))
