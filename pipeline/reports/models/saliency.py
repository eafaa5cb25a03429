"""Saliency: the section about the image regions that each model uses, subject or background."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.inference.saliency.heat import overlay_heat
from pipeline.page.blocks import render_details, render_heading, render_note, render_paragraph, render_warning
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import Picture, render_picture_group, render_side_by_side
from pipeline.page.table import Column, FormattedNumber, render_table
from pipeline.reports.models.evaluation_data import EvaluationData
from pipeline.reports.models.heat_maps import BOX, EVEN, MOST_CLASSES, HeatExample, ModelHeat, compute_heat_maps

_OPEN = 4  # classes shown without a click
_WIDTH = 78  # four fit on a phone, also folded in: heat stays beside its picture
RULE = (
    f"The box is the middle {BOX:.0%} of each side; heat spread evenly has {EVEN:.0%} inside. A model "
    "is a finding if the whole 95% interval of its mean share is more than one point below that. Shares are of a "
    "random sample with the same number of images of each class, for the predicted class; the pictures are the most "
    "confident correct and wrong ones of each class, the classes with the lowest F1 first. Each is explained by the "
    "fold's model that was not trained on it."
)


def show_saliency(data: EvaluationData, weights: Path) -> Part:
    """Shows the heat maps of all models, with a finding for each that uses the image borders.

    Args:
        data: predictions of all models, with the truth.
        weights: folder of pretrained weights.
    """
    heat_maps, unexplained = compute_heat_maps(data, weights)
    findings = [
        f"{each.model} uses the image borders: {each.mean:.0%} of its heat is in the central box, less than for an "
        f"even spread ({EVEN:.0%})."
        for each in heat_maps
        if each.at_borders
    ]
    blocks: list[Html] = [render_paragraph(*_describe_shares(heat_maps))]
    blocks += [render_warning(finding, "It may have learned the background.") for finding in findings]
    if heat_maps:
        blocks += [_render_table(data, heat_maps), render_note(RULE)]
    if unexplained:
        blocks.append(render_note(f"No heat maps, without convolutions or attention: {', '.join(unexplained)}."))
    for each in heat_maps:
        blocks += _render_examples(data, each)
    # One number for `dvc metrics`, whose table gets a column for each; the CSV has every model.
    shares = [each.mean for each in heat_maps if np.isfinite(each.mean)]
    numbers = {"least_central": min(shares)} if shares else {}
    section = PageSection("Saliency", blocks, "where-models-look")
    return Part(section, numbers, _build_frames(heat_maps), tuple(findings))


def _build_frames(heat_maps: Sequence[ModelHeat]) -> dict[str, pd.DataFrame]:
    rows = [
        {
            "model": each.model,
            "method": each.method,
            "central_share": each.mean,
            "low": each.interval[0],
            "high": each.interval[1],
            "images": int(np.isfinite(each.shares).sum()),
        }
        for each in heat_maps
    ]
    return {"heat": pd.DataFrame(rows)} if rows else {}


def _describe_shares(heat_maps: Sequence[ModelHeat]) -> list[str]:
    if not heat_maps:
        return ["None of these models has convolutions or attention, which heat maps need."]
    known = [each for each in heat_maps if np.isfinite(each.mean)]
    if not known:
        return ["No image has any heat: no region contributes to the predicted class."]
    most, least = max(known, key=lambda each: each.mean), min(known, key=lambda each: each.mean)
    sentence = f"{most.model} has {most.mean:.0%} of its heat in the central box, which is {EVEN:.0%} of the image area"
    return [sentence + (f"; {least.model} least with {least.mean:.0%}." if len(known) > 1 else ".")]


def _render_table(data: EvaluationData, heat_maps: Sequence[ModelHeat]) -> Html:
    columns = [
        Column("model"),
        Column("method"),
        Column("heat in the central box", ".1%"),
        Column("images", ",d"),
        Column("least central classes"),
    ]
    rows = []
    for each in heat_maps:
        low, high = each.interval
        share = (
            FormattedNumber(each.mean, f"{each.mean:.1%} [{low:.1%}, {high:.1%}]") if np.isfinite(each.mean) else None
        )
        images = int(np.isfinite(each.shares).sum())
        rows.append((each.model, each.method, share, images, _list_least_central(data, each)))
    return render_table("Heat inside the central box", columns, rows)


def _list_least_central(data: EvaluationData, model_heat: ModelHeat) -> str:
    """The three classes with the lowest mean share."""
    labels = model_heat.labels
    known = np.isfinite(model_heat.shares) & (labels >= 0)
    means = {
        int(label): float(model_heat.shares[known & (labels == label)].mean()) for label in np.unique(labels[known])
    }
    lowest = sorted(means, key=lambda label: means[label])[:3]
    return ", ".join(f"{data.names[label]} {means[label]:.0%}" for label in lowest)


def _render_examples(data: EvaluationData, model_heat: ModelHeat) -> list[Html]:
    labels = list(dict.fromkeys(example.label for example in model_heat.examples))
    groups = [_render_class(data, model_heat, label) for label in labels]
    blocks = [render_heading(f"{model_heat.model}: {model_heat.method}")]
    if len(data.names) > MOST_CLASSES:
        blocks.append(render_note(f"The {len(labels)} classes of {len(data.names):,} with the lowest F1."))
    blocks.append(render_side_by_side(groups[:_OPEN]))
    if groups[_OPEN:]:
        blocks.append(
            render_details(
                f"{len(groups) - _OPEN} more classes by {model_heat.model}", render_side_by_side(groups[_OPEN:])
            )
        )
    return blocks


def _render_class(data: EvaluationData, model_heat: ModelHeat, label: int) -> Html:
    pictures = [picture for one in model_heat.examples if one.label == label for picture in _render_example(data, one)]
    return render_picture_group(data.names[label], pictures, width=_WIDTH)


def _render_example(data: EvaluationData, example: HeatExample) -> list[Picture]:
    """Returns the image, and the image with its heat map."""
    image, name = data.image(example.row), data.ids[example.row]
    label, predicted = data.names[example.label], data.names[example.predicted]
    words = f"{'right' if example.predicted == example.label else predicted}, {example.confidence:.0%}"
    about = f"{label} {name}, predicted {predicted}"
    return [Picture(image, about, words), Picture(overlay_heat(image, example.heat), f"heat on {about}", "heat")]
