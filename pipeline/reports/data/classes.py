"""Classes: images of each, samples, and their distribution over the folds."""

import numpy as np
import pandas as pd

from pipeline.core.sampling import draw_balanced_rows
from pipeline.core.tables import TRAINING_ONLY
from pipeline.page.blocks import render_note, render_paragraph, render_warning
from pipeline.page.chart import BLUE, ORANGE, SOFT, open_chart, render_chart, shorten_label
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import render_picture_group, render_side_by_side
from pipeline.page.table import Column, render_table
from pipeline.reports.data.prepared_data import PreparedData, format_count, join_names

BARS = 40  # classes that a chart shows
_GALLERIES, _SAMPLES = 24, 6
_UNEQUAL = 3.0  # largest class over smallest, above which the imbalance is a finding
_FEW = 10  # images


def show_classes(data: PreparedData) -> Part:
    """Shows the number of images per class, and how balanced the classes are."""
    order = np.argsort(-data.counts, kind="stable")
    names, images = [data.names[label] for label in order], data.counts[order]
    shares = images / images.sum()
    even = compute_evenness(images)
    balance = _describe_balance(names, images, even)
    blocks = [render_paragraph(*balance), _draw_bars(names, images.tolist())]
    few = [name for name, count in zip(names, images, strict=True) if count < _FEW]
    scarce = f"{format_count(len(few), 'class has', 'classes have')} fewer than {_FEW} images: {join_names(few[::-1])}."
    if few:
        blocks.append(render_warning(scarce))
    columns = [Column("class"), Column("images", ",d"), Column("share", ".1%")]
    rows = list(zip(names, images.tolist(), shares.tolist(), strict=True))
    blocks.append(render_table("Training images per class", columns, rows, folded=True))
    numbers = {
        "classes": len(names),
        "train_images": int(images.sum()),
        "test_images": len(data.test),
        "largest_class": int(images[0]),
        "smallest_class": int(images[-1]),
        "evenness": even,
    }
    frame = pd.DataFrame({"class": names, "images": images, "share": shares})
    unequal = (balance[0],) if images[0] > _UNEQUAL * images[-1] else ()
    return Part(PageSection("Classes", blocks), numbers, {"classes": frame}, (*unequal, *((scarce,) if few else ())))


def compute_evenness(images: np.ndarray) -> float:
    """Returns the entropy of the class shares over the highest possible: 1 where all classes are equally large."""
    shares = images[images > 0] / images.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(len(images))) if len(images) > 1 else 1.0


def show_samples(data: PreparedData) -> Part:
    """Shows some images of each class; of the rarest where there are too many classes."""
    labels = np.argsort(data.counts, kind="stable")[:_GALLERIES]
    if len(data.classes) <= _GALLERIES:
        labels = np.arange(len(data.classes))
        sentence = f"{_SAMPLES} random images of each class."
    else:
        sentence = f"{_SAMPLES} random images of each of the {_GALLERIES} rarest of {len(data.classes):,} classes."
    groups = []
    for label in labels:
        rows = np.flatnonzero(data.labels == label)
        rows = rows[draw_balanced_rows(np.zeros(len(rows), dtype=np.int64), _SAMPLES, 1)]
        groups.append(
            render_picture_group(
                data.names[label], data.pictures("train", rows), format_count(int(data.counts[label]), "image"), 72
            )
        )
    return Part(PageSection("Samples", [render_paragraph(sentence), render_side_by_side(groups)]))


def show_folds(data: PreparedData) -> Part:
    """Shows the class counts of each fold."""
    if data.folds is None:
        return Part(PageSection("Folds", [render_paragraph("There are no folds yet; `dvc repro split` makes them.")]))
    validated = data.folds[data.folds["fold"] != TRAINING_ONLY]
    counts = pd.crosstab(validated["label"], validated["fold"]).reindex(range(len(data.classes)), fill_value=0)
    ideal = counts.sum(axis=1).to_numpy()[:, None] / counts.shape[1]
    deviation = float(np.abs(counts.to_numpy() - ideal).max())
    sizes = counts.sum(axis=0)
    n_groups = data.folds["group"].nunique()
    least = int(counts.to_numpy().min())
    per_fold = (
        f"{format_count(int(sizes.min()), 'image')} each"
        if sizes.nunique() == 1
        else f"{sizes.min():,} to {sizes.max():,} images"
    )
    share = (
        f"No class deviates by more than {deviation:.1f} images from an equal share"
        if deviation
        else "Every class is distributed equally"
    )
    sentences = [
        f"{counts.shape[1]} folds of {per_fold}.",
        f"{share}; the smallest class of a fold has {format_count(least, 'image')}.",
    ]
    only = len(data.folds) - len(validated)
    if only:
        sentences.append(f"{format_count(only, 'image trains', 'images train')} in every fold and are never validated.")
    tied = len(data.folds) - n_groups
    grouped = f"{format_count(tied, 'image belongs', 'images belong')} to the group of an earlier one, so to its fold."
    columns = [Column("class"), *(Column(f"fold {number}", ",d") for number in counts.columns), Column("all", ",d")]
    rows = [
        (data.names[int(str(label))], *row_counts, sum(row_counts))
        for label, row_counts in zip(counts.index, counts.to_numpy().tolist(), strict=True)
    ]
    frame = counts.rename(columns=lambda number: f"fold {number}")
    frame.insert(0, "class", list(data.names))
    section = PageSection(
        "Folds",
        [
            render_paragraph(*sentences),
            render_note(grouped),
            render_table("Images of each class by fold", columns, rows),
        ],
    )
    return Part(section, {"folds": counts.shape[1], "furthest_from_equal_share": deviation}, {"folds": frame})


def _describe_balance(names: list[str], images: np.ndarray, even: float) -> list[str]:
    if images[0] == images[-1]:
        return [f"The {len(names):,} classes are balanced: {format_count(int(images[0]), 'image')} each."]
    ratio = images[0] / max(images[-1], 1)
    word = "nearly balanced" if ratio <= 1.5 else "slightly imbalanced" if ratio <= _UNEQUAL else "imbalanced"
    return [
        f"The {len(names):,} classes are {word}: from {format_count(int(images[-1]), 'image')} ({names[-1]}) to "
        f"{images[0]:,} ({names[0]}), a ratio of {ratio:.1f}.",
        f"Their normalised entropy is {even:.2f}; 1 means equally large.",
    ]


def _draw_bars(names: list[str], images: list[int]) -> Html:
    """Draws the classes as bars; the largest and the rarest where there are too many."""
    if len(names) > BARS:
        half = BARS // 2
        names, images = names[:half] + names[-half:], images[:half] + images[-half:]
        title = f"Images of the {half} largest and the {half} rarest classes"
    else:
        title = "Images per class"
    with open_chart(7.5, 0.5 + 0.19 * len(names)) as figure:
        axes = figure.subplots()
        colours = [BLUE if count >= _FEW else ORANGE for count in images]
        axes.barh(range(len(names)), images, color=colours, height=0.72)
        axes.set_yticks(range(len(names)), [shorten_label(name) for name in names])
        axes.set(ylim=(len(names) - 0.4, -0.6), xlabel="training images")
        axes.margins(x=0.08)
        for place, count in enumerate(images):
            axes.annotate(
                f"{count:,}",
                (count, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=SOFT,
            )
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        about = f"Bars from {names[0]} with {images[0]:,} to {names[-1]} with {images[-1]:,} images."
    return render_chart(figure, title, about)
