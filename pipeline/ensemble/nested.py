"""Nested scores: every combiner is fitted on all folds but one and scored on that one, for each fold in turn.

Which combiner is used is chosen by the nested scores, and that choice too is scored without the rows it was made on:
the predictions of a fold come from the combiner that the other folds would have chosen. One thing the first part does
see of itself: combiners that cost much and are far behind on it are no candidates of any part.
References: Varma and Simon 2006, Bias in error estimation when using cross-validation for model selection,
https://doi.org/10.1186/1471-2105-7-91; Breiman et al. 1984, Classification and regression trees, section 3.4.3 (the
simplest within one standard error).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Truth, Values, Weights
from pipeline.core.errors import InputError
from pipeline.core.paired import Standing, error_of_mean, measure_standing
from pipeline.core.progress import track_progress
from pipeline.core.scores import LabelledRows
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import Target
from pipeline.ensemble.calibration import apply_temperatures, fit_temperatures
from pipeline.ensemble.combiners.catalogue import COMBINERS, COSTLY, SCALE_MATTERS, explain_skip
from pipeline.ensemble.combiners.contract import Fitted, OofRows

PARTS = 5
WITH_TEMPERATURE = "+temperature"


@dataclass
class Candidate:
    """One way to combine.

    Attributes:
        combiner: its name in `COMBINERS`.
        cools: whether each member is divided by its temperature first.
        nested: float32 (n_samples, n_columns), each row by the fit that did not see its part.
        fitted: on all rows; None until then.
        degrees: (n_members,) temperatures of the members, of that fit; None where they stay as they are.
        target: what is predicted.
        seconds: of all its fits.
    """

    combiner: str
    cools: bool
    nested: Values
    fitted: Fitted | None = None
    degrees: Weights | None = None
    target: Target | None = None
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """The combiner's, with ``+temperature`` where members are cooled first."""
        return self.combiner + WITH_TEMPERATURE * self.cools

    def __call__(self, stacked: Values) -> Values:
        """Combines members by the fit on all rows."""
        if self.fitted is None:
            raise RuntimeError(f"{self.name} was not fitted on all rows")
        if self.degrees is None or self.target is None:
            return self.fitted(stacked)
        return self.fitted(apply_temperatures(stacked, self.degrees, self.target))


def assign_parts(folds: Labels, groups: Labels, truth: Truth, target: Target) -> Labels:
    """Returns the parts that are left out in turn: the folds; of a single one, five parts of whole groups.

    Groups are dealt round class by class, so that each part has its share of every class.
    """
    if len(np.unique(folds)) > 1:
        return folds
    first, group = np.unique(groups, return_index=True, return_inverse=True)[1:]
    if isinstance(target, OneClass):
        kinds = target.index_labels(truth)[first]
    else:
        kinds = np.unique(target.make_strata(truth[first]), axis=0, return_inverse=True)[1].reshape(-1)
    dealt = np.empty(len(first), dtype=np.int64)
    dealt[np.argsort(kinds, kind="stable")] = np.arange(len(first)) % PARTS
    return dealt[group]


def score_candidates(
    sample: OofRows, names: Sequence[str], cooling: Sequence[bool], groups: Labels | None = None
) -> tuple[list[Candidate], dict[str, str]]:
    """Fits every combiner on all parts but one, for each part, and on all rows.

    Args:
        sample: the members; its ``folds`` are the parts left out in turn.
        names: of combiners.
        cooling: whether members are tried as they are (False), with temperatures (True), or both.
        groups: (n_samples,) rows of one group belong together; each row by itself if absent.

    Returns:
        the candidates, in the order of `COMBINERS`, and why others were not tried, or not to the end, by name.
    """
    reasons = {name: reason for name in names if (reason := explain_skip(name, sample)) is not None}
    if len(np.unique(sample.folds)) < 2:
        reasons |= {name: "nothing to leave out: the scored rows are one group" for name in names if name != "mean"}
        return [_only_mean(sample)], reasons
    tried = [name for name in COMBINERS if name in names and name not in reasons]
    if not tried and len(sample.stacked) == 1:
        tried = ["mean"]
    if not tried:
        tried_not = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise InputError(f"params.yaml: ensemble.combiners leaves nothing to try ({tried_not}); add mean")
    scales = SCALE_MATTERS if any(each.activation != "linear" for _, each, _, _ in sample.target.each()) else ()
    pairs = [(name, cools) for name in tried for cools in cooling if not cools or name in scales]
    pairs += [(name, False) for name in tried if name not in scales and False not in cooling]
    pairs.sort(key=lambda pair: (tried.index(pair[0]), pair[1]))
    candidates = [Candidate(name, cools, np.empty(sample.stacked.shape[1:], np.float32)) for name, cools in pairs]
    parts = np.unique(sample.folds)
    with track_progress("combiners: fits", len(candidates) * (len(parts) + 1)) as advance:
        for number, part in enumerate(parts):
            held = sample.folds == part
            _fit(candidates, sample.where(~held), sample.stacked[:, held], held, advance)
            if number == 0 and (lagging := _find_lagging(candidates, sample, held, groups)):
                reasons |= lagging
                advance(len(parts) * len(lagging))
                candidates = [each for each in candidates if each.name not in lagging]
        _fit(candidates, sample, None, None, advance)
    return candidates, reasons


