"""Evidence of the sample submission: whether a table of images, or the folders around them, hold what it asks for."""

import re
from collections.abc import Collection
from pathlib import PurePosixPath

import pandas as pd

from pipeline.data.describe.classes import is_label
from pipeline.data.describe.group_readings import is_group_name
from pipeline.data.describe.match import plain_stem
from pipeline.data.describe.sample import SampleSubmission

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_KNOWN = {
    *("age", "sex", "gender", "race", "ethnicity", "height", "width", "date", "time", "year", "month", "hour"),
    *("scanner", "device", "manufacturer", "view", "laterality", "side", "split", "fold", "subset", "usage"),
}
_PATIENTS = re.compile(r"patient|subject|participant|donor", re.IGNORECASE)
_TRAIN_TABLES = ("train", "training", "labels", "train_labels")
_MOST = 0.9  # of the classes, or of the sample's columns


def holds_asked(table: pd.DataFrame, ids: Collection[str], sample: SampleSubmission) -> bool:
    """Says whether a table has a column that the sample submission asks for, or one whose values are its columns.

    The unit of answers, such as the patient, is asked for only where nothing else is.

    Args:
        table: as text.
        ids: its columns that name images.
        sample: the sample submission.
    """
    asked = sample.columns
    answers = [name for name in asked[1:] if not is_group_name(name)] or asked[1:]
    if any(name in table.columns and name not in ids for name in answers):
        return True
    possible = [str(name) for name in table.columns if name not in ids and is_label(table[name])]
    return any(len(set(asked) & set(table[name])) >= max(2, _MOST * len(asked) - 1) for name in possible)


def explains_sample(table: pd.DataFrame, ids: Collection[str], sample: SampleSubmission) -> bool:
    """Says whether a table holds what the sample submission asks for, or a column with all that its cells show.

    Args:
        table: as text.
        ids: its columns that name images.
        sample: the sample submission.
    """
    if holds_asked(table, ids, sample):
        return True
    shown = split_words(sample.examples)
    alone = len(shown) == 1 and _NUMBER.fullmatch(min(shown)) is not None  # 0, which folds and sites hold, too
    others = [str(name) for name in table.columns if name not in ids and not _is_known(str(name))]
    others = [name for name in others if not (alone and is_group_name(name))]
    return bool(shown) and any(shown <= split_words(table[name].unique()) for name in others)


def shows_classes(classes: Collection[str], sample: SampleSubmission) -> bool:
    """Says whether the sample submission shows classes: most of them as its columns, or nothing else in its cells.

    Numbers in cells say little: they may be codes or stand for any answer, and folders of parts are called so, too.
    """
    if len(set(classes).intersection(sample.columns[1:])) >= max(2, _MOST * len(classes)):
        return True
    cells, known = sample.examples, set(classes)
    named = set(map(str.lower, known)) & set(re.split(r"[\W_]+", sample.columns[1].lower()))
    if len(known) == len(sample.columns) == 2 and len(named) == 1:
        return True  # malignant, of benign and malignant
    numbers = all(map(_NUMBER.fullmatch, split_words(cells)))
    return bool(cells) and not numbers and (cells <= known or split_words(cells) <= known)


def holds_no_answer(table: pd.DataFrame, ids: Collection[str], path: str) -> bool:
    """Says whether all columns of a table that repeat are called after groups, or what is known of images or persons.

    Patients, ages, sexes, scanners, sides and dates are answers only where the sample submission asks for them. The
    only such column of a table called after training may be one: the camera, or the individual.

    Args:
        table: as text.
        ids: its columns that name images.
        path: of the table.
    """
    possible = [str(name) for name in table.columns if name not in ids and is_label(table[name])]
    lone = len(possible) == 1 and is_train_table(path) and not _PATIENTS.search(possible[0])
    others = [name for name in possible if not _is_known(name)]
    return bool(possible) and all(map(is_group_name, others)) and not (lone and others)


def labels_tests(table: pd.DataFrame, ids: Collection[str], sample: SampleSubmission) -> bool:
    """Says whether a table tells of all test images what it may label: then none of its columns is asked for.

    One value for all of them may stand for an answer instead.

    Args:
        table: as text.
        ids: its columns that name images.
        sample: the sample submission.
    """
    asked = {plain_stem(name) for name in sample.table.iloc[:, 0]}
    for name in ids:
        mine = table[name].map(plain_stem).isin(asked)
        told = table[mine][[each for each in table.columns if each not in ids and is_label(table[each])]]
        if set(table[name][mine].map(plain_stem)) == asked and len(told.columns):
            return bool((told != "").all(axis=None)) and bool((told.nunique() > 1).all())
    return False


def is_train_table(path: str) -> bool:
    """Says whether a table is called after training."""
    return PurePosixPath(path).stem.lower() in _TRAIN_TABLES


def _is_known(name: str) -> bool:
    """Says whether a column is called after what is known of images or persons."""
    return not _KNOWN.isdisjoint(re.findall(r"[a-z]+", name.lower()))


def split_words(cells: Collection[str]) -> set[str]:
    """Splits cells at blanks: the classes of lists and sets, and words of names."""
    return {word for cell in cells for word in cell.split()}
