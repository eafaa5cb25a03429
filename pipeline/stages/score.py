"""Grades a submission locally, against true test labels. Run by hand: no stage of dvc.yaml.

Reads: a submission and a solution, data/prepared/{classes.json,sample_submission.csv}
Writes: submissions/log.csv, with --log
"""

from pathlib import Path

from pipeline.core import cards
from pipeline.core.active import active_name
from pipeline.core.competition import load_competition
from pipeline.core.files import sha256
from pipeline.core.paths import prepared_folder
from pipeline.kaggle import grading, submission_log
from pipeline.kaggle.answers.sheets import read_sheet
from pipeline.kaggle.grading import Grade
from pipeline.kaggle.submission_log import LogEntry


def run(root: Path, csv: Path, solution: Path, log: bool, message: str | None) -> None:
    """Prints the score of a submission, of public and private rows apart where the solution has a ``Usage``.

    Args:
        root: the repository.
        csv: the submission.
        solution: true labels.
        log: also write a line into submissions/log.csv; a score of all rows is logged as a private one.
        message: of that line.
    """
    competition = load_competition(root)
    text = submission_log.clean_message(message or "") or f"graded here with {solution.name}"
    sheet = read_sheet(prepared_folder(root), competition)
    grades = grading.grade_submission(csv, solution, competition, sheet)
    metric = competition.metric.metric_for(sheet.target).name
    for part, grade in grades.items():
        print(f"{csv.name}: {metric} {grade.score:.5f} ({part}, {grade.rows:,} rows)")
    if log:
        submission_log.append_entry(root, _entry(root, csv, grades, text))
        print("logged in submissions/log.csv")


def _entry(root: Path, csv: Path, grades: dict[str, Grade], message: str) -> LogEntry:
    digest = sha256(csv)
    card = _card(csv, digest)
    scores = {part: grade.score for part, grade in grades.items()}
    return LogEntry(
        time=submission_log.format_now(),
        name=csv.stem,
        message=message,
        git_commit=card.git_commit if card else None,
        oof=card.cv if card else None,
        nested_cv=card.nested_cv if card else None,
        public_lb=scores.get("public"),
        private_lb=scores.get("private", scores.get("all")),
        competition=active_name(root),
        status="graded",
        sha256=digest,
    )


def _card(csv: Path, digest: str) -> cards.SubmissionCard | None:
    """The card beside the file, if it describes this very file."""
    path = csv.with_suffix(".json")
    if not path.is_file():
        return None
    card = cards.read_card(path, cards.SubmissionCard)
    return card if card.sha256 == digest else None
