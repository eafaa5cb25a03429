"""Parts of cards: ways to combine, confidence against accuracy, gains over the best member and over a teacher."""

from pipeline.core.config import Section


class CandidateCard(Section):
    """One way to combine, and what it is worth by the competition's metric.

    ``in_sample`` is the score on the rows that it was fitted to, ``nested`` that on rows it was not; ``error`` is the
    standard error of ``nested``, ``behind`` how much worse than the best candidate, with its paired standard error.
    ``temperatures`` of the members are empty where they stay as they are; ``class_weights`` hold one weight per class
    where the combiner fits them, and ``weights`` their mean.
    """

    name: str
    in_sample: float
    nested: float
    error: float
    behind: float
    behind_error: float
    weights: dict[str, float]
    class_weights: dict[str, dict[str, float]]
    temperatures: dict[str, float]
    seconds: float


class ReliabilityCard(Section):
    """Confidence against accuracy, by bins of confidence; ``error`` is the expected calibration error."""

    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    rows: tuple[int, ...]
    error: float


class GainCard(Section):
    """How much better than the best single member, positive when it is, with the paired 95 % bootstrap interval."""

    member: str
    value: float
    interval: tuple[float, float]


class StudentCard(Section):
    """How much better a student scores than its teacher on the same rows, negative where it loses.

    ``teacher`` is the file of OOF predictions, those of the ensemble nested ones; ``interval`` the paired 95 %
    bootstrap interval; ``peeked`` says that the student's own score may be optimistic, and its loss larger.
    """

    teacher: str
    teacher_score: float
    value: float
    interval: tuple[float, float]
    peeked: bool
