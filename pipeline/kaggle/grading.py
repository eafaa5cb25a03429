"""Grading: the score of a submission against true test labels by the competition's metric, as Kaggle computes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.competition import Competition
from pipeline.core.errors import InputError, some
from pipeline.kaggle.answers.contract import AnswerSheet
from pipeline.kaggle.answers.forms import open_form
from pipeline.kaggle.solution import Solution, read_solution
from pipeline.kaggle.submission_checks import check_submission_file


@dataclass(frozen=True)
class Grade:
    """A score and the number of rows that it comes from."""

    score: float
    rows: int


def grade_submission(csv: Path, solution: Path, competition: Competition, sheet: AnswerSheet) -> dict[str, Grade]:
    """Grades a submission.

    Args:
        csv: the submission; it must fit the sample.
        solution: the table of true labels.
        competition: the metric.
        sheet: the sample, and the format of both.

    Returns:
        ``public`` and ``private``, as far as the solution's ``Usage`` has such rows; without that column ``all``.

    Raises:
        InputError: the submission does not fit the sample, the solution is damaged or lacks ids, or the metric is not
            defined on these rows.
    """
    frame = check_submission_file(csv, sheet)
    form = open_form(sheet)
    truth = read_solution(solution, form)
    _require_same_ids(truth, form.subjects, solution, csv)
    position = {name: row for row, name in enumerate(form.subjects)}
    values = form.read(frame)[[position[name] for name in truth.ids]]
    metric = competition.metric.metric_for(form.target)
    names = ("all",) if truth.usage is None else ("public", "private")
    parts = {name: truth.mask_parts(name) for name in names if truth.mask_parts(name).any()}
    if not parts:
        raise InputError(f"{solution}: its Usage column ignores every row; there is nothing to grade")
    return {part: Grade(metric.score(truth.truth[rows], values[rows]), int(rows.sum())) for part, rows in parts.items()}


def _require_same_ids(truth: Solution, ids: Sequence[str], solution: Path, csv: Path) -> None:
    missing, extra = sorted(set(ids) - set(truth.ids)), sorted(set(truth.ids) - set(ids))
    if missing or extra:
        raise InputError(
            f"{solution} and {csv} have different ids: {len(missing)} without a true label "
            f"({some(missing, 3) or 'none'}), {len(extra)} not submitted ({some(extra, 3) or 'none'}); "
            "give the solution of the same competition"
        )
