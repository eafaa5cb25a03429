"""Columns beside the picture that the tables of training and test images share, with their types."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from pipeline.core.errors import some
from pipeline.data.describe.label_sets import split_names
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Reading
from pipeline.data.prepared.leaks import Answer, find_leaks

_MOST_CATEGORIES = 50
_MOST_COLUMNS = 1000
_JUDGED = 5000  # rows that tell whether a column is the answer in other words; prepare looks at all of them
_BLANK = ("", "nan", "na")


def describe_columns(
    listing: Listing, tables: Sequence[str], sample: pd.DataFrame, train: Reading, test: Reading
) -> Reading:
    """Describes the ``columns`` section; an empty one where the tables of test and training images share no columns.

    Where none of those that they share can be read, the guesses to check say why.

    Args:
        listing: the files.
        tables: those that are neither sample nor solution.
        sample: the sample submission.
        train: the training section.
        test: that of the test images.
    """
    section = train.section
    if section.get("layout") not in ("csv_images", "csv_one_hot") or "file" in section or "rows" in section:
        return Reading({})  # the id column of joined ids names parts of images
    own, column = str(section["table"]), str(section["id"])
    if own not in listing.tables:
        return Reading({})
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
        # What the sample submission asks for is no feature: its ids may be those of units.
        taken = {column, unit, *answers, *sample.columns}
        shared = [str(name) for name in table.columns if name in other.columns and name not in taken]
        kinds = {name: kind for name in shared if (kind := find_column_type(table[name], other[name])) is not None}
        unlike = [line for name in shared if (line := _tell_types_apart(table, other, name, path, kinds))]
        leaks = _list_leaks(table, kinds, train) if len(kinds) <= _MOST_COLUMNS else {}
        torn = _list_torn(table, column, kinds)
        kinds = {name: kind for name, kind in kinds.items() if name not in leaks and name not in torn}
        words = f"{some(torn, 6)} differ between rows of one {column}: left out of columns"
        why = (*unlike, *leaks.values(), *([words] if torn else []))
        if kinds and len(kinds) <= _MOST_COLUMNS:
            reading = _make_section(own, path, column, kinds, unit if unit in other.columns else None)
            return replace(reading, check=(*reading.check, *why))
        if why and not kinds:
            return Reading({}, check=why)
    return Reading({})


def _list_torn(table: pd.DataFrame, column: str, kinds: Iterable[str]) -> list[str]:
    """Lists the columns that differ between the rows of one id, where a table has several: they tell of no image."""
    if not table[column].duplicated().any():
        return []
    by_id = table.groupby(column)
    return [name for name in kinds if (by_id[name].nunique(dropna=False) > 1).any()]


def _tell_types_apart(train: pd.DataFrame, test: pd.DataFrame, name: str, path: str, kinds: dict[str, str]) -> str:
    """Says that a column holds numbers in one of two tables alone, and what was made of it; empty where it does not."""
    wrong = [_find_no_number(cells) for cells in (train[name], test[name])]
    if (wrong[0] is None) == (wrong[1] is None):
        return ""
    place = path if wrong[1] is not None else "the training table"
    made = f"read as {kinds[name]}" if name in kinds else "left out of columns"
    return f"{name} holds numbers in one table alone, and {wrong[0] or wrong[1]!r} in {place}: {made}"


def _list_leaks(table: pd.DataFrame, kinds: dict[str, str], train: Reading) -> dict[str, str]:
    """Lists the columns that tell an answer of the rows by themselves, with a line about each."""
    label = train.section.get("label", train.section.get("classes", ()))
    names = [name for name in ((label,) if isinstance(label, str) else label) if name in table]
    known = table[(table[names] != "").any(axis=1)]
    known = known.sample(min(_JUDGED, len(known)), random_state=0)
    answers = _list_answers(known[names], train)
    told = {name: next(find_leaks(known[name], kind, answers), None) for name, kind in kinds.items()}
    return {
        name: f"{name} {words} by itself: it is the answer in other words, left out of columns"
        for name, words in told.items()
        if words is not None
    }


def _list_answers(cells: pd.DataFrame, train: Reading) -> list[Answer]:
    """Lists the answers of rows: of each column, and of a column of sets each of its labels."""
    names, parts = [str(name) for name in cells.columns], dict(train.target.get("targets", {}))
    separator = train.target.get("separator")
    if train.kind == "several_labels" and len(names) == 1 and separator:
        sets = [set(split_names(cell, separator)) for cell in cells[names[0]]]
        marks = {name: [float(name in held) for held in sets] for name in train.classes}
        return [Answer(name, np.array(values), alone=False) for name, values in marks.items()]
    answers = []
    for name in names:
        kind = parts.get(name, {}).get("kind", train.kind)
        measured = kind in ("numbers", "vote_shares")
        values = pd.to_numeric(cells[name], errors="coerce") if measured else pd.Series(pd.factorize(cells[name])[0])
        answers.append(Answer(name, values.to_numpy(dtype=np.float64), measured, alone=len(names) == 1))
    return answers


def _lists_tests(table: pd.DataFrame, column: str, sample: pd.DataFrame, test: Reading, path: str) -> bool:
    if table[column].duplicated().any():
        return False
    if test.section.get("table") == path and test.section.get("id") == column:
        return True
    return column in sample.columns and set(sample[column]) <= set(table[column])


def find_column_type(train: pd.Series, test: pd.Series) -> str | None:
    """Finds the type of a column: ``number`` or ``category``; None for one value, free text, ids, or no common one."""
    cells = pd.concat([train, test]).str.strip()
    known = cells[~cells.str.lower().isin(_BLANK)]
    if train.nunique() < 2 or known.empty:
        return None
    distinct = known.nunique()
    if pd.to_numeric(known, errors="coerce").notna().all():
        whole = known.str.fullmatch(r"[+-]?\d+").all()
        return None if whole and distinct == len(cells) else "number"
    common = set(train.str.strip()) & set(test.str.strip()) & set(known)
    return "category" if common and distinct <= min(_MOST_CATEGORIES, len(known) / 2) else None


def _find_no_number(cells: pd.Series) -> str | None:
    """Finds the first cell that is neither a number nor blank; None where all are."""
    texts = cells.str.strip()
    wrong = pd.to_numeric(texts, errors="coerce").isna() & ~texts.str.lower().isin(_BLANK)
    return str(cells[wrong].iloc[0]) if wrong.any() else None


def _make_section(train: str, test: str, column: str, kinds: dict[str, str], unit: str | None) -> Reading:
    section = {"train": train, "test": test, "id": column, "features": kinds}
    if unit is not None:
        section["relative_to"] = unit
    facts = (f"{train} and {test} share {len(kinds)} columns in addition to the picture: {some(kinds, 6)}",)
    return Reading(
        section, facts, ("columns are read by tabular models, and by heads with columns: true: see docs/models.md",)
    )
