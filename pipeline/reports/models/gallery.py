"""The sections of mistakes: pictures that were taken for something else, and labels that are probably wrong."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.page.blocks import render_details, render_note, render_paragraph
from pipeline.page.document import PageSection
from pipeline.page.markup import Html, join_html, tag
from pipeline.page.parts import Part
from pipeline.page.pictures import Picture, render_pictures
from pipeline.reports.models.material import Material
from pipeline.reports.models.mistakes import Mistake, label_errors, mistake, mistakes

_FIRST, _SHOWN = 24, 72
_SURE = 0.9
_WIDTH = 112


def mistaken(material: Material) -> Part:
    """Shows the surest mistakes."""
    judged = material.judged
    found = mistakes(material.labels, judged.probs)
    many, total = len(found), len(material.ids)
    if not many:
        return Part(PageSection("Mistakes", [render_paragraph(f"{judged.name} makes no mistake on {total:,} images.")]))
    sure = sum(each.guesses[0][1] >= _SURE for each in found)
    second = sum(each.guesses[1][0] == each.label for each in found)
    told = render_paragraph(
        f"{many:,} of {total:,} images are mistaken ({many / total:.1%}), {sure:,} of them with a probability of "
        f"{_SURE:.0%} or more; in {second / many:.0%} of mistakes the second guess is right."
    )
    words = render_note("The surest mistakes first: the label, and the three best guesses.")
    frame = _frame(material, [each.row for each in found])
    return Part(PageSection("Mistakes", [told, *_flow(material, found), words]), {}, {"mistakes": frame})


def doubted(material: Material) -> Part:
    """Shows the labels that are least believed."""
    rows = label_errors(material.labels, material.judged.probs).tolist()
    many, total = len(rows), len(material.ids)
    told = (
        f"{many:,} of {total:,} labels ({many / total:.1%}) {'is' if many == 1 else 'are'} in doubt"
        if many
        else "No label is in doubt"
    )
    why = f": {material.judged.name} believes in another class, more than it mixes up the two anyway." if many else "."
    words = render_note(
        "Confident learning on out-of-fold predictions (Northcutt, Jiang and Chuang 2021, arXiv 1911.00068; cleanlab), "
        "the least believed label first. A weak model doubts good labels: look before you change any."
    )
    shown = [mistake(material.labels, material.judged.probs, row) for row in rows[:_SHOWN]]
    section = PageSection("Labels in doubt", [render_paragraph(told + why), *_flow(material, shown), words])
    frames = {"doubted_labels": _frame(material, rows)}
    return Part(section, {"in_doubt": many}, frames, (f"{told}.",) if many else ())


def _frame(material: Material, rows: list[int]) -> pd.DataFrame:
    """One line a picture: its id and label, and what it is taken for."""
    labels, probs = material.labels[rows], material.judged.probs[rows]
    said = probs.argmax(axis=1)
    return pd.DataFrame(
        {
            "id": [material.ids[row] for row in rows],
            "label": [material.names[label] for label in labels],
            "predicted": [material.names[label] for label in said],
            "probability": probs.max(axis=1),
            "probability_of_label": probs[np.arange(len(rows)), labels],
        }
    )


def _flow(material: Material, found: Sequence[Mistake]) -> list[Html]:
    shown = [_picture(material, each) for each in found[:_SHOWN]]
    blocks = [render_pictures(shown[:_FIRST], _WIDTH)] if shown else []
    if shown[_FIRST:]:
        blocks.append(render_details(f"{len(shown) - _FIRST} more", render_pictures(shown[_FIRST:], _WIDTH)))
    return blocks


def _picture(material: Material, found: Mistake) -> Picture:
    said = [f"{material.names[label]} {share:.0%}" for label, share in found.guesses]
    given, name = material.names[found.label], material.ids[found.row]
    lines = [part for line in said for part in (tag("br"), line)]
    alt = f"{name}, labelled {given}, predicted {', '.join(said)}"
    return Picture(material.image(found.row), alt, join_html(tag("strong", given), *lines))
