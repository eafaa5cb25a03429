"""A map of the training images: what looks alike lies together.

Reference: van der Maaten and Hinton 2008, Visualizing data using t-SNE,
https://www.jmlr.org/papers/v9/vandermaaten08a.html
"""

import numpy as np
import pandas as pd
from matplotlib.collections import PathCollection
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from pipeline.core.arrays import Features, Images, Rows
from pipeline.images.resizing import resize_image
from pipeline.page.blocks import render_note, render_paragraph
from pipeline.page.chart import CATEGORIES, LINE, MARKERS, open_chart, render_chart
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import Picture, render_pictures
from pipeline.page.table import Column, render_table
from pipeline.reports.data.classes import short
from pipeline.reports.data.features import Described, compressed, told
from pipeline.reports.data.material import Seen, sample, sampled

_POINTS, _NEIGHBOURS = 1_200, 10
_CLASSES = 24  # those with a colour and a sign of their own
_SIDE, _CELL = 24, 32  # of the mosaic


def image_map(seen: Seen, described: Described) -> Part:
    """A scatter by class, a mosaic of the pictures themselves, and how often neighbours share a class."""
    features = compressed(described.features, 30)
    labels = seen.labels[described.rows]
    frame = neighbours(features, labels, seen.names)
    chosen = sample(len(features), _POINTS, 9)
    places = layout(features[chosen])
    rows = described.rows[chosen]
    agree = float((frame["same_class"] * frame["images"]).sum() / frame["images"].sum())
    chance = float(((frame["images"] / frame["images"].sum()) ** 2).sum())
    best, worst = frame.iloc[0], frame.iloc[-1]
    said = [
        f"Of the {_NEIGHBOURS} images that look most like one, {agree:.0%} are of its class ({chance:.0%} by chance):",
        f"{best['class']} is easiest to tell by look ({best['same_class']:.0%}),",
        f"{worst['class']} hardest ({worst['same_class']:.0%}).",
    ]
    columns = [
        Column("class"),
        Column("images", ",d"),
        Column("neighbours of its class", ".1%"),
        Column("most common other"),
    ]
    method = "t-SNE of 30 principal components: near means alike; far apart, and sizes of clusters, mean little."
    points = pd.DataFrame(
        {
            "id": seen.train["id"].to_numpy()[rows],
            "class": [seen.names[label] for label in seen.labels[rows]],
            "x": places[:, 0],
            "y": places[:, 1],
        }
    )
    blocks = [
        render_paragraph(*said),
        render_note(told(described.features), method, sampled(len(chosen), len(seen.train))),
        _scatter(places, seen.labels[rows], seen.names),
        render_pictures([_mosaic(seen, rows, places)], _SIDE * _CELL),
        render_table("Neighbours by class", columns, [*frame.itertuples(index=False, name=None)]),
    ]
    numbers = {"neighbours_of_same_class": agree, "neighbours_by_chance": chance}
    return Part(PageSection("Map", blocks), numbers, {"map": points, "neighbours": frame})


def neighbours(features: Features, labels: Rows, names: tuple[str, ...]) -> pd.DataFrame:
    """Says of each class how many of its images' nearest neighbours share it, and which class most others are of."""
    count = min(_NEIGHBOURS, len(features) - 1)
    near = (
        NearestNeighbors(n_neighbors=count + 1, algorithm="brute")
        .fit(features)
        .kneighbors(features, return_distance=False)
    )
    # An image is its own nearest neighbour, unless another is the same.
    itself = near == np.arange(len(near))[:, None]
    itself[~itself.any(axis=1), -1] = True
    others = labels[near[~itself].reshape(len(near), count)]
    found = []
    for label in np.unique(labels):
        theirs = others[labels == label]
        counts = np.bincount(theirs.ravel(), minlength=len(names))
        same = counts[label] / max(theirs.size, 1)
        counts[label] = 0
        found.append(
            (
                names[label],
                int((labels == label).sum()),
                float(same),
                names[int(counts.argmax())] if counts.any() else "none",
            )
        )
    frame = pd.DataFrame(found, columns=["class", "images", "same_class", "most_common_other"])
    return frame.sort_values("same_class", ascending=False, kind="stable").reset_index(drop=True)


def layout(features: Features) -> NDArray[np.float64]:
    """Places images in the plane: (n, 2) in [0, 1]; where there are too few for t-SNE, by their components."""
    if len(features) >= 20 and features.any():
        plane = TSNE(
            2, init="pca", random_state=0, max_iter=400, perplexity=min(30.0, len(features) / 4)
        ).fit_transform(features)
    else:
        plane = np.pad(features, ((0, 0), (0, 2)))[:, :2]
    low, high = plane.min(axis=0), plane.max(axis=0)
    return np.asarray((plane - low) / np.maximum(high - low, 1e-9), dtype=np.float64)


def _scatter(places: NDArray[np.float64], labels: Rows, names: tuple[str, ...]) -> Html:
    shown = np.argsort(-np.bincount(labels, minlength=len(names)), kind="stable")[:_CLASSES]
    shown = np.sort(shown[np.isin(shown, labels)])
    with open_chart(8.6, 6.2) as figure:
        axes = figure.subplots()
        rest = ~np.isin(labels, shown)
        signs: list[PathCollection] = []
        if rest.any():
            signs.append(axes.scatter(places[rest, 0], places[rest, 1], color=LINE, s=8))
        for number, label in enumerate(shown):
            own = labels == label
            colour = CATEGORIES[number % len(CATEGORIES)]
            marker = MARKERS[(number + number // len(CATEGORIES)) % len(MARKERS)]
            signs.append(axes.scatter(places[own, 0], places[own, 1], c=colour, marker=marker, s=22, linewidths=0))
        axes.set(xticks=[], yticks=[], xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.spines[:].set_visible(False)
        # Named here: as labels of their points, names that begin with _ would be left out.
        words = [*(["other classes"] if rest.any() else []), *(short(names[label]) for label in shown)]
        axes.legend(signs, words, loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.6, labelspacing=0.7)
    said = f"{len(labels):,} images as points; colour and sign say the class."
    return render_chart(
        figure,
        "Training images by look",
        said + ("" if not rest.any() else f" The {_CLASSES} largest of {len(names):,} classes have one."),
    )


def _mosaic(seen: Seen, rows: Rows, places: NDArray[np.float64]) -> Picture:
    """Lays pictures on a grid such that the sum of squared ways from their places on the map is least."""
    side = min(_SIDE, int(len(rows) ** 0.5))
    some = sample(len(rows), side * side, 10)
    steps = (np.arange(side) + 0.5) / side
    cells = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    _, cell = linear_sum_assignment(cdist(places[some], cells, "sqeuclidean"))
    whole = np.zeros((side * _CELL, side * _CELL, seen.shape[2]), dtype=np.uint8)
    for image, number in zip(
        (image for chunk in seen.chunks("train", rows[some]) for image in chunk), cell, strict=True
    ):
        across, down = int(number) % side, side - 1 - int(number) // side  # a chart counts upwards
        whole[down * _CELL : (down + 1) * _CELL, across * _CELL : (across + 1) * _CELL] = _fitted(image)
    words = f"{len(some):,} training images, laid on a grid so that those that look alike are neighbours"
    return Picture(whole, words, words + ", in the order of the map above.")


def _fitted(image: Images) -> Images:
    return resize_image(image, _CELL)
