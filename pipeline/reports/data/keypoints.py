"""Where SIFT finds something to hold on to, and how much of it by class."""

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.arrays import Images
from pipeline.images.resizing import resize_image
from pipeline.images.sift import Sift, SiftExtractor
from pipeline.page.blocks import render_note, render_paragraph
from pipeline.page.chart import BLUE, GREY, open_chart, render_chart
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import Picture, render_pictures
from pipeline.page.table import Column, render_table
from pipeline.reports.data.classes import BARS, short
from pipeline.reports.data.material import Seen, many, sampled, spread

_MOST = 900  # images described
_PICTURES, _SIDE = 12, 192
_RING = (230, 159, 0)


def keypoints(seen: Seen) -> Part:
    """Keypoints drawn on samples, and their count by class, as the pipeline's own SIFT finds them."""
    section = Sift(name="sift")
    extractor = SiftExtractor(section, seen.shape[0])
    rows = spread(seen.labels, _MOST, 4)
    found = np.array([len(extractor.extract(image)[0]) for chunk in seen.chunks("train", rows) for image in chunk])
    frame = pd.DataFrame({"class": [seen.names[label] for label in seen.labels[rows]], "keypoints": found})
    counted = frame.groupby("class")["keypoints"].agg(["count", "mean", "min", "max"]).reset_index()
    counted = counted.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    counted.columns = pd.Index(["class", "images", "mean", "min", "max"])
    most, least = counted.iloc[0], counted.iloc[-1]
    none = int((found == 0).sum())
    said = [
        f"An image has {found.mean():.0f} keypoints on average (deviation {found.std():.0f});",
        f"{most['class']} has most ({most['mean']:.0f}), {least['class']} fewest ({least['mean']:.0f}).",
        f"{many(none, 'image has', 'images have')} none: a bag of visual words knows nothing of such."
        if none
        else "None of them is without.",
    ]
    about = f"Images are resized to {section.size} pixels first; at most {section.most} keypoints are kept of each."
    shown = spread(seen.labels[rows], _PICTURES, 5)
    drawn_on = [_drawn(seen, extractor, int(rows[place]), int(found[place])) for place in shown]
    columns = [Column("class"), Column("images", ",d"), Column("mean", ".1f"), Column("min", ",d"), Column("max", ",d")]
    blocks = [
        render_paragraph(*said),
        render_note(about, sampled(len(rows), len(seen.train))),
        render_pictures(drawn_on, 144),
        _chart(counted),
        render_table("Keypoints by class", columns, [*counted.itertuples(index=False, name=None)], folded=True),
    ]
    numbers = {"keypoints": float(found.mean()), "without_keypoints": none / len(found)}
    return Part(PageSection("Keypoints", blocks), numbers, {"keypoints": counted})


def _drawn(seen: Seen, extractor: SiftExtractor, row: int, count: int) -> Picture:
    image = seen.read("train", [row])[0]
    _, places = extractor.extract(image)
    large = _enlarged(image)
    for x, y in np.rint(places * _SIDE).astype(int).tolist():
        cv2.circle(large, (x, y), 3, _RING, 1, cv2.LINE_AA)
    name, label = seen.train["id"].iloc[row], seen.names[seen.labels[row]]
    return Picture(large, f"training image {name}: {label}, with {many(count, 'keypoint')} ringed", f"{label}: {count}")


def _enlarged(image: Images) -> NDArray[np.uint8]:
    large = resize_image(image, _SIDE)
    return np.ascontiguousarray(np.repeat(large, 3, axis=2) if large.shape[2] == 1 else large)


def _chart(counted: pd.DataFrame) -> Html:
    title = "SIFT keypoints by class"
    shown = counted
    if len(shown) > BARS:
        shown = pd.concat([shown.head(BARS // 2), shown.tail(BARS // 2)])
        title = f"SIFT keypoints of the {BARS // 2} classes with most and the {BARS // 2} with fewest"
    with open_chart(7.5, 0.7 + 0.19 * len(shown)) as figure:
        axes = figure.subplots()
        places = np.arange(len(shown))
        axes.hlines(places, shown["min"], shown["max"], color=GREY, linewidth=1.2, label="fewest to most")
        axes.scatter(shown["mean"], places, color=BLUE, s=24, zorder=3, label="mean")
        axes.set_yticks(places, [short(name) for name in shown["class"]])
        axes.set(ylim=(len(shown) - 0.4, -0.6), xlabel="keypoints per image", xlim=(0, None))
        axes.grid(axis="x")
        axes.tick_params(length=0)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    first, last = shown.iloc[0], shown.iloc[-1]
    return render_chart(
        figure, title, f"From {first['class']} with {first['mean']:.0f} to {last['class']} with {last['mean']:.0f}."
    )
