"""Cards: what was made, what it is worth and what it cost, as one JSON file each, checked when read."""

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline.core.candidate_cards import CandidateCard, GainCard, ReliabilityCard, StudentCard
from pipeline.core.config import S, Section
from pipeline.core.digests import hash_value
from pipeline.core.errors import InputError, one_line
from pipeline.core.files import write_text
from pipeline.core.seed_cards import SeedsCard
from pipeline.core.shift_cards import ShiftCard

_DIGEST = "digest"


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

    ``train_seconds`` is wall time over all folds and seeds, ``feature_seconds`` that of features computed once, which
    others may share. ``peeked`` says which choices looked at the rows of the OOF score: none by default. ``seed`` is
    the first of ``seeds``. ``student``: of one that learns from soft labels, against its teacher. ``view_weights``: of
    test images; ``fold_table``: digest of that it was trained on; ``column_gains``: what each column of a tabular model
    adds to the OOF score, with its 95 % interval; ``backbones``: SHA-256 of a head's frozen backbones, by file,
    ``backbone_precisions`` what each computed in; ``trained_on``: by fold, hardware and machine; ``digests``: of files.
    """

    model: str
    parameters: int
    trainable_parameters: int
    train_seconds: float
    feature_seconds: float = 0.0
    predict_milliseconds_per_image: float
    images_per_second: float
    seed: int
    seeds: SeedsCard | None = Field(default=None, exclude_if=lambda seeds: seeds is None)
    student: StudentCard | None = Field(default=None, exclude_if=lambda student: student is None)
    precision: str
    peeked: tuple[str, ...]
    fingerprint: str
    view_weights: dict[str, float] = Field(default_factory=dict)
    fold_table: str = ""
    column_gains: dict[str, tuple[float, float, float]] = Field(default_factory=dict)
    backbones: dict[str, str] = Field(default_factory=dict)
    backbone_precisions: tuple[str, ...] = Field(default=(), exclude_if=lambda precisions: not precisions)
    trained_on: dict[str, str] = Field(default_factory=dict)
    digests: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str]
    config: dict[str, Any]

    @property
    def has_network(self) -> bool:
        """Whether the model is a network of its own: no classic or tabular model, and no head on cached features."""
        return not {"classifier", "tabular", "backbones"} & self.config.keys()

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The seeds that each fold was trained with, in their order."""
        return tuple(map(int, self.seeds.scores)) if self.seeds else (self.seed,)


class EnsembleCard(Scored):
    """How the members were combined and what the combination scores.

    All scores are nested: every row was predicted by weights, temperatures and a choice of combiner that did not see
    its fold. ``alone`` are the members' own pooled scores. ``weights`` are empty where the combiner has none (stacks).
    ``by_fold`` names the combiner that the other folds chose; ``decision`` holds the numbers of a rule where the plain
    decision was not best for the metric, and ``rule`` its name: factors of classes, thresholds. ``peeked`` says, by
    member, which choices looked at the rows that are scored: then the scores are too good. ``shift`` is of targets of
    one class alone.
    """

    combiner: str
    members: tuple[str, ...]
    alone: dict[str, float]
    weights: dict[str, float]
    candidates: tuple[CandidateCard, ...]
    skipped: dict[str, str]
    by_fold: dict[str, str]
    gain: GainCard
    temperature: float
    decision: dict[str, float]
    rule: str = Field(default="class_factors", exclude_if=lambda rule: rule == "class_factors")
    before: ReliabilityCard
    after: ReliabilityCard
    correlation: dict[str, dict[str, float]]
    disagreement: dict[str, dict[str, float]]
    same: tuple[tuple[str, str], ...]
    peeked: dict[str, tuple[str, ...]]
    shift: ShiftCard | None = Field(default=None, exclude_if=lambda shift: shift is None)


class TrialCard(Section):
    """One trial of a study: what it tried, by path, and what came of it on the folds searched.

    ``default`` marks the model as it stands, ``values`` are its score and, where two objectives were asked for, its
    seconds.
    """

    number: int
    default: bool
    values: tuple[float, ...]
    log_loss: float | None
    seconds: float
    settings: dict[str, Any]


class VerdictCard(Section):
    """The default and the best trial, measured again on folds or a seed that the search did not use.

    ``gain`` is how much better the best trial is, positive when it is, ``interval`` its paired 95 % bootstrap interval.
    """

    folds: tuple[int, ...]
    seed: int
    rows: int
    default: float
    tuned: float
    gain: float
    interval: tuple[float, float]


class TuningCard(Section):
    """What tuning a model came to; never a dependency of a stage.

    ``best`` is the best trial on the folds that chose it, ``verdict`` what it is worth on others: None where nothing
    was tried or the default stayed the best. ``adopted`` says whether its settings are laid over the model's file.
    ``saved_seconds`` is what pruned trials had still before them, at the pace they had shown. ``front`` holds the
    trials that none beats in both objectives. ``space`` names the settings that may vary.
    """

    model: str
    competition: str
    metric: str
    greater_is_better: bool
    study: str = ""
    storage: str = ""
    folds: tuple[int, ...] = ()
    space: tuple[str, ...] = ()
    complete: int = 0
    pruned: int = 0
    failed: int = 0
    reasons: dict[str, int] = Field(default_factory=dict)
    searched_seconds: float = 0.0
    saved_seconds: float = 0.0
    default: TrialCard | None = None
    best: TrialCard | None = None
    front: tuple[TrialCard, ...] = ()
    verdict: VerdictCard | None = None
    adopted: bool = False


class SubmissionCard(Section):
    """Where a submission came from. Scores of the leaderboard stand in submissions/log.csv: this is an out of DVC.

    ``cv`` is the pooled out-of-fold score; ``nested_cv`` that of weights fitted without the rows they are scored on;
    ``peeked`` says what looked at the rows that both are of: then they are too good. ``pooling`` and ``new_threshold``
    are those of `kaggle.answers`, fitted out-of-fold, where the form of answers needs them. ``rule`` and ``decision``
    are those of a single model whose labels or grades thresholds decide; then ``cv`` is nested, too.
    """

    name: str
    competition: str
    members: tuple[str, ...]
    metric: str
    cv: float
    nested_cv: float | None = None
    peeked: tuple[str, ...] = ()
    rows: int
    sha256: str
    git_commit: str | None
    pooling: str | dict[str, str] | None = None
    new_threshold: float | None = None
    rule: str | None = Field(default=None, exclude_if=lambda rule: rule is None)
    decision: dict[str, float] = Field(default_factory=dict, exclude_if=lambda decision: not decision)

    @property
    def needs_rule(self) -> bool:
        """Whether its answers need something that was fitted."""
        return self.pooling is not None or self.new_threshold is not None or self.rule is not None


def write_card(path: Path, card: Section) -> None:
    """Writes a card as indented JSON; its last entry is the digest of the others."""
    values = json.loads(card.model_dump_json())
    write_text(path, json.dumps(values | {_DIGEST: hash_value(values)}, indent=2, ensure_ascii=False) + "\n")


def read_card(path: Path, kind: type[S]) -> S:
    """Reads a card of one kind.

    Raises:
        InputError: no such file, or not a card as this version writes them, or not as it was written.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; run `dvc repro`")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        digest = values.pop(_DIGEST, None)
        card = kind.model_validate_json(json.dumps(values))
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is no {kind.__name__} ({one_line(error)}); remove it and run `dvc repro`") from error
    if digest is not None and digest != hash_value(values):
        raise InputError(f"{path} was damaged or edited by hand (its digest differs); remove it and run `dvc repro`")
    return card
