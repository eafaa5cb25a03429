"""Submissions: predictions in the format of the competition's sample.

All cells are text: ids and class names are written exactly as the competition writes them.
"""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.core.answers import LabelSubmission, ProbabilitySubmission, Submission
from pipeline.core.errors import InputError, near_names, some
from pipeline.core.ids import check_unique
from pipeline.core.predictions import Predictions


def build_submission(predictions: Predictions, sample: pd.DataFrame, submission: Submission) -> pd.DataFrame:
    """Makes a submission: the sample's columns, ids and order, filled from predictions.

    Args:
        predictions: of the test images, in any order.
        sample: the competition's sample submission, as text.
        submission: the format that the competition requires.

    Returns:
        text columns, as in the CSV.

    Raises:
        InputError: ids or columns of the sample do not fit.
    """
    columns = map_value_columns(sample, submission, predictions.classes)
    ids = sample[submission.id].tolist()
    _require_same_ids(ids, predictions.ids)
    # float64 and divided by the sum: nine digits of each still sum to 1 within the tolerance
    probs = predictions.aligned(ids, "the test predictions").astype(np.float64)
    probs /= probs.sum(axis=1, keepdims=True)
    frame = pd.DataFrame({submission.id: ids}, dtype="str")
    for column, name in columns.items():
        if name is None:
            frame[column] = np.array(predictions.classes)[probs.argmax(axis=1)]
        else:
            frame[column] = [f"{value:.9g}" for value in probs[:, predictions.classes.index(name)]]
    return frame[sample.columns.tolist()]


def check_sample(sample: pd.DataFrame, submission: Submission, classes: Sequence[str], test_ids: Sequence[str]) -> None:
    """Checks the sample submission against the competition before anything costly starts.

    Raises:
        InputError: its columns do not fit the classes, or its ids are not those of the test images.
    """
    map_value_columns(sample, submission, classes)
    _require_same_ids(sample[submission.id].tolist(), test_ids)


def fill_sample(sample: pd.DataFrame, id_column: str, ids: Sequence[str]) -> pd.DataFrame:
    """Makes a sample submission for other ids: its columns, the values of its first row for every id."""
    filled = {column: sample[column].iloc[0] if len(sample) else "" for column in sample.columns}
    return pd.DataFrame({**filled, id_column: list(ids)}, columns=sample.columns, dtype="str")


def map_value_columns(sample: pd.DataFrame, submission: Submission, classes: Sequence[str]) -> dict[str, str | None]:
    """Returns what each column beside the id holds: the probability of a class, or None for the label itself.

    Raises:
        InputError: the sample's columns are not those that the competition's file and the classes ask for.
    """
    place = f"sample submission ({submission.sample})"
    present = [str(column) for column in sample.columns]
    if submission.id not in present:
        raise InputError(f"{place} has no id column {submission.id!r}; {near_names(submission.id, present)}")
    others = [column for column in present if column != submission.id]
    if isinstance(submission, LabelSubmission):
        if others != [submission.label]:
            raise InputError(
                f"{place} has the columns {some(present)}, wanted {submission.id} and {submission.label}; "
                "correct submission in the competition's file"
            )
        return {submission.label: _positive(submission, classes)}
    if not isinstance(submission, ProbabilitySubmission):
        raise InputError(f"submission.kind {submission.kind} is described, but not written yet")
    return dict(_class_columns(submission, others, classes, place))


def _positive(submission: LabelSubmission, classes: Sequence[str]) -> str | None:
    name = submission.positive
    if name is not None and (len(classes) != 2 or name not in classes):
        raise InputError(
            f"submission.positive is {name!r}, wanted one of exactly two classes; the classes are {some(classes)}"
        )
    return name


def _class_columns(
    submission: ProbabilitySubmission, columns: Sequence[str], classes: Sequence[str], place: str
) -> dict[str, str]:
    mapping = submission.columns or {}
    for column in mapping:
        if column not in columns:
            raise InputError(f"submission.columns names {column!r}, which {place} lacks; {near_names(column, columns)}")
    named = {column: mapping.get(column, column) for column in columns}
    for column, name in named.items():
        if name not in classes:
            raise InputError(
                f"{place} has the column {column!r}, which is not a class; {near_names(name, classes)}; "
                "map it with submission.columns in the competition's file"
            )
    missing = [name for name in classes if name not in named.values()]
    if missing:
        raise InputError(
            f"{place} has no column for {len(missing)} classes: {some(missing)}; map them with submission.columns"
        )
    check_unique(list(named.values()), f"{place}: classes of the columns")
    return named


def _require_same_ids(wanted: Sequence[str], predicted: Sequence[str]) -> None:
    check_unique(wanted, "sample submission")
    missing = sorted(set(wanted) - set(predicted))
    extra = sorted(set(predicted) - set(wanted))
    if not missing and not extra:
        return
    stems = {re.sub(r"\.\w+$", "", name) for name in predicted}
    alike = all(re.sub(r"\.\w+$", "", name) in stems for name in missing) and missing and extra
    fix = "they differ by the extension: set test.listed_by: sample_submission" if alike else "check test in"
    raise InputError(
        f"the sample submission and the test images differ: {len(missing)} ids without an image "
        f"({some(missing, 3) or 'none'}), {len(extra)} images without an id ({some(extra, 3) or 'none'}); "
        f"{fix} {'in ' if alike else ''}the competition's file"
    )
