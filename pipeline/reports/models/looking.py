"""The section of heat: where each model looks, and whether that is the subject or its surroundings."""

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
from pipeline.reports.models.attention import BOX, EVEN, MOST_CLASSES, Looked, Shown, look
from pipeline.reports.models.material import Material

_OPEN = 4  # classes shown unasked
_WIDTH = 78  # four fit on a phone, also folded in: heat stays beside its picture
RULE = (
    f"The box is the middle {BOX:.0%} of each side; heat spread evenly has {EVEN:.0%} inside. A model is warned of "
    "when the whole 95% interval of its mean share lies more than a point below that. Shares are of a random sample, "
    "the same number of images from each class, asked about the class that the model takes them for; the pictures are "
    "the surest right and wrong one of each class, its worst classes first. Each is looked at by the fold's model that "
    "did not see it."
)


def heat(material: Material, weights: Path) -> Part:
    """Says where models look, warns of those that look at the borders, and shows their heat.

    Args:
        material: of the report.
        weights: folder of pretrained weights.
    """
    looked, blind = look(material, weights)
    findings = [
        f"{each.model} looks at the borders: {each.mean:.0%} of its heat lies in the central box, less than an even "
        f"spread would have there ({EVEN:.0%})."
        for each in looked
        if each.at_borders
    ]
    blocks: list[Html] = [render_paragraph(*_sentences(looked))]
    blocks += [render_warning(told, "It may have learned the background: look at the pictures.") for told in findings]
    if looked:
        blocks += [_table(material, looked), render_note(RULE)]
    if blind:
        blocks.append(render_note(f"No convolution and no attention to ask, so no heat: {', '.join(blind)}."))
    for each in looked:
        blocks += _pictures(material, each)
    # One number for `dvc metrics`, whose table gets a column for each; the CSV has every model.
    shares = [each.mean for each in looked if np.isfinite(each.mean)]
    numbers = {"least_central": min(shares)} if shares else {}
    return Part(PageSection("Where models look", blocks), numbers, _frames(looked), tuple(findings))


def _frames(looked: Sequence[Looked]) -> dict[str, pd.DataFrame]:
    rows = [
        {
            "model": each.model,
            "method": each.method,
            "central_share": each.mean,
            "low": each.interval[0],
            "high": each.interval[1],
            "images": int(np.isfinite(each.shares).sum()),
        }
        for each in looked
    ]
    return {"heat": pd.DataFrame(rows)} if rows else {}


def _sentences(looked: Sequence[Looked]) -> list[str]:
    if not looked:
        return ["None of these models has convolutions or attention that could be asked where it looks."]
    known = [each for each in looked if np.isfinite(each.mean)]
    if not known:
        return ["No picture has any heat: nothing in it speaks for its class."]
    most, least = max(known, key=lambda each: each.mean), min(known, key=lambda each: each.mean)
    told = f"{most.model} has {most.mean:.0%} of its heat in the central box, which is {EVEN:.0%} of the picture"
    return [told + (f"; {least.model} least with {least.mean:.0%}." if len(known) > 1 else ".")]


def _table(material: Material, looked: Sequence[Looked]) -> Html:
    columns = [
        Column("model"),
        Column("asked by"),
        Column("heat in the central box", ".1%"),
        Column("images", ",d"),
        Column("least central classes"),
    ]
    rows = []
    for each in looked:
        low, high = each.interval
        share = (
            FormattedNumber(each.mean, f"{each.mean:.1%} [{low:.1%}, {high:.1%}]") if np.isfinite(each.mean) else None
        )
        rows.append((each.model, each.method, share, int(np.isfinite(each.shares).sum()), _least(material, each)))
    return render_table("Heat inside the central box", columns, rows)


def _least(material: Material, looked: Looked) -> str:
    """The three classes with the lowest mean share."""
    labels = material.labels[looked.rows]
    known = np.isfinite(looked.shares)
    means = {int(label): float(looked.shares[known & (labels == label)].mean()) for label in np.unique(labels[known])}
    lowest = sorted(means, key=lambda label: means[label])[:3]
    return ", ".join(f"{material.names[label]} {means[label]:.0%}" for label in lowest)


def _pictures(material: Material, looked: Looked) -> list[Html]:
    labels = list(dict.fromkeys(shown.label for shown in looked.shown))
    made = [_of_class(material, looked, label) for label in labels]
    blocks = [render_heading(f"{looked.model}: {looked.method}")]
    if len(material.names) > MOST_CLASSES:
        blocks.append(render_note(f"The {len(labels)} classes of {len(material.names):,} with the lowest F1."))
    blocks.append(render_side_by_side(made[:_OPEN]))
    if made[_OPEN:]:
        blocks.append(
            render_details(f"{len(made) - _OPEN} more classes by {looked.model}", render_side_by_side(made[_OPEN:]))
        )
    return blocks


def _of_class(material: Material, looked: Looked, label: int) -> Html:
    shown = [picture for one in looked.shown if one.label == label for picture in _both(material, one)]
    return render_picture_group(material.names[label], shown, width=_WIDTH)


def _both(material: Material, shown: Shown) -> list[Picture]:
    """The picture as it is, and with its heat."""
    image, name = material.image(shown.row), material.ids[shown.row]
    true, said = material.names[shown.label], material.names[shown.said]
    words = f"{'right' if shown.said == shown.label else said}, {shown.sure:.0%}"
    about = f"{true} {name}, predicted {said}"
    return [Picture(image, about, words), Picture(overlay_heat(image, shown.heat), f"heat on {about}", "heat")]