def _find_lagging(
    candidates: list[Candidate], sample: OofRows, held: NDArray[np.bool_], groups: Labels | None
) -> dict[str, str]:
    """Finds costly candidates that are far behind on the first part, and says so, by name: the others end their race.

    Far behind is two standard errors of the paired difference by the metric, or any difference by the metric together
    with three by the loss, which they minimise; of means over groups. A metric that is no mean over rows gives no such
    error, nor does a single group: they end none.

    The first part is judged without them, too, though its own labels say so: to keep its choice free of them they would
    have to be fitted to all others, which is what this spares.
    """
    others = [each for each in candidates if each.combiner not in COSTLY]
    group = np.unique(np.flatnonzero(held) if groups is None else groups[held], return_inverse=True)[1]
    if sample.metric.rows is None or not others or len(others) == len(candidates) or not group.any():
        return {}
    sign, truth = 1 if sample.metric.greater_is_better else -1, sample.truth[held]
    gains = {each.name: sign * sample.metric.rows(truth, each.nested[held]) for each in candidates}
    losses = {each.name: sample.target.measure_losses(truth, each.nested[held]) for each in candidates}
    best = max(others, key=lambda each: gains[each.name].mean()).name
    surest = min(others, key=lambda each: losses[each.name].mean()).name
    found = {}
    for each in candidates:
        if each.combiner in COSTLY:
            behind, dearer = gains[best] - gains[each.name], losses[each.name] - losses[surest]
            error, loss_error = error_of_mean(behind, group), error_of_mean(dearer, group)
            if behind.mean() > 2 * error or (behind.mean() > 0 and dearer.mean() > 3 * loss_error):
                worse = f"its {sample.metric.name} was {behind.mean():.4f} worse than that of {best}"
                found[each.name] = f"to the end: on the first part {worse}"
    return found


def _only_mean(sample: OofRows) -> Candidate:
    fitted = COMBINERS["mean"](sample)
    return Candidate("mean", False, fitted(sample.stacked), fitted)


def _fit(
    candidates: list[Candidate],
    sample: OofRows,
    unseen: Values | None,
    held: NDArray[np.bool_] | None,
    advance: Callable[[int], None],
) -> None:
    """Fits all candidates on a sample; predicts ``unseen`` into the rows ``held``, or keeps the fits."""
    begun = time.perf_counter()
    cool, target = any(candidate.cools for candidate in candidates), sample.target
    degrees = fit_temperatures(sample.truth, sample.stacked, target) if cool else None
    cooled = sample if degrees is None else replace(sample, stacked=apply_temperatures(sample.stacked, degrees, target))
    cold = apply_temperatures(unseen, degrees, target) if unseen is not None and degrees is not None else unseen
    shared = time.perf_counter() - begun
    for candidate in candidates:
        begun = time.perf_counter()
        fitted = COMBINERS[candidate.combiner](cooled if candidate.cools else sample)
        if unseen is not None and cold is not None:
            candidate.nested[held] = fitted(cold if candidate.cools else unseen)
        else:
            candidate.fitted, candidate.degrees = fitted, degrees if candidate.cools else None
            candidate.target = target
        candidate.seconds += time.perf_counter() - begun + shared * candidate.cools
        advance(1)


@dataclass(frozen=True)
class Choice:
    """Which candidate is used, and what that choice is worth.

    Attributes:
        index: the candidate that all rows choose.
        by_part: the candidate that the other parts choose, by part.
        standing: scores of all candidates.
        nested: float32 (n_samples, n_columns), each part by the candidate that the others chose.
        finished: the same of what becomes of candidates at the end, where that decided; None where it did not.
    """

    index: int
    by_part: dict[int, int]
    standing: Standing
    nested: Values
    finished: Values | None = None


def choose_candidate(
    candidates: Sequence[Candidate], sample: OofRows, groups: Labels, finished: Sequence[Values] | None = None
) -> Choice:
    """Takes the simplest candidate whose nested score is within one standard error of the best.

    The error is that of the paired difference, so that a candidate clearly better on the same rows is seen to be. Of
    metrics that are no mean over rows, such as AUC, parts cannot come from different candidates: on their different
    scales they would not compare. There every part comes from the one that all rows chose.

    Args:
        candidates: the simplest first.
        sample: what they were judged on.
        groups: (n_samples,) rows of one group belong together.
        finished: what will become of each candidate's predictions at the end, where that is to decide; their own nested
            predictions if absent.
    """
    predictions = [candidate.nested for candidate in candidates]
    compared = predictions if finished is None else finished
    whole = measure_standing(LabelledRows(sample.truth, groups), compared, sample.metric, sample.seed)
    by_part, nested, end = {}, predictions[whole.simplest].copy(), compared[whole.simplest].copy()
    for part in np.unique(sample.folds).tolist():
        by_part[part] = whole.simplest
        if sample.metric.rows is None:
            continue
        held = sample.folds == part
        others = [probs[~held] for probs in compared]
        kept = LabelledRows(sample.truth[~held], groups[~held])
        chosen = measure_standing(kept, others, sample.metric, sample.seed).simplest
        by_part[part] = chosen
        nested[held], end[held] = predictions[chosen][held], compared[chosen][held]
    return Choice(whole.simplest, by_part, whole, nested, None if finished is None else end)
