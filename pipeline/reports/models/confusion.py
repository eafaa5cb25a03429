"""Confusion: the sections about the quality of each class, and about pairs of confused classes."""

import numpy as np
import pandas as pd

from pipeline.core.errors import some
from pipeline.page.blocks import render_note, render_paragraph, render_warning
from pipeline.page.document import PageSection
from pipeline.page.markup import Html, join_html, tag
from pipeline.page.parts import Part
from pipeline.page.pictures import Picture, render_picture_group, render_side_by_side
from pipeline.page.table import Column, render_table
from pipeline.reports.models import charts
from pipeline.reports.models.class_quality import (
    ClassQuality,
    ConfusedPair,
    compute_class_quality,
    count_wrong_classes,
    find_confused_pairs,
    find_most_confident,
)
from pipeline.reports.models.evaluation_data import EvaluationData

_WORST = 5
_LEAST = 0.005  # smaller ones would be written as .00
_PAIRS, _SIDE = 6, 3
_WIDTH = 86  # four fit on a phone


def show_class_quality(data: EvaluationData) -> Part:
    """Shows which classes are hard, with matrices of counts and mean probabilities."""
    quality = compute_class_quality(data.labels, data.judged.probs)
    labels = _choose_labels(quality)
    names = [data.names[label] for label in labels]
    counts = quality.counts[np.ix_(labels, labels)]
    means = quality.mean_probs[np.ix_(labels, labels)]
    shares = counts / np.maximum(quality.support[labels], 1)[:, None]
    note = _describe_choice(data, len(labels))
    judged = data.judged.name
    missing = [*_find_never_predicted(data, quality), *_name_weak_classes(data, quality)]
    section = PageSection(
        "Classes",
        [
            render_paragraph(*_describe_quality(data, quality)),
            *map(render_warning, missing),
            *([render_note(note)] if note else []),
            render_side_by_side(
                [
                    charts.draw_matrix(
                        np.where(counts > 0, shares, np.nan),
                        [[str(count) for count in row] for row in counts.tolist()],
                        names,
                        f"Confusion of {judged}: images",
                        _describe_matrix(quality, names),
                    ),
                    charts.draw_matrix(
                        np.where(means >= _LEAST, means, np.nan),
                        [[f"{mean:.2f}".removeprefix("0") for mean in row] for row in means.tolist()],
                        names,
                        f"Mean probabilities of {judged} by true class",
                        "Each row is the mean of the predicted probabilities over the images of one true class.",
                    ),
                ]
            ),
            render_note(
                "Blue is correct, orange is wrong; darker for a larger share of the true class. The second matrix "
                "shows uncertainty as well as errors: M[i, j] is the mean probability of class j over the images of "
                f"class i, empty below {_LEAST}."
            ),
            _render_table(data, quality),
            _render_worst(data, quality),
        ],
    )
    return Part(section, {}, _build_frames(data, quality), tuple(missing))


def _choose_labels(quality: ClassQuality) -> list[int]:
    many = len(quality.support)
    return list(range(many)) if many <= charts.MOST else sorted(quality.worst_first[: charts.MOST])


def _describe_choice(data: EvaluationData, shown: int) -> str:
    many = len(data.names)
    return f"The matrices show the {shown} classes of {many:,} with the lowest F1." if shown < many else ""


def _describe_quality(data: EvaluationData, quality: ClassQuality) -> list[str]:
    order = quality.worst_first
    worst, best = order[0], order[-1]
    sentences = [
        f"Predictions of {data.judged.name}: {data.names[worst]} is the hardest class with F1 {quality.f1[worst]:.3f}, "
        f"{data.names[best]} the easiest with {quality.f1[best]:.3f}."
    ]
    wrong = count_wrong_classes(quality.counts, worst, 1)
    if wrong:
        other, rows = wrong[0]
        sentences.append(
            f"{data.names[worst]} is most often predicted as {data.names[other]} "
            f"({rows:,} of {quality.support[worst]:,} images)."
        )
    return sentences


def _find_never_predicted(data: EvaluationData, quality: ClassQuality) -> list[str]:
    missing = [data.names[label] for label in quality.never_predicted]
    return [f"Never predicted: {some(missing)}."] if missing else []


def _name_weak_classes(data: EvaluationData, quality: ClassQuality) -> list[str]:
    """Names classes of low recall; those that are never predicted are named already."""
    weak = [label for label in quality.weak if label not in quality.never_predicted]
    named = [f"{data.names[label]} {quality.recall[label]:.2f}" for label in weak]
    mean = quality.recall[quality.support > 0].mean()
    return [f"Recall far below the mean of {mean:.2f}: {some(named, _WORST)}."] if named else []


