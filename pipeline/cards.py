"""Cards: what was made, what it is worth and what it cost, as one JSON file each, checked when read."""

from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline.config import S, Section
from pipeline.errors import InputError, one_line
from pipeline.files import write_text


class Scored(Section):
    """What out-of-fold predictions are worth; the fields are those of `scores.Summary`.

    ``metric`` is the competition's; ``scores`` holds the pooled value of every metric that the table shows.
    """

    competition: str
    metric: str
    greater_is_better: bool
    fold_scores: dict[str, float]
    mean: float
    std: float
    pooled: float
    interval: tuple[float, float]
    scores: dict[str, float]


class ModelCard(Scored):
    """What a trained model is worth and what it cost; never a dependency of a stage.

    ``train_seconds`` is wall time over all folds, ``feature_seconds`` that of features computed once, which other
    models may share. ``peeked`` says which choices looked at the rows that the OOF score reports: none by default.
    ``view_weights`` are those of test images; ``fold_table`` is the SHA-256 of the fold table it was trained on.
    """

    model: str
    parameters: int
    trainable_parameters: int
    train_seconds: float
    feature_seconds: float = 0.0
    predict_milliseconds_per_image: float
    images_per_second: float
    seed: int
    precision: str
    peeked: tuple[str, ...]
    fingerprint: str
    view_weights: dict[str, float] = Field(default_factory=dict)
    fold_table: str = ""
    versions: dict[str, str]
    config: dict[str, Any]


class EnsembleCard(Scored):
    """How the members were combined and what the combination scores."""

    combiner: str
    members: tuple[str, ...]
    weights: dict[str, float]


class SubmissionCard(Section):
    """Where a submission came from; the leaderboard's scores once they are known."""

    name: str
    competition: str
    members: tuple[str, ...]
    metric: str
    cv: float
    rows: int
    sha256: str
    git_commit: str | None
    public_lb: float | None = None
    private_lb: float | None = None


def write_card(path: Path, card: Section) -> None:
    """Writes a card as indented JSON."""
    write_text(path, card.model_dump_json(indent=2) + "\n")


def read_card(path: Path, kind: type[S]) -> S:
    """Reads a card of one kind.

    Raises:
        InputError: no such file, or not a card as this version writes them.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; run `dvc repro`")
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path} is no {kind.__name__} ({one_line(error)}); remove it and run `dvc repro`") from error
