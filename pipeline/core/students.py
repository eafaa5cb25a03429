"""Students: how far a model that learns from soft labels scores from its teacher, on the same rows.

The teacher is whatever made the OOF predictions it learns from: the ensemble, whose file holds its nested ones, or a
model. What the student loses is a lower bound where its own score is somewhat too good, as that of soft labels is.
"""

from pathlib import Path

from pipeline.core.candidate_cards import StudentCard
from pipeline.core.measures.metric import Metric
from pipeline.core.paired import Gain, describe_gain, measure_gain
from pipeline.core.predictions import Predictions, read_predictions
from pipeline.core.scores import LabelledRows


def measure_student(root: Path, oof: str, made: Predictions, rows: LabelledRows, metric: Metric) -> StudentCard:
    """Scores a student against its teacher, paired.

    Args:
        root: the repository folder.
        oof: the teacher's OOF predictions, a path relative to it.
        made: the student's OOF predictions (n rows), with their target.
        rows: the same rows, in the same order.
        metric: the competition's.

    Raises:
        InputError: the teacher's file is gone, holds other columns, or lacks rows of the student.
    """
    teacher = read_predictions(root / oof, made.target or made.classes)
    wanted = set(made.ids)
    kept = [row for row, name in enumerate(teacher.ids) if name in wanted]
    of_rows = Predictions(tuple(teacher.ids[row] for row in kept), teacher.probs[kept], teacher.classes)
    probs = of_rows.aligned(made.ids, oof)
    gain = measure_gain(rows, made.probs, probs, metric)
    return StudentCard(
        teacher=oof,
        teacher_score=metric.score(rows.labels, probs),
        value=gain.value,
        interval=(gain.low, gain.high),
        peeked=bool(made.peeked),
    )


def describe_student(card: StudentCard, greater_is_better: bool) -> str:
    """Says what learning from the teacher, and standing in for it, costs in score, and how sure that is."""
    gain = describe_gain(Gain(card.value, *card.interval), greater_is_better)
    bound = "; its own score may be optimistic, so the true loss may be larger" if card.peeked else ""
    return f"against its teacher {card.teacher} ({card.teacher_score:.4f}): {gain}{bound}"
