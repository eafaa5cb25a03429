"""Galleries: the sections about misclassified images, and about labels that are probably wrong."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.page.blocks import render_details, render_download, render_note, render_paragraph
from pipeline.page.document import PageSection
from pipeline.page.markup import Html, join_html, tag
from pipeline.page.parts import Part
from pipeline.page.pictures import Picture, render_pictures
from pipeline.reports.models.evaluation_data import EvaluationData
from pipeline.reports.models.mistakes import Mistake, describe_mistake, find_label_errors, find_mistakes

_FIRST, _SHOWN = 24, 72
_SURE = 0.9
_WIDTH = 112


def show_mistakes(data: EvaluationData) -> Part:
    """Shows the misclassified images, the most confident first."""
    judged = data.judged
    mistakes = find_mistakes(data.labels, judged.probs)
    count, total = len(mistakes), len(data.ids)
    if not count:
        return Part(
            PageSection(
                "Misclassified images",
                [render_paragraph(f"{judged.name} makes no errors on {total:,} images.")],
                "mistakes",
            )
        )
    sure = sum(each.guesses[0][1] >= _SURE for each in mistakes)
    second = sum(each.guesses[1][0] == each.label for each in mistakes)
    sentence = render_paragraph(
        f"{count:,} of {total:,} images are misclassified ({count / total:.1%}), {sure:,} of them with a probability "
        f"of {_SURE:.0%} or more; for {second / count:.0%} of these the second most probable class is correct."
    )
    words = render_note("The most confident errors first: the label, and the three most probable classes.")
    frame = _build_frame(data, [each.row for each in mistakes], data.names)
    return Part(
        PageSection("Misclassified images", [sentence, *_render_gallery(data, mistakes), words], "mistakes"),
        {},
        {"mistakes": frame},
    )


def show_label_errors(data: EvaluationData) -> Part:
    """Shows the labels that are probably wrong."""
    rows = find_label_errors(data.labels, data.judged.probs).tolist()
    count, total = len(rows), len(data.ids)
    sentence = (
        f"{count:,} of {total:,} labels ({count / total:.1%}) {'is' if count == 1 else 'are'} probably wrong"
        if count
        else "No label is probably wrong"
    )
    why = (
        f": {data.judged.name} predicts another class, more clearly than its confusion of the two explains."
        if count
        else "."
    )
    words = render_note(
        "Confident learning on out-of-fold predictions (Northcutt, Jiang and Chuang 2021, arXiv 1911.00068; cleanlab), "
        "the label with the lowest probability first. A weak model flags correct labels, too: check before changes. To "
        "measure what dropping or relabelling gains: python -m pipeline doubt MODEL, as the score on this list's own "
        "rows would rise by itself (docs/report.md)."
    )
    frame = _build_frame(data, rows, data.members.target.columns)
    saved = frame.to_csv(index=False, lineterminator="\n", float_format="%.6g")
    link = [render_download(f"Save all {count:,} as doubted_labels.csv", "doubted_labels.csv", saved)] if count else []
    suspects = [describe_mistake(data.labels, data.judged.probs, row) for row in rows[:_SHOWN]]
    section = PageSection(
        "Possible label errors",
        [render_paragraph(sentence + why), *_render_gallery(data, suspects), *link, words],
        "labels-in-doubt",
    )
    return Part(section, {"in_doubt": count}, {"doubted_labels": frame}, (f"{sentence}.",) if count else ())


def _build_frame(data: EvaluationData, rows: list[int], names: Sequence[str]) -> pd.DataFrame:
    """One row per image: its id, label and prediction, as ``names`` calls the classes."""
    labels, probs = data.labels[rows], data.judged.probs[rows]
    predicted = probs.argmax(axis=1)
    return pd.DataFrame(
        {
            "id": [data.ids[row] for row in rows],
            "label": [names[label] for label in labels],
            "predicted": [names[label] for label in predicted],
            "probability": probs.max(axis=1),
            "probability_of_label": probs[np.arange(len(rows)), labels],
        }
    )


def _render_gallery(data: EvaluationData, mistakes: Sequence[Mistake]) -> list[Html]:
    pictures = [_render_mistake(data, each) for each in mistakes[:_SHOWN]]
    blocks = [render_pictures(pictures[:_FIRST], _WIDTH)] if pictures else []
    if pictures[_FIRST:]:
        blocks.append(render_details(f"{len(pictures) - _FIRST} more", render_pictures(pictures[_FIRST:], _WIDTH)))
    return blocks


def _render_mistake(data: EvaluationData, mistakes: Mistake) -> Picture:
    guesses = [f"{data.names[label]} {share:.0%}" for label, share in mistakes.guesses]
    given, name = data.names[mistakes.label], data.ids[mistakes.row]
    lines = [part for line in guesses for part in (tag("br"), line)]
    alt = f"{name}, labelled {given}, predicted {', '.join(guesses)}"
    caption = join_html(tag("strong", given), *lines, tag("span", name, class_="id"))
    return Picture(data.image(mistakes.row), alt, caption)
