"""Summary of each model: scores and costs, in one line each."""

from dataclasses import dataclass

from pipeline.core import scores
from pipeline.core.paths import ENSEMBLE
from pipeline.ensemble.calibration import measure_reliability
from pipeline.reports.models.evaluation_data import EvaluatedModel, EvaluationData


@dataclass(frozen=True)
class ModelSummary:
    """One line of the table; what does not apply is None.

    Attributes:
        name: of the model.
        mean: of the folds' scores by the competition's metric.
        std: of the same, n - 1 in the denominator; None for a single fold.
        pooled: score of all rows together, each predicted without its fold: nested, unless ``peeked``.
        low: of the 95 % bootstrap interval of ``pooled``.
        high: of the same.
        in_sample: of the ensemble: its score on the rows that its weights were fitted to.
        accuracy: share of rows whose most probable class is theirs.
        top_3: share of rows whose class is among the three most probable ones.
        log_loss: mean negative logarithm of the true class's probability.
        macro_f1: mean over classes of F1.
        ece: expected calibration error; None of numbers.
        parameters: of one fold's model.
        trainable: those of them that were trained.
        train_seconds: over all folds, features included.
        times_cheapest: the same over that of the model that trained fastest.
        predict_ms: milliseconds to predict an image.
        public_lb: of its last submission that has one.
        private_lb: of the same.
        peeked: choices that used the rows that it is scored on.
    """

    name: str
    mean: float
    std: float | None
    pooled: float
    low: float
    high: float
    in_sample: float | None
    accuracy: float | None
    top_3: float | None
    log_loss: float | None
    macro_f1: float | None
    ece: float | None
    parameters: int | None
    trainable: int | None
    train_seconds: float | None
    times_cheapest: float | None
    predict_ms: float | None
    public_lb: float | None
    private_lb: float | None
    peeked: tuple[str, ...]


def summarise_models(data: EvaluationData) -> tuple[ModelSummary, ...]:
    """Returns one line for the ensemble, if there is one, and one per model, the best first."""
    seconds = [_seconds(model) for model in data.models]
    known = [value for value in seconds if value]
    cheapest = min(known) if known else None
    return tuple(_standing(data, model, cheapest) for model in data.everyone)


def _standing(data: EvaluationData, model: EvaluatedModel, cheapest: float | None) -> ModelSummary:
    rows = scores.LabelledRows(data.labels, data.groups)
    summary = scores.summarise_scores(rows, data.folds, model.probs, data.metric)
    seconds, card = _seconds(model), model.card
    bins = measure_reliability(data.labels, model.probs, data.target)
    public, private = _leaderboard(data, model.name)
    return ModelSummary(
        name=model.name,
        mean=summary.mean,
        std=summary.std if len(summary.fold_scores) > 1 else None,
        pooled=summary.pooled,
        low=summary.interval[0],
        high=summary.interval[1],
        in_sample=_in_sample(data) if model.name == ENSEMBLE else None,
        accuracy=summary.scores.get("accuracy"),
        top_3=summary.scores.get("top_3_accuracy"),
        log_loss=summary.scores.get("log_loss"),
        macro_f1=summary.scores.get("macro_f1"),
        ece=bins.error if bins.rows else None,
        parameters=card.parameters if card else None,
        trainable=card.trainable_parameters if card else None,
        train_seconds=seconds,
        times_cheapest=seconds / cheapest if seconds is not None and cheapest else None,
        predict_ms=card.predict_milliseconds_per_image if card else None,
        public_lb=public,
        private_lb=private,
        peeked=model.peeked,
    )


def _seconds(model: EvaluatedModel) -> float | None:
    return model.card.train_seconds + model.card.feature_seconds if model.card else None


def _in_sample(data: EvaluationData) -> float | None:
    card = data.ensemble_card
    chosen = [each.in_sample for each in card.candidates if each.name == card.combiner] if card else []
    return chosen[0] if chosen else None


def _leaderboard(data: EvaluationData, name: str) -> tuple[float | None, float | None]:
    """The scores of a model's last submission that has any."""
    scored = [
        entry
        for entry in data.log
        if entry.name == name and (entry.public_lb is not None or entry.private_lb is not None)
    ]
    return (scored[-1].public_lb, scored[-1].private_lb) if scored else (None, None)
