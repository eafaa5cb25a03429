"""Answers: the ``submission`` section of a competition's file, one kind for each form that a sample submission has.

A form says where the answers stand and how a cell is written; `kaggle.answers` writes, checks and reads them.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.core.config import Section
from pipeline.core.units import Units, require_groups


class _Answer(Section):
    """What every form has.

    Attributes:
        sample: the sample submission.
        id: its column of ids.
        unit: where one answer is for several images.
    """

    sample: str
    id: str
    unit: Units | None = None


class LabelSubmission(_Answer):
    """One column of classes: one class in each cell.

    Attributes:
        label: the column.
        positive: turns the column into the probability of that class (two classes, as in dogs-vs-cats).
        names: what the competition calls the classes in answers, where it is not their own name: {cat: "0", dog: "1"}.
    """

    kind: Literal["label"]
    label: str
    positive: str | None = None
    names: dict[str, str] | None = None

    @model_validator(mode="after")
    def _one_reading(self) -> "LabelSubmission":
        if self.positive is not None and self.names is not None:
            raise ValueError("positive asks for a probability, names for a class: keep one of them")
        if self.names is not None and len(set(self.names.values())) < len(self.names):
            raise ValueError("names gives two classes one name; each needs its own")
        return self


class ProbabilitySubmission(_Answer):
    """One column of probabilities per class or label.

    Rows sum to 1, but for several labels per image.

    Attributes:
        columns: column -> class, where the names differ.
    """

    kind: Literal["probabilities"]
    columns: dict[str, str] | None = None


class NumberSubmission(_Answer):
    """One column per number; of grades there is one column: the expected grade.

    Attributes:
        columns: column -> number, where the names differ.
    """

    kind: Literal["numbers"]
    columns: dict[str, str] | None = None


class DecisionSubmission(_Answer):
    """One column per target with its class or number, or one per label or class with 1 where an image has it, else 0.

    Attributes:
        columns: column -> target or label, where the names differ.
        marks: the words for "has it not" and "has it".
    """

    kind: Literal["decisions"]
    columns: dict[str, str] | None = None
    marks: tuple[str, str] = ("0", "1")


class LabelSetSubmission(_Answer):
    """One column of label names: all labels that an image has, in one cell.

    Attributes:
        label: the column.
        separator: between two names.
        none: the word for an image without a label.
        at_least_one: writes the most probable label where none reaches its threshold.
    """

    kind: Literal["label_set"]
    label: str
    separator: str = Field(default=" ", min_length=1)
    none: str = ""
    at_least_one: bool = False


class RankedSubmission(_Answer):
    """One column of the likeliest classes, the best first.

    Attributes:
        label: the column.
        separator: between two classes.
        k: how many; None takes the number in the sample's cells.
        new: the class of what no training image shows. One of the classes, or one of its own, which comes before all
            classes whose probability is below a threshold fitted out-of-fold.
        new_share: the share of such images in the test, which that threshold is fitted for.
    """

    kind: Literal["ranked"]
    label: str
    separator: str = Field(default=" ", min_length=1)
    k: int | None = Field(default=None, ge=1)
    new: str | None = None
    new_share: float = Field(default=0.1, gt=0.0, lt=1.0)


class LabelConfidenceSubmission(_Answer):
    """One column of a class and its probability: ``137790 0.0979``.

    Attributes:
        label: the column.
        separator: between class and probability.
    """

    kind: Literal["confidence"]
    label: str
    separator: str = Field(default=" ", min_length=1)


class RowTable(Section):
    """Image and part of each row, from a table.

    Attributes:
        table: the table.
        row: its column of the sample's ids.
        image: its column of images.
        part: its column of parts.
    """

    by: Literal["table"]
    table: str
    row: str
    image: str
    part: str


class RowPattern(Section):
    """Image and part of each row, from its id.

    Attributes:
        pattern: a regular expression for the whole id, with the groups ``image`` and ``part``.
    """

    by: Literal["pattern"]
    pattern: str

    @field_validator("pattern")
    @classmethod
    def _names_both(cls, pattern: str) -> str:
        return require_groups(pattern, "image", "part")


class RowSubmission(_Answer):
    """One row per image and part: a class, a label, a target or a number.

    Attributes:
        value: the column of answers.
        rows: image and part of each row.
        parts: what rows call a part -> its class, label, target or number, where the names differ.
        holds: ``values``: probabilities or numbers; ``decisions``: the class of a target, 0 or 1 for a label.
    """

    kind: Literal["rows"]
    value: str
    rows: Annotated[RowTable | RowPattern, Field(discriminator="by")]
    parts: dict[str, str] | None = None
    holds: Literal["values", "decisions"] = "values"


Submission = Annotated[
    LabelSubmission
    | ProbabilitySubmission
    | NumberSubmission
    | DecisionSubmission
    | LabelSetSubmission
    | RankedSubmission
    | LabelConfidenceSubmission
    | RowSubmission,
    Field(discriminator="kind"),
]
