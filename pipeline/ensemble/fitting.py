"""An ensemble: its candidates, the one in use, post-processing, and their fields in the card."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import field_validator

from pipeline.core.arrays import Values
from pipeline.core.bounds import AllNames
from pipeline.core.candidate_cards import CandidateCard, GainCard, ReliabilityCard
from pipeline.core.config import Section
from pipeline.core.errors import near_names
from pipeline.core.measures.metric import Metric
from pipeline.core.paired import Gain, measure_gain
from pipeline.core.scores import LabelledRows
from pipeline.ensemble.calibration import Reliability
from pipeline.ensemble.combiners.catalogue import COMBINERS, is_loss
from pipeline.ensemble.combiners.contract import OofRows
from pipeline.ensemble.combiners.means import find_best_member
from pipeline.ensemble.members import Members
from pipeline.ensemble.nested import Candidate, Choice, assign_parts, choose_candidate, score_candidates
from pipeline.ensemble.post_processing import (
    Allowed,
    NestedPredictions,
    PostProcessing,
    cross_fit_temperature,
    fit_post_processing,
)

_COOLING = {"auto": (False, True), "always": (True,), "never": (False,)}


class EnsembleParams(Section):
    """The ``ensemble`` section of ``params.yaml``.

    Attributes:
        combiners: which are tried, or ``all``. With several the nested score chooses.
        temperature: whether members are divided by their temperatures first; ``auto`` tries both.
        decision: ``auto`` tries thresholds by class for metrics that argmax does not maximise, also of single models.
        external: members made elsewhere, as `python -m pipeline add-member` named them.
        allow_peeked: whether members are taken whose score is optimistic, or may be.
    """

    combiners: AllNames = None
    temperature: Literal["auto", "always", "never"] = "auto"
    decision: Literal["auto", "argmax"] = "auto"
    external: tuple[str, ...] = ()
    allow_peeked: bool = False

    @field_validator("combiners")
    @classmethod
    def _known(cls, combiners: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in combiners or ():
            if name not in COMBINERS:
                raise ValueError(f"combiner {name!r} is unknown; {near_names(name, COMBINERS)}")
        if combiners is not None and not combiners:
            raise ValueError("give at least one combiner, or all")
        return combiners


@dataclass(frozen=True)
class Ensemble:
    """What was fitted and chosen.

    Attributes:
        members: what was combined.
        sample: the same with the truth, as combiners take it.
        candidates: all that were judged, the simplest first.
        skipped: why others were not, by name.
        choice: which of them is used.
        post_processing: what is done to the combination at the end.
        best: name of the best single member.
        gain: how much better than that the ensemble is.
    """

    members: Members
    sample: OofRows
    candidates: list[Candidate]
    skipped: dict[str, str]
    choice: Choice
    post_processing: PostProcessing
    best: str
    gain: Gain

    @property
    def chosen(self) -> Candidate:
        """The candidate in use."""
        return self.candidates[self.choice.index]

    @property
    def nested(self) -> Values:
        """(n_samples, n_columns): each row predicted by what did not see its fold."""
        return self.post_processing.nested

    def __call__(self, stacked: Values) -> Values:
        """Combines any rows of the members, (n_members, n_samples, n_columns), by what was fitted on all."""
        return self.post_processing(self.chosen(stacked))


def fit_ensemble(
    members: Members, metric: Metric, params: EnsembleParams, seed: int = 0, new: str | None = None
) -> Ensemble:
    """Scores all candidates by nested predictions, chooses one, and fits its post-processing.

    ``new`` names the class that stands for "none of the others" in ranked lists.
    """
    truth, target = members.truth, members.target
    groups = members.rows["group"].to_numpy(dtype=np.int64)
    parts = assign_parts(members.rows["fold"].to_numpy(dtype=np.int64), groups, truth, target)
    rows = LabelledRows(truth, groups)
    sample = OofRows(members.stacked, truth, parts, metric, target, seed)
    cooling = _COOLING[params.temperature]
    candidates, skipped = score_candidates(sample, params.combiners or tuple(COMBINERS), cooling, groups)
    several = len(np.unique(parts)) > 1
    allowed = Allowed(several and params.temperature != "never", several and params.decision == "auto", new)
    # By the loss a temperature at the end changes who is best: averages, too cautious as they come, gain most.
    finished = None
    if allowed.temperature and is_loss(metric, target):
        finished = [cross_fit_temperature(truth, parts, each.nested, target) for each in candidates]
    choice = choose_candidate(candidates, sample, groups, finished)
    nested = NestedPredictions(choice.nested, target, candidates[choice.index].nested, choice.finished)
    end = fit_post_processing(rows, parts, nested, metric, allowed)
    best = find_best_member(sample)
    better = measure_gain(rows, end.nested, members.stacked[best], metric, seed)
    return Ensemble(members, sample, candidates, skipped, choice, end, members.names[best], better)


def fit_rule_alone(members: Members, metric: Metric, params: EnsembleParams, new: str | None = None) -> PostProcessing:
    """Fits the decision rule of one member by itself, as at the end of an ensemble, without a temperature.

    Args:
        members: one alone.
        metric: the competition's.
        params: ``decision`` says whether a rule is tried.
        new: the class that stands for "none of the others" in ranked lists, if there is one.
    """
    truth, groups = members.truth, members.rows["group"].to_numpy(dtype=np.int64)
    parts = assign_parts(members.rows["fold"].to_numpy(dtype=np.int64), groups, truth, members.target)
    nested = NestedPredictions(members.stacked[0], members.target)
    tried = params.decision == "auto" and len(np.unique(parts)) > 1
    allowed = Allowed(temperature=False, decision=tried, new=new)
    return fit_post_processing(LabelledRows(truth, groups), parts, nested, metric, allowed)


def make_candidate_cards(ensemble: Ensemble) -> tuple[CandidateCard, ...]:
    """Makes the part of the card about the candidates."""
    names, sample, standing = ensemble.members.names, ensemble.sample, ensemble.choice.standing
    classes = sample.target.columns
    made = []
    for number, candidate in enumerate(ensemble.candidates):
        weights, by_class = _weights(candidate, names, classes)
        degrees = [] if candidate.degrees is None else candidate.degrees.tolist()
        card = CandidateCard(
            name=candidate.name,
            in_sample=sample.metric.score(sample.truth, candidate(sample.stacked)),
            nested=float(standing.scores[number]),
            error=float(standing.errors[number]),
            behind=float(standing.behind[number]),
            behind_error=float(standing.behind_errors[number]),
            weights=weights,
            class_weights=by_class,
            temperatures=dict(zip(names, degrees, strict=True)) if degrees else {},
            seconds=candidate.seconds,
        )
        made.append(card)
    return tuple(made)


def make_card_fields(ensemble: Ensemble) -> dict[str, object]:
    """Makes the fields of the ensemble's card that are not scores."""
    finished, better, sample = ensemble.post_processing, ensemble.gain, ensemble.sample
    each = zip(ensemble.members.names, ensemble.members.stacked, strict=True)
    decision = finished.decision
    return {
        "combiner": ensemble.chosen.name,
        "members": ensemble.members.names,
        "alone": {name: sample.metric.score(sample.truth, values) for name, values in each},
        "weights": _weights(ensemble.chosen, ensemble.members.names, sample.target.columns)[0],
        "candidates": make_candidate_cards(ensemble),
        "skipped": ensemble.skipped,
        "by_fold": {str(part): ensemble.candidates[index].name for part, index in ensemble.choice.by_part.items()},
        "gain": GainCard(member=ensemble.best, value=better.value, interval=(better.low, better.high)),
        "temperature": finished.temperature,
        "decision": {} if decision is None else decision.name_numbers(),
        **({} if decision is None else {"rule": decision.rule}),
        "before": _reliability(finished.before),
        "after": _reliability(finished.after),
        "peeked": ensemble.members.peeked,
    }


def _weights(
    candidate: Candidate, names: tuple[str, ...], classes: tuple[str, ...]
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Returns one weight per member, and one per member and class where there are such."""
    weights = candidate.fitted.weights if candidate.fitted else None
    if weights is None:
        return {}, {}
    if weights.ndim == 1:
        return dict(zip(names, weights.tolist(), strict=True)), {}
    by_class = {name: dict(zip(classes, row.tolist(), strict=True)) for name, row in zip(names, weights, strict=True)}
    return dict(zip(names, weights.mean(axis=1).tolist(), strict=True)), by_class


def _reliability(reliability: Reliability) -> ReliabilityCard:
    return ReliabilityCard(**vars(reliability), error=reliability.error)
