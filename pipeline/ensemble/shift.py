"""Other class shares in the test set than in training: what becomes of the score, and predictions corrected for them.

Of one class per image alone. Out-of-fold rows are repeated as often as the estimated shares want, so that any metric
can be re-weighted; the correction multiplies each class by the ratio of its shares.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Probs, Values, Weights
from pipeline.core.errors import InputError
from pipeline.core.measures.metric import Metric
from pipeline.core.paired import measure_gain, measure_standing
from pipeline.core.scores import LabelledRows, resample_rows
from pipeline.core.shift_cards import ReweightedCard, ShareCard, ShiftCard
from pipeline.core.targets.classes import Grades, OneClass
from pipeline.core.targets.contract import Target
from pipeline.ensemble.class_shares import (
    BiasCalibration,
    count_shares,
    draw_by_class,
    estimate_shares,
    fit_bias_calibration,
    measure_difference,
    measure_influence,
    repeat_by_class,
)
from pipeline.ensemble.decisions import TEST_SHARES, Decision, apply_class_factors
from pipeline.ensemble.fitting import Ensemble

LEVEL = 0.01  # of false alarms
LEAST = 0.02  # part of the images in another class: less moves no score by more than itself
_DRAWS, _FEWEST, _CELLS = 200, 100, 1e8  # of the bootstrap, and the probabilities that it may read
_ROUGH = 1e-4


@dataclass(frozen=True)
class JudgedRows:
    """Predictions to compare, of rows with labels and of the test set.

    Attributes:
        rows: the n scored rows.
        parts: (n,) parts left out in turn.
        plain: (n, n_classes) nested probabilities, before any rule of decision.
        used: the same after it, as they are scored.
        test: (m, n_classes) probabilities of the test set, before any rule.
        metric: the competition's.
        target: one class per image.
        seed: of the bootstrap.
    """

    rows: LabelledRows
    parts: Labels
    plain: Probs
    used: Probs
    test: Probs
    metric: Metric
    target: Target
    seed: int = 0


@dataclass(frozen=True)
class ShareEstimate:
    """Class shares of the test set.

    Attributes:
        training: (n_classes,) of the rows with labels.
        shares: (n_classes,) of the test set.
        calibration: of the predictions that gave them.
    """

    training: Weights
    shares: Weights
    calibration: BiasCalibration

    @property
    def ratios(self) -> Weights:
        """(n_classes,) how much more frequent each class is in the test set."""
        ratios: Weights = self.shares / self.training
        return ratios

    @property
    def distance(self) -> float:
        """Part of the images that are of another class than training's shares have it (total variation)."""
        return float(np.abs(self.shares - self.training).sum() / 2)


@dataclass(frozen=True)
class Correction:
    """A shift of the shares, and the factors of the classes that predictions are corrected by; None leaves them."""

    card: ShiftCard
    factors: Weights | None = None


def measure_shift(judged: JudgedRows, level: float = LEVEL, correct: bool = True) -> Correction:
    """Compares the class shares of the test set with those of training.

    Args:
        judged: nested predictions and those of the test set.
        level: of false alarms; at 1 all is measured whatever the shares are.
        correct: whether the correction may be applied.
    """
    groups = np.unique(judged.rows.groups, return_inverse=True)[1]
    chance = measure_difference(judged.plain, judged.test, groups)
    if chance >= level and level < 1:
        return Correction(ShiftCard(chance=chance))
    estimate = _estimate(judged, np.arange(len(judged.plain)))
    if estimate.distance < LEAST and level < 1:
        return Correction(ShiftCard(chance=chance, distance=estimate.distance))
    kept = repeat_by_class(judged.rows.labels, estimate.shares)
    repeated = LabelledRows(judged.rows.labels[kept], judged.rows.groups[kept])
    corrected = _cross_fit_correction(judged)
    try:
        pair = [judged.used[kept], corrected[kept]]
        standing = measure_standing(repeated, pair, judged.metric, judged.seed)
        gain = measure_gain(repeated, pair[1], pair[0], judged.metric, judged.seed)
    except InputError:  # the metric is undefined on such shares
        return Correction(ShiftCard(chance=chance, distance=estimate.distance, shares=_name_shares(judged, estimate)))
    # The simpler first: the correction is applied where the predictions as they are lie more than an error behind.
    applied = correct and standing.simplest == 1
    drawn = list(_draw(judged, estimate, corrected if applied else judged.used))
    scores = [score for _, score in drawn if score is not None] or [standing.scores[int(applied)]]
    low, high = np.percentile(scores, [2.5, 97.5])
    reweighted = ReweightedCard(
        score=float(standing.scores[int(applied)]),
        interval=(float(low), float(high)),
        uncorrected=float(standing.scores[0]),
        corrected=float(standing.scores[1]),
        gain=(gain.low, gain.high),
        applied=applied,
    )
    shares = _name_shares(judged, estimate, np.stack([each for each, _ in drawn]))
    card = ShiftCard(chance=chance, distance=estimate.distance, shares=shares, reweighted=reweighted)
    return Correction(card, estimate.ratios if applied else None)


