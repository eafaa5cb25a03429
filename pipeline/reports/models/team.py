"""The sections of the ensemble: what members have in common, what each adds, how far probabilities can be believed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.ensemble.calibration import reliability
from pipeline.ensemble.members import Similarity, similarity
from pipeline.page.blocks import render_details, render_note, render_paragraph, render_warning
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import render_side_by_side
from pipeline.page.table import Column, FormattedNumber, render_table
from pipeline.reports.models import charts
from pipeline.reports.models.adding import Added, added
from pipeline.reports.models.material import Material

_CURVES = 4
_RIGHT, _NEARLY = 0.02, 0.05


def members(material: Material) -> Part:
    """Says which members say the same, and what each adds."""
    if len(material.members.names) < 2:
        return Part(PageSection("Members", [render_paragraph("There is one model, so nothing to combine.")]))
    alike, gains = similarity(material.members), added(material)
    findings = [f"{one} and {two} are the same predictions: take one of them out." for one, two in alike.same]
    blocks: list[Html] = [render_paragraph(*_sentences(material, alike, gains)), *map(render_warning, findings)]
    blocks += [_table(material, alike, gains), *_gains(material, gains), *_matrices(material, alike)]
    told = [
        {"member": each.member, "adds": each.gain.value, "low": each.gain.low, "high": each.gain.high} for each in gains
    ]
    return Part(PageSection("Members", blocks), {}, {"members": pd.DataFrame(told)} if told else {}, tuple(findings))


def _gains(material: Material, gains: Sequence[Added]) -> list[Html]:
    if not gains:
        return []
    ordered = sorted(gains, key=lambda each: -each.gain.value)
    told = [(each.member, each.gain.value, each.gain.low, each.gain.high) for each in ordered]
    about = "; ".join(f"{name} {value:+.4f} [{low:+.4f}, {high:+.4f}]" for name, value, low, high in told)
    label = f"{material.metric.name} lost without it, 95% interval"
    words = render_note(
        "Without it: the nested score of the ensemble's own combiner with all members, less that without this one; "
        "paired bootstrap. The last temperature and thresholds are left out on both sides."
    )
    return [charts.intervals(told, label, "What each member adds", about, zero=True), words]


def _sentences(material: Material, alike: Similarity, gains: Sequence[Added]) -> list[str]:
    names = material.members.names
    upper = np.triu_indices(len(names), k=1)
    nearest = int(np.argmax(alike.correlation[upper]))
    one, two = names[upper[0][nearest]], names[upper[1][nearest]]
    told = [
        f"Members disagree on {alike.disagreement[upper].mean():.0%} of images on average; most alike are {one} and "
        f"{two} (correlation {alike.correlation[upper][nearest]:.2f})."
    ]
    card = material.ensemble_card
    if card is not None:
        told.append(f"They are combined by {card.combiner}.")
    if gains:
        most = max(gains, key=lambda each: each.gain.value)
        idle = [each.member for each in gains if each.gain.low <= 0]
        told.append(f"{most.member} adds most: {most.gain.value:+.4f} {material.metric.name}.")
        told.append(
            f"Not surely useful: {', '.join(idle)}."
            if idle
            else "Without any one of them the ensemble is surely worse."
        )
    return told


def _table(material: Material, alike: Similarity, gains: Sequence[Added]) -> Html:
    card, metric = material.ensemble_card, material.metric
    weights = card.weights if card else {}
    adds = {each.member: each.gain for each in gains}
    columns = [Column("member"), Column("alone", ".4f"), Column("weight", ".2f")]
    columns += [Column("adds [95%]", "+.4f"), Column("most alike"), Column("disagrees", ".1%")]
    rows = []
    for model in material.models:
        place = material.members.names.index(model.name)
        others = [other for other in range(len(material.members.names)) if other != place]
        nearest = max(others, key=lambda other: alike.correlation[place, other])
        gain = adds.get(model.name)
        rows.append(
            (
                model.name,
                metric.score(material.labels, model.probs),
                weights.get(model.name),
                FormattedNumber(gain.value, f"{gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]") if gain else None,
                f"{material.members.names[nearest]}, r {alike.correlation[place, nearest]:.2f}",
                float(alike.disagreement[place, others].mean()),
            )
        )
    return render_table(f"Members of the ensemble, {metric.name}", columns, rows)


def _matrices(material: Material, alike: Similarity) -> list[Html]:
    names = material.members.names
    if len(names) > charts.MOST:
        return [render_note(f"{len(names)} members: too many for the matrices of correlation and disagreement.")]
    made = []
    for values, name, about in (
        (alike.correlation, "Correlation of members' probabilities", "1 is the same prediction"),
        (alike.disagreement, "Share of images on which members disagree", "0 is the same class everywhere"),
    ):
        texts = [[f"{value:.2f}" for value in row] for row in values.tolist()]
        made.append(charts.matrix(np.clip(values, 0, 1), texts, names, name, about, truth=False))
    return [render_details("Correlation and disagreement of every pair", render_side_by_side(made))]


def calibration(material: Material) -> Part:
    """Says whether probabilities can be taken at their word, and draws reliability."""
    found = [(model.name, reliability(material.labels, model.probs)) for model in material.everyone]
    (name, bins), probs = found[0], material.judged.probs
    leaning = float(probs.max(axis=1).mean() - (probs.argmax(axis=1) == material.labels).mean())
    words = "can be taken at its word" if bins.error <= _RIGHT else "is nearly right"
    told = f"{name} {words if bins.error <= _NEARLY else 'cannot be taken at its word'}: its confidence is off by "
    told += f"{bins.error:.3f} on average (expected calibration error)"
    side = f"on the whole it is too {'sure of itself' if leaning > 0 else 'cautious'} by {abs(leaning):.3f}."
    about = "; ".join(
        f"{each} has an expected calibration error of {value.error:.3f}" for each, value in found[:_CURVES]
    )
    rule = render_note(
        "On the dotted line confidence is accuracy; below it a model is too sure of itself. 15 bins of equal width. "
        f"Up to {_RIGHT} counts as right, up to {_NEARLY} as nearly right."
    )
    drawn = charts.reliabilities(found[:_CURVES], "Accuracy by confidence", about)
    findings = (f"{told}.",) if bins.error > _NEARLY else ()
    return Part(
        PageSection("Calibration", [render_paragraph(f"{told};", side), drawn, rule]),
        {"error": bins.error},
        {},
        findings,
    )
