"""Grading: the score of a submission against true test labels by the competition's metric, as Kaggle computes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core.answers import Submission
from pipeline.core.arrays import Probs
from pipeline.core.competition import Competition
from pipeline.core.errors import InputError, some
from pipeline.kaggle.solution import Solution, read_solution
from pipeline.kaggle.submission import map_value_columns
from pipeline.kaggle.submission_checks import check_submission_file


@dataclass(frozen=True)
class Grade:
    """A score and the number of rows that it comes from."""

    score: float
    rows: int


def grade_submission(
    csv: Path, solution: Path, competition: Competition, sample: pd.DataFrame, classes: Sequence[str]
) -> dict[str, Grade]:
    """Grades a submission.

    Args:
        csv: the submission; it must fit the sample.
        solution: the table of true labels.
        competition: the format of both, and the metric.
        sample: the competition's sample submission, as text.
        classes: class names.

    Returns:
        ``public`` and ``private``, as far as the solution's ``Usage`` has such rows; without that column ``all``.

    Raises:
        InputError: the submission does not fit the sample, the solution is damaged or lacks ids, or the metric is not
            defined on these rows.
    """
    frame = check_submission_file(csv, sample, competition.submission, classes)
    truth = read_solution(solution, competition.submission, classes)
    ids = frame[competition.submission.id].tolist()
    _require_same_ids(truth, ids, solution, csv)
    position = {name: row for row, name in enumerate(ids)}
    probs = read_probabilities(frame, sample, competition.submission, classes)[[position[name] for name in truth.ids]]
    metric = competition.metric.metric
    names = ("all",) if truth.usage is None else ("public", "private")
    parts = {name: truth.mask_parts(name) for name in names if truth.mask_parts(name).any()}
    if not parts:
        raise InputError(f"{solution}: its Usage column ignores every row; there is nothing to grade")
    return {part: Grade(metric.score(truth.labels[rows], probs[rows]), int(rows.sum())) for part, rows in parts.items()}


def read_probabilities(
    frame: pd.DataFrame, sample: pd.DataFrame, submission: Submission, classes: Sequence[str]
) -> Probs:
    """Reads a checked submission as probabilities (n, n_classes), in its own order; a label is a probability of 1."""
    probs = np.zeros((len(frame), len(classes)), dtype=np.float32)
    columns = map_value_columns(sample, submission, classes)
    for column, name in columns.items():
        if name is None:
            probs[np.arange(len(frame)), frame[column].map(list(classes).index).to_numpy(dtype=np.int64)] = 1.0
        else:
            probs[:, list(classes).index(name)] = frame[column].astype("float64")
    if len(columns) == 1 and (positive := next(iter(columns.values()))) is not None:
        other = 1 - list(classes).index(positive)  # two classes: the other has the rest
        probs[:, other] = 1.0 - probs[:, 1 - other]
    return probs


def _require_same_ids(truth: Solution, ids: Sequence[str], solution: Path, csv: Path) -> None:
    missing, extra = sorted(set(ids) - set(truth.ids)), sorted(set(truth.ids) - set(ids))
    if missing or extra:
        raise InputError(
            f"{solution} and {csv} have different ids: {len(missing)} without a true label "
            f"({some(missing, 3) or 'none'}), {len(extra)} not submitted ({some(extra, 3) or 'none'}); "
            "give the solution of the same competition"
        )
