"""Ensemble: the sections about the similarity of its members, the gain by each, and calibration."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipeline.core.paired import Gain, measure_gain
from pipeline.core.scores import LabelledRows
from pipeline.ensemble.calibration import measure_reliability
from pipeline.ensemble.combiners.contract import OofRows
from pipeline.ensemble.members import Similarity, compare_members
from pipeline.ensemble.nested import WITH_TEMPERATURE, assign_parts, score_candidates
from pipeline.page.blocks import render_details, render_note, render_paragraph, render_warning
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import render_side_by_side
from pipeline.page.table import Column, FormattedNumber, render_table
from pipeline.reports.models import charts
from pipeline.reports.models.evaluation_data import EvaluationData

_CURVES = 4
_RIGHT, _NEARLY = 0.02, 0.05


@dataclass(frozen=True)
class MemberGain:
    """Loss of the ensemble without a member, positive where it gets worse; paired, on the same rows."""

    member: str
    gain: Gain


def show_members(data: EvaluationData) -> Part:
    """Shows how similar the members are, and what each adds."""
    if len(data.members.names) < 2:
        return Part(PageSection("Members", [render_paragraph("There is only one model, so nothing is combined.")]))
    similarities, gains = compare_members(data.members), compute_member_gains(data)
    findings = [f"{one} and {two} have the same predictions: remove one of them." for one, two in similarities.same]
    blocks: list[Html] = [
        render_paragraph(*_describe_members(data, similarities, gains)),
        *map(render_warning, findings),
    ]
    blocks += [
        _render_table(data, similarities, gains),
        *_render_gains(data, gains),
        *_render_matrices(data, similarities),
    ]
    records = [
        {"member": each.member, "adds": each.gain.value, "low": each.gain.low, "high": each.gain.high} for each in gains
    ]
    return Part(
        PageSection("Members", blocks), {}, {"members": pd.DataFrame(records)} if records else {}, tuple(findings)
    )


def _render_gains(data: EvaluationData, gains: Sequence[MemberGain]) -> list[Html]:
    if not gains:
        return []
    ordered = sorted(gains, key=lambda each: -each.gain.value)
    lines = [(each.member, each.gain.value, each.gain.low, each.gain.high) for each in ordered]
    about = "; ".join(f"{name} {value:+.4f} [{low:+.4f}, {high:+.4f}]" for name, value, low, high in lines)
    label = f"{data.metric.name} lost without it, 95% interval"
    words = render_note(
        "Without it: the nested score of the ensemble's own combiner with all members, less that without this one; "
        "paired bootstrap. The last temperature and thresholds are left out on both sides."
    )
    return [charts.draw_intervals(lines, label, "What each member adds", about, zero=True), words]


def _describe_members(data: EvaluationData, similarities: Similarity, gains: Sequence[MemberGain]) -> list[str]:
    names = data.members.names
    upper = np.triu_indices(len(names), k=1)
    nearest = int(np.argmax(similarities.correlation[upper]))
    one, two = names[upper[0][nearest]], names[upper[1][nearest]]
    sentences = [
        f"Members disagree on {similarities.disagreement[upper].mean():.0%} of images on average; the most similar are "
        f"{one} and {two} (correlation {similarities.correlation[upper][nearest]:.2f})."
    ]
    card = data.ensemble_card
    if card is not None:
        sentences.append(f"They are combined by {card.combiner}.")
    if gains:
        most = max(gains, key=lambda each: each.gain.value)
        idle = [each.member for each in gains if each.gain.low <= 0]
        sentences.append(f"{most.member} adds most: {most.gain.value:+.4f} {data.metric.name}.")
        sentences.append(
            f"Without significant gain: {', '.join(idle)}."
            if idle
            else "Each of them improves the ensemble significantly."
        )
    return sentences


def _render_table(data: EvaluationData, similarities: Similarity, gains: Sequence[MemberGain]) -> Html:
    card, metric = data.ensemble_card, data.metric
    weights = card.weights if card else {}
    adds = {each.member: each.gain for each in gains}
    columns = [Column("member"), Column("alone", ".4f"), Column("weight", ".2f")]
    columns += [Column("adds [95%]", "+.4f"), Column("most alike"), Column("disagrees", ".1%")]
    rows = []
    for model in data.models:
        place = data.members.names.index(model.name)
        others = [other for other in range(len(data.members.names)) if other != place]
        nearest = max(others, key=lambda other: similarities.correlation[place, other])
        gain = adds.get(model.name)
        rows.append(
            (
                model.name,
                metric.score(data.labels, model.probs),
                weights.get(model.name),
                FormattedNumber(gain.value, f"{gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]") if gain else None,
                f"{data.members.names[nearest]}, r {similarities.correlation[place, nearest]:.2f}",
                float(similarities.disagreement[place, others].mean()),
            )
        )
    return render_table(f"Members of the ensemble, {metric.name}", columns, rows)


def _render_matrices(data: EvaluationData, similarities: Similarity) -> list[Html]:
    names = data.members.names
    if len(names) > charts.MOST:
        return [render_note(f"{len(names)} members: too many for the matrices of correlation and disagreement.")]
    matrices = []
    for values, name, about in (
        (similarities.correlation, "Correlation of members' probabilities", "1 is the same prediction"),
        (similarities.disagreement, "Share of images on which members disagree", "0 is the same class everywhere"),
    ):
        texts = [[f"{value:.2f}" for value in row] for row in values.tolist()]
        matrices.append(charts.draw_matrix(np.clip(values, 0, 1), texts, names, name, about, truth=False))
    return [render_details("Correlation and disagreement of every pair", render_side_by_side(matrices))]


def compute_member_gains(data: EvaluationData) -> tuple[MemberGain, ...]:
    """Leaves out each member in turn; returns nothing for one member, or without an ensemble.

    The combiner is the one that the ensemble uses, fitted on the other folds each time; the choice among combiners,
    the last temperature and thresholds are left out on both sides, as they would cost a whole ensemble per member.
    """
    card, members = data.ensemble_card, data.members
    if card is None or len(members.names) < 2:
        return ()
    parts = assign_parts(data.folds, data.groups, members.truth, members.target)
    sample = OofRows(members.stacked, members.truth, parts, data.metric, members.target)
    name, cools = card.combiner.removesuffix(WITH_TEMPERATURE), card.combiner.endswith(WITH_TEMPERATURE)
    whole = _score_nested(sample, name, cools)
    gains = []
    for number, member in enumerate(members.names):
        less = _score_nested(replace(sample, stacked=np.delete(members.stacked, number, axis=0)), name, cools)
        better = measure_gain(LabelledRows(data.labels, data.groups), whole, less, data.metric)
        gains.append(MemberGain(member, better))
    return tuple(gains)


def _score_nested(sample: OofRows, combiner: str, cools: bool) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    candidates, _ = score_candidates(sample, (combiner,), (cools,))
    return candidates[0].nested


def show_calibration(data: EvaluationData) -> Part:
    """Shows the expected calibration error, and a reliability diagram."""
    models = [(model.name, measure_reliability(data.labels, model.probs, data.target)) for model in data.everyone]
    name, bins = models[0]
    if not bins.rows:
        return Part(PageSection("Calibration", [render_paragraph("Numbers have no confidence to calibrate.")]))
    shares = np.asarray(bins.rows) / sum(bins.rows)
    overconfidence = float(shares @ np.subtract(bins.confidence, bins.accuracy))
    words = "is well calibrated" if bins.error <= _RIGHT else "is nearly calibrated"
    sentence = f"{name} {words if bins.error <= _NEARLY else 'is poorly calibrated'}: its confidence deviates by "
    sentence += f"{bins.error:.3f} on average (expected calibration error)"
    side = f"overall it is {'overconfident' if overconfidence > 0 else 'underconfident'} by {abs(overconfidence):.3f}."
    about = "; ".join(
        f"{each} has an expected calibration error of {value.error:.3f}" for each, value in models[:_CURVES]
    )
    rule = render_note(
        "On the dotted line confidence is accuracy; below it a model is overconfident. 15 bins of equal width. "
        f"Up to {_RIGHT} counts as well calibrated, up to {_NEARLY} as nearly calibrated."
    )
    diagram = charts.draw_reliability(models[:_CURVES], "Accuracy by confidence", about)
    findings = (f"{sentence}.",) if bins.error > _NEARLY else ()
    return Part(
        PageSection("Calibration", [render_paragraph(f"{sentence};", side), diagram, rule]),
        {"error": bins.error},
        {},
        findings,
    )