def _build_frames(data: EvaluationData, quality: ClassQuality) -> dict[str, pd.DataFrame]:
    names = data.names
    cells = np.argwhere((quality.counts > 0) | (np.nan_to_num(quality.mean_probs) >= _LEAST))
    by_class = {
        "class": names,
        "f1": quality.f1,
        "precision": quality.precision,
        "recall": quality.recall,
        "images": quality.support,
        "predicted": quality.predicted,
    }
    by_pair = {
        "true": [names[row] for row, _ in cells],
        "predicted": [names[column] for _, column in cells],
        "images": quality.counts[tuple(cells.T)],
        "mean_probability": quality.mean_probs[tuple(cells.T)],
    }
    return {"classes": pd.DataFrame(by_class), "confusion": pd.DataFrame(by_pair)}


def _describe_matrix(quality: ClassQuality, names: list[str]) -> str:
    right = int(quality.counts.diagonal().sum())
    return f"{right:,} of {quality.support.sum():,} images are correct; rows and columns: {', '.join(names)}."


def _render_table(data: EvaluationData, quality: ClassQuality) -> Html:
    columns = [
        Column("class"),
        Column("F1", ".3f"),
        Column("precision", ".3f"),
        Column("recall", ".3f"),
        Column("images", ",d"),
        Column("predicted", ",d"),
        Column("mean probability of the true class", ".3f"),
    ]
    rows = [
        (
            data.names[label],
            float(quality.f1[label]),
            float(quality.precision[label]),
            float(quality.recall[label]),
            int(quality.support[label]),
            int(quality.predicted[label]),
            float(quality.mean_probs[label, label]),
        )
        for label in quality.worst_first
    ]
    return render_table("All classes, the lowest F1 first", columns, rows)


def _render_worst(data: EvaluationData, quality: ClassQuality) -> Html:
    rows = []
    for label in quality.worst_first[:_WORST]:
        predicted = [
            f"{data.names[other]} {rows / quality.support[label]:.0%}"
            for other, rows in count_wrong_classes(quality.counts, label)
        ]
        missed = int(quality.support[label] - quality.counts[label, label])
        rows.append((data.names[label], missed, ", ".join(predicted) or "nothing"))
    return render_table(
        "The worst classes, and what they are predicted as",
        [Column("class"), Column("missed", ",d"), Column("predicted as")],
        rows,
    )


def show_confused_pairs(data: EvaluationData) -> Part:
    """Shows images of both classes of the pairs confused most often."""
    counts = compute_class_quality(data.labels, data.judged.probs).counts
    worst = find_confused_pairs(counts, _PAIRS)
    if not worst:
        return Part(PageSection("Confused pairs", [render_paragraph(f"{data.judged.name} confuses no classes.")]))
    both = sum(pair.there + pair.back for pair in worst)
    wrong, first = int(counts.sum() - counts.trace()), worst[0]
    sentence = render_paragraph(
        f"{data.names[first.one]} and {data.names[first.two]} are confused most often: {first.there:,} images "
        f"in one direction, {first.back:,} in the other. The pairs below have {both / wrong:.0%} of all "
        f"{wrong:,} errors."
    )
    return Part(PageSection("Confused pairs", [sentence, *(_render_pair(data, pair) for pair in worst)]))


def _render_pair(data: EvaluationData, pair: ConfusedPair) -> Html:
    groups = []
    for true, predicted, rows in ((pair.one, pair.two, pair.there), (pair.two, pair.one, pair.back)):
        if not rows:
            continue  # that never happened
        right, wrong = data.names[true], data.names[predicted]
        typical = find_most_confident(data.labels, data.judged.probs, true, true, 1)
        missed = find_most_confident(data.labels, data.judged.probs, true, predicted, _SIDE)
        pictures = [_render_picture(data, row, true, true) for row in typical]
        pictures += [_render_picture(data, row, true, predicted) for row in missed]
        words = f"{rows:,} image{'s' * (rows != 1)}; the first is a correct {right}"
        groups.append(render_picture_group(f"{right} predicted as {wrong}", pictures, words, _WIDTH))
    return render_side_by_side(groups)


def _render_picture(data: EvaluationData, row: int, true: int, predicted: int) -> Picture:
    sure = data.judged.probs[row, predicted]
    words = f"{data.names[predicted]} {sure:.0%}"
    alt = f"{data.names[true]} {data.ids[row]}, predicted {words}"
    return Picture(data.image(row), alt, join_html(words, tag("span", data.ids[row], class_="id")))
