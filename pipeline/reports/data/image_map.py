"""Map of the training images by t-SNE: similar images are close to each other.

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
from pipeline.core.sampling import draw_rows
from pipeline.images.resizing import resize_image
from pipeline.page.blocks import render_note, render_paragraph
from pipeline.page.chart import CATEGORIES, LINE, MARKERS, open_chart, render_chart, shorten_label
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import Picture, render_pictures
from pipeline.page.table import Column, render_table
from pipeline.reports.data.features import ImageFeatures, compress_features, describe_features
from pipeline.reports.data.prepared_data import PreparedData, describe_sample

_POINTS, _NEIGHBOURS = 1_200, 10
_NAME = 16  # characters of a name in the legend
_CLASSES = 24  # those with a colour and marker of their own
_SIDE, _CELL = 24, 32  # of the mosaic


def show_image_map(data: PreparedData, features_of: ImageFeatures) -> Part:
    """Shows a scatter plot by class, a mosaic of the images, and how often nearest neighbours have the same class."""
    features = compress_features(features_of.features, 30)
    labels = data.labels[features_of.rows]
    frame = count_neighbours(features, labels, data.names)
    chosen = draw_rows(len(features), _POINTS, 9)
    places = place_images(features[chosen])
    rows = features_of.rows[chosen]
    same = float((frame["same_class"] * frame["images"]).sum() / frame["images"].sum())
    chance = float(((frame["images"] / frame["images"].sum()) ** 2).sum())
    best, worst = frame.iloc[0], frame.iloc[-1]
    sentences = [
        f"Of the {_NEIGHBOURS} nearest neighbours of an image, {same:.0%} have its class ({chance:.0%} by chance):",
        f"{best['class']} is the easiest class ({best['same_class']:.0%}),",
        f"{worst['class']} the hardest ({worst['same_class']:.0%}).",
    ]
    columns = [
        Column("class"),
        Column("images", ",d"),
        Column("neighbours of its class", ".1%"),
        Column("most common other"),
    ]
    method = (
        "t-SNE of 30 principal components: close images are similar; large distances and cluster sizes mean little."
    )
    points = pd.DataFrame(
        {
            "id": data.train["id"].to_numpy()[rows],
            "class": [data.names[label] for label in data.labels[rows]],
            "x": places[:, 0],
            "y": places[:, 1],
        }
    )
    blocks = [
        render_paragraph(*sentences),
        render_note(describe_features(features_of.features), method, describe_sample(len(chosen), len(data.train))),
        _draw_scatter(places, data.labels[rows], data.names),
        render_pictures([_render_mosaic(data, rows, places)], _SIDE * _CELL),
        render_table("Neighbours by class", columns, [*frame.itertuples(index=False, name=None)]),
    ]
    numbers = {"neighbours_of_same_class": same, "neighbours_by_chance": chance}
    return Part(PageSection("Map", blocks), numbers, {"map": points, "neighbours": frame})


def count_neighbours(features: Features, labels: Rows, names: tuple[str, ...]) -> pd.DataFrame:
    """Returns for each class the share of nearest neighbours with the same class, and the most common other class."""
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
    rows = []
    for label in np.unique(labels):
        theirs = others[labels == label]
        counts = np.bincount(theirs.ravel(), minlength=len(names))
        same = counts[label] / max(theirs.size, 1)
        counts[label] = 0
        rows.append(
            (
                names[label],
                int((labels == label).sum()),
                float(same),
                names[int(counts.argmax())] if counts.any() else "none",
            )
        )
    frame = pd.DataFrame(rows, columns=["class", "images", "same_class", "most_common_other"])
    return frame.sort_values("same_class", ascending=False, kind="stable").reset_index(drop=True)


def place_images(features: Features) -> NDArray[np.float64]:
    """Places images in the plane: (n, 2) in [0, 1]; by their first components where there are too few for t-SNE."""
    if len(features) >= 20 and features.any():
        plane = TSNE(
            2, init="pca", random_state=0, max_iter=400, perplexity=min(30.0, len(features) / 4)
        ).fit_transform(features)
    else:
        plane = np.pad(features, ((0, 0), (0, 2)))[:, :2]
    low, high = plane.min(axis=0), plane.max(axis=0)
    return np.asarray((plane - low) / np.maximum(high - low, 1e-9), dtype=np.float64)


def _draw_scatter(places: NDArray[np.float64], labels: Rows, names: tuple[str, ...]) -> Html:
    coloured = np.argsort(-np.bincount(labels, minlength=len(names)), kind="stable")[:_CLASSES]
    coloured = np.sort(coloured[np.isin(coloured, labels)])
    with open_chart(8.6, 6.2) as figure:
        axes = figure.subplots()
        rest = ~np.isin(labels, coloured)
        marks: list[PathCollection] = []
        if rest.any():
            marks.append(axes.scatter(places[rest, 0], places[rest, 1], color=LINE, s=8))
        for number, label in enumerate(coloured):
            own = labels == label
            colour = CATEGORIES[number % len(CATEGORIES)]
            marker = MARKERS[(number + number // len(CATEGORIES)) % len(MARKERS)]
            marks.append(axes.scatter(places[own, 0], places[own, 1], c=colour, marker=marker, s=22, linewidths=0))
        axes.set(xticks=[], yticks=[], xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.spines[:].set_visible(False)
        # Named here: as labels of their points, names that begin with _ would be left out.
        words = [
            *(["other classes"] if rest.any() else []),
            *(shorten_label(names[label], _NAME) for label in coloured),
        ]
        figure.legend(marks, words, loc="outside lower left", ncols=3, markerscale=1.6, labelspacing=0.7)
    sentence = f"{len(labels):,} images as points; colour and marker show the class."
    return render_chart(
        figure,
        "Training images by similarity (t-SNE)",
        sentence + ("" if not rest.any() else f" The {_CLASSES} largest of {len(names):,} classes have their own."),
    )


def _render_mosaic(data: PreparedData, rows: Rows, places: NDArray[np.float64]) -> Picture:
    """Arranges images on a grid with the least sum of squared distances from their places on the map."""
    side = min(_SIDE, int(len(rows) ** 0.5))
    some = draw_rows(len(rows), side * side, 10)
    steps = (np.arange(side) + 0.5) / side
    cells = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    _, cell = linear_sum_assignment(cdist(places[some], cells, "sqeuclidean"))
    whole = np.zeros((side * _CELL, side * _CELL, data.shape[2]), dtype=np.uint8)
    for image, number in zip(
        (image for chunk in data.chunks("train", rows[some]) for image in chunk), cell, strict=True
    ):
        across, down = int(number) % side, side - 1 - int(number) // side  # a chart counts upwards
        whole[down * _CELL : (down + 1) * _CELL, across * _CELL : (across + 1) * _CELL] = _fit_cell(image)
    words = f"{len(some):,} training images, on a grid so that similar images are neighbours"
    return Picture(whole, words, words + ", in the order of the map above.")


def _fit_cell(image: Images) -> Images:
    return resize_image(image, _CELL)