def judge_rows(ensemble: Ensemble, stacked: Values) -> JudgedRows:
    """Makes predictions of the rows with labels and of the test set, as far as an ensemble's rule of decision.

    Args:
        ensemble: of one class per image.
        stacked: (n_members, n_test, n_classes) the members' predictions of the test set.
    """
    sample, end = ensemble.sample, ensemble.post_processing
    return JudgedRows(
        rows=LabelledRows(sample.truth, ensemble.members.rows["group"].to_numpy(dtype=np.int64)),
        parts=sample.folds,
        plain=end.plain,
        used=end.nested,
        test=replace(end, decision=None)(ensemble.chosen(stacked)),
        metric=sample.metric,
        target=sample.target,
        seed=sample.seed,
    )


def correct_ensemble(ensemble: Ensemble, stacked: Values, correct: bool = True) -> tuple[Ensemble, ShiftCard | None]:
    """Corrects an ensemble for the class shares of the test set where that gains.

    Its nested predictions stay: the rows with labels have the shares of training.

    Args:
        ensemble: as it was fitted.
        stacked: (n_members, n_test, n_columns) the members' predictions of the test set.
        correct: whether the correction may be applied, or the shift is measured alone.

    Returns:
        the ensemble and what its card says; of other targets, of grades and without parts the same ensemble and None.
    """
    sample, end = ensemble.sample, ensemble.post_processing
    one_class = isinstance(sample.target, OneClass) and not isinstance(sample.target, Grades)
    if not one_class or len(np.unique(sample.folds)) < 2 or not stacked.shape[1]:
        return ensemble, None
    measured = measure_shift(judge_rows(ensemble, stacked), correct=correct)
    if measured.factors is None:
        return ensemble, measured.card
    factors = measured.factors if end.decision is None else measured.factors * end.decision.numbers
    decision = Decision(TEST_SHARES, sample.target, factors)
    return replace(ensemble, post_processing=replace(end, decision=decision)), measured.card


def _estimate(judged: JudgedRows, rows: Labels) -> ShareEstimate:
    """Estimates the shares of the test set by the calibration on some of the rows."""
    labels, target = judged.rows.labels[rows], judged.target
    calibration = fit_bias_calibration(labels, target.to_outputs(judged.plain[rows]))
    prior = count_shares(labels, judged.plain.shape[1])
    return ShareEstimate(prior, estimate_shares(calibration(target.to_outputs(judged.test)), prior), calibration)


def _cross_fit_correction(judged: JudgedRows) -> Probs:
    """Corrects each part by the shares that the calibration on the other parts gives."""
    corrected = np.empty_like(judged.used)
    for part in np.unique(judged.parts):
        held = judged.parts == part
        corrected[held] = apply_class_factors(judged.used[held], _estimate(judged, np.flatnonzero(~held)).ratios)
    return corrected


def _draw(judged: JudgedRows, estimate: ShareEstimate, probs: Probs) -> Iterator[tuple[Weights, float | None]]:
    """Yields the shares and the score of bootstrap draws.

    Groups of rows and rows of the test set are drawn, calibration and shares estimated again, and as many rows as the
    test set has are scored: what a test set of that size may score. Without a score where the metric is undefined.
    """
    labels, many, classes = judged.rows.labels, len(judged.test), len(judged.target.columns)
    outputs, unlabelled = (judged.target.to_outputs(each) for each in (judged.plain, judged.test))
    moves = measure_influence(labels, outputs, estimate.calibration)
    random = np.random.default_rng(judged.seed)
    group = np.unique(judged.rows.groups, return_inverse=True)[1]
    each = None if judged.metric.rows is None else judged.metric.rows(labels, probs)
    draws = int(np.clip(_CELLS / (judged.plain.size + judged.test.size), _FEWEST, _DRAWS))
    for rows in resample_rows(group, random, draws):
        calibration = BiasCalibration(estimate.calibration.numbers + moves[rows].mean(axis=0))
        test = unlabelled[random.integers(0, many, size=many)]
        shares = estimate_shares(calibration(test), count_shares(labels[rows], classes), estimate.shares, _ROUGH)
        hidden = rows[draw_by_class(labels[rows], shares, many, random)]
        try:
            score = judged.metric.score(labels[hidden], probs[hidden]) if each is None else float(each[hidden].mean())
        except InputError:
            score = None
        yield shares, score


def _name_shares(
    judged: JudgedRows, estimate: ShareEstimate, drawn: NDArray[np.float64] | None = None
) -> dict[str, ShareCard]:
    low, high = (estimate.shares,) * 2 if drawn is None else np.percentile(drawn, [2.5, 97.5], axis=0)
    each = zip(judged.target.columns, estimate.training, estimate.shares, low, high, strict=True)
    return {
        name: ShareCard(training=float(had), test=float(share), interval=(float(least), float(most)))
        for name, had, share, least, most in each
    }
