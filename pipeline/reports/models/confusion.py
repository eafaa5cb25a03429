"""The section of classes: what is taken for what, and how well each does."""

import numpy as np
import pandas as pd

from pipeline.core.errors import some
from pipeline.page.blocks import render_note, render_paragraph, render_warning
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import render_side_by_side
from pipeline.page.table import Column, render_table
from pipeline.reports.models import charts
from pipeline.reports.models.by_class import Classes, by_class, taken_for
from pipeline.reports.models.material import Material

_WORST = 5
_LEAST = 0.005  # what is written as .00


def classes(material: Material) -> Part:
    """Says which classes are hard, and draws counts and mean probabilities."""
    known = by_class(material.labels, material.judged.probs)
    shown = _shown(known)
    names = [material.names[label] for label in shown]
    counts = known.counts[np.ix_(shown, shown)]
    means = known.mean_probs[np.ix_(shown, shown)]
    shares = counts / np.maximum(known.support[shown], 1)[:, None]
    few = _fewer(material, len(shown))
    judged = material.judged.name
    never = _never(material, known)
    section = PageSection(
        "Classes",
        [
            render_paragraph(*_sentences(material, known)),
            *map(render_warning, never),
            *([render_note(few)] if few else []),
            render_side_by_side(
                [
                    charts.matrix(
                        np.where(counts > 0, shares, np.nan),
                        [[str(count) for count in row] for row in counts.tolist()],
                        names,
                        f"Confusion of {judged}: images",
                        _about(known, names),
                    ),
                    charts.matrix(
                        np.where(means >= _LEAST, means, np.nan),
                        [[f"{mean:.2f}".removeprefix("0") for mean in row] for row in means.tolist()],
                        names,
                        f"Mean probabilities of {judged} by true class",
                        "Each row is the mean of the predicted probabilities over the images of one true class.",
                    ),
                ]
            ),
            render_note(
                "Blue is right, orange is mistaken; the stronger the larger the share of the true class. The second "
                "matrix holds doubts as well as "
                "mistakes: M[i, j] is the mean probability of class j over the images of class i; left empty below "
                f"{_LEAST}."
            ),
            _table(material, known),
            _worst(material, known),
        ],
    )
    return Part(section, {}, _frames(material, known), tuple(never))


def _shown(known: Classes) -> list[int]:
    many = len(known.support)
    return list(range(many)) if many <= charts.MOST else sorted(known.worst_first[: charts.MOST])


def _fewer(material: Material, shown: int) -> str:
    many = len(material.names)
    return f"The matrices show the {shown} classes of {many:,} with the lowest F1." if shown < many else ""


def _sentences(material: Material, known: Classes) -> list[str]:
    order = known.worst_first
    worst, best = order[0], order[-1]
    told = [
        f"Judged by {material.judged.name}: {material.names[worst]} is hardest with F1 {known.f1[worst]:.3f}, "
        f"{material.names[best]} easiest with {known.f1[best]:.3f}."
    ]
    where = taken_for(known.counts, worst, 1)
    if where:
        other, rows = where[0]
        told.append(
            f"{material.names[worst]} is most often taken for {material.names[other]} "
            f"({rows:,} of {known.support[worst]:,} images)."
        )
    return told


def _never(material: Material, known: Classes) -> list[str]:
    never = [material.names[label] for label in known.never_predicted]
    return [f"Never predicted: {some(never)}."] if never else []


def _frames(material: Material, known: Classes) -> dict[str, pd.DataFrame]:
    names = material.names
    seen = np.argwhere((known.counts > 0) | (np.nan_to_num(known.mean_probs) >= _LEAST))
    quality = {
        "class": names,
        "f1": known.f1,
        "precision": known.precision,
        "recall": known.recall,
        "images": known.support,
        "predicted": known.predicted,
    }
    mixed = {
        "true": [names[row] for row, _ in seen],
        "predicted": [names[column] for _, column in seen],
        "images": known.counts[tuple(seen.T)],
        "mean_probability": known.mean_probs[tuple(seen.T)],
    }
    return {"classes": pd.DataFrame(quality), "confusion": pd.DataFrame(mixed)}


def _about(known: Classes, names: list[str]) -> str:
    right = int(known.counts.diagonal().sum())
    return f"{right:,} of {known.support.sum():,} images are right; rows and columns: {', '.join(names)}."


def _table(material: Material, known: Classes) -> Html:
    columns = [
        Column("class"),
        Column("F1", ".3f"),
        Column("precision", ".3f"),
        Column("recall", ".3f"),
        Column("images", ",d"),
        Column("predicted", ",d"),
        Column("mean probability of the truth", ".3f"),
    ]
    rows = [
        (
            material.names[label],
            float(known.f1[label]),
            float(known.precision[label]),
            float(known.recall[label]),
            int(known.support[label]),
            int(known.predicted[label]),
            float(known.mean_probs[label, label]),
        )
        for label in known.worst_first
    ]
    return render_table("Every class, the worst first", columns, rows)


def _worst(material: Material, known: Classes) -> Html:
    rows = []
    for label in known.worst_first[:_WORST]:
        gone = [
            f"{material.names[other]} {rows / known.support[label]:.0%}"
            for other, rows in taken_for(known.counts, label)
        ]
        missed = int(known.support[label] - known.counts[label, label])
        rows.append((material.names[label], missed, ", ".join(gone) or "nothing"))
    return render_table(
        "The worst classes, and what they are taken for",
        [Column("class"), Column("missed", ",d"), Column("taken for")],
        rows,
    )
