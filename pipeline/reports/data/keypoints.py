"""SIFT keypoints: drawn on samples, and counted by class."""

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.arrays import Images, make_displayed
from pipeline.core.sampling import draw_balanced_rows
from pipeline.images.resizing import resize_image
from pipeline.images.sift import Sift, SiftExtractor
from pipeline.page.blocks import render_note, render_paragraph
from pipeline.page.chart import BLUE, GREY, open_chart, render_chart, shorten_label
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import Picture, render_pictures
from pipeline.page.table import Column, render_table
from pipeline.reports.data.classes import BARS
from pipeline.reports.data.prepared_data import PreparedData, describe_sample, format_count

_MOST = 360  # images with keypoints counted
_PICTURES, _SIDE = 12, 192
_RING = (230, 159, 0)


def show_keypoints(data: PreparedData) -> Part:
    """Shows keypoints on samples, and their number by class, as the pipeline's own SIFT detects them."""
    section = Sift(name="sift")
    extractor = SiftExtractor(section, data.shape[0])
    rows = draw_balanced_rows(data.labels, _MOST, 4)
    counts = np.array([len(extractor.extract(image)[0]) for chunk in data.chunks("train", rows) for image in chunk])
    frame = pd.DataFrame({"class": [data.names[label] for label in data.labels[rows]], "keypoints": counts})
    by_class = frame.groupby("class")["keypoints"].agg(["count", "mean", "min", "max"]).reset_index()
    by_class = by_class.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    by_class.columns = pd.Index(["class", "images", "mean", "min", "max"])
    most, least = by_class.iloc[0], by_class.iloc[-1]
    none = int((counts == 0).sum())
    sentences = [
        f"An image has {counts.mean():.0f} keypoints on average (standard deviation {counts.std():.0f});",
        f"{most['class']} has the most ({most['mean']:.0f}), {least['class']} the fewest ({least['mean']:.0f}).",
        f"{format_count(none, 'image has', 'images have')} no keypoints, so no visual words."
        if none
        else "Every image has at least one.",
    ]
    about = f"Images are first resized to {section.size} pixels; at most {section.most} keypoints of each are kept."
    examples = draw_balanced_rows(data.labels[rows], _PICTURES, 5)
    images = [_render_keypoints(data, extractor, int(rows[place]), int(counts[place])) for place in examples]
    columns = [Column("class"), Column("images", ",d"), Column("mean", ".1f"), Column("min", ",d"), Column("max", ",d")]
    blocks = [
        render_paragraph(*sentences),
        render_note(about, describe_sample(len(rows), len(data.train))),
        render_pictures(images, 144),
        _draw_chart(by_class),
        render_table("Keypoints by class", columns, [*by_class.itertuples(index=False, name=None)], folded=True),
    ]
    numbers = {"keypoints": float(counts.mean()), "without_keypoints": none / len(counts)}
    return Part(PageSection("Keypoints", blocks), numbers, {"keypoints": by_class})


def _render_keypoints(data: PreparedData, extractor: SiftExtractor, row: int, count: int) -> Picture:
    image = data.read("train", [row])[0]
    _, places = extractor.extract(image)
    large = _enlarge(image)
    for x, y in np.rint(places * _SIDE).astype(int).tolist():
        cv2.circle(large, (x, y), 3, _RING, 1, cv2.LINE_AA)
    name, label = data.train["id"].iloc[row], data.names[data.labels[row]]
    return Picture(
        large, f"training image {name}: {label}, with {format_count(count, 'keypoint')} circled", f"{label}: {count}"
    )


def _enlarge(image: Images) -> NDArray[np.uint8]:
    large = resize_image(image, _SIDE)
    shown = make_displayed(large)
    return np.ascontiguousarray(np.repeat(shown, 3, axis=2) if shown.shape[2] == 1 else shown)


def _draw_chart(by_class: pd.DataFrame) -> Html:
    title = "SIFT keypoints by class"
    classes = by_class
    if len(classes) > BARS:
        classes = pd.concat([classes.head(BARS // 2), classes.tail(BARS // 2)])
        title = f"SIFT keypoints of the {BARS // 2} classes with the most and the {BARS // 2} with the fewest"
    with open_chart(7.5, 0.7 + 0.19 * len(classes)) as figure:
        axes = figure.subplots()
        places = np.arange(len(classes))
        axes.hlines(places, classes["min"], classes["max"], color=GREY, linewidth=1.2, label="fewest to most")
        axes.scatter(classes["mean"], places, color=BLUE, s=24, zorder=3, label="mean")
        axes.set_yticks(places, [shorten_label(name) for name in classes["class"]])
        axes.set(ylim=(len(classes) - 0.4, -0.6), xlabel="keypoints per image", xlim=(0, None))
        axes.grid(axis="x")
        axes.tick_params(length=0)
        figure.legend(loc="outside upper left")
    first, last = classes.iloc[0], classes.iloc[-1]
    return render_chart(
        figure, title, f"From {first['class']} with {first['mean']:.0f} to {last['class']} with {last['mean']:.0f}."
    )
