"""How many training images each class has, what they look like, and how the folds share them."""

import numpy as np
import pandas as pd

from pipeline.page.blocks import render_note, render_paragraph, render_warning
from pipeline.page.chart import BLUE, ORANGE, SOFT, open_chart, render_chart
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import render_picture_group, render_side_by_side
from pipeline.page.table import Column, render_table
from pipeline.reports.data.material import Seen, listed, many, spread

BARS = 40  # classes that a chart shows
_GALLERIES, _SAMPLES = 24, 6
_UNEQUAL = 3.0  # largest class over smallest, from which on balance is worth a thought
_FEW = 10  # images


def counts(seen: Seen) -> Part:
    """Images per class, with the balance stated."""
    order = np.argsort(-seen.counts, kind="stable")
    names, images = [seen.names[label] for label in order], seen.counts[order]
    shares = images / images.sum()
    even = evenness(images)
    balance = _balance(names, images, even)
    blocks = [render_paragraph(*balance), _bars(names, images.tolist())]
    few = [name for name, count in zip(names, images, strict=True) if count < _FEW]
    scarce = f"{many(len(few), 'class has', 'classes have')} fewer than {_FEW} images: {listed(few[::-1])}."
    if few:
        blocks.append(render_warning(scarce))
    columns = [Column("class"), Column("images", ",d"), Column("share", ".1%")]
    rows = list(zip(names, images.tolist(), shares.tolist(), strict=True))
    blocks.append(render_table("Training images per class", columns, rows, folded=True))
    numbers = {
        "classes": len(names),
        "train_images": int(images.sum()),
        "test_images": len(seen.test),
        "largest_class": int(images[0]),
        "smallest_class": int(images[-1]),
        "evenness": even,
    }
    frame = pd.DataFrame({"class": names, "images": images, "share": shares})
    unequal = (balance[0],) if images[0] > _UNEQUAL * images[-1] else ()
    return Part(PageSection("Classes", blocks), numbers, {"classes": frame}, (*unequal, *((scarce,) if few else ())))


def evenness(images: np.ndarray) -> float:
    """Returns the entropy of the class shares over the highest possible: 1 where all classes are equally large."""
    shares = images[images > 0] / images.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(len(images))) if len(images) > 1 else 1.0


def samples(seen: Seen) -> Part:
    """Some images of each class; of the rarest where there are too many classes."""
    labels = np.argsort(seen.counts, kind="stable")[:_GALLERIES]
    if len(seen.classes) <= _GALLERIES:
        labels = np.arange(len(seen.classes))
        said = f"{_SAMPLES} images of each class, drawn by chance."
    else:
        said = (
            f"{_SAMPLES} images of each of the {_GALLERIES} rarest of {len(seen.classes):,} classes, drawn by chance."
        )
    shown = []
    for label in labels:
        rows = np.flatnonzero(seen.labels == label)
        rows = rows[spread(np.zeros(len(rows), dtype=np.int64), _SAMPLES, 1)]
        shown.append(
            render_picture_group(
                seen.names[label], seen.pictures("train", rows), many(int(seen.counts[label]), "image"), 72
            )
        )
    return Part(PageSection("Samples", [render_paragraph(said), render_side_by_side(shown)]))


def folds(seen: Seen) -> Part:
    """Class counts per fold."""
    if seen.folds is None:
        return Part(PageSection("Folds", [render_paragraph("There are no folds yet; `dvc repro split` makes them.")]))
    found = pd.crosstab(seen.folds["label"], seen.folds["fold"]).reindex(range(len(seen.classes)), fill_value=0)
    ideal = found.sum(axis=1).to_numpy()[:, None] / found.shape[1]
    away = float(np.abs(found.to_numpy() - ideal).max())
    sizes = found.sum(axis=0)
    groups_ = seen.folds["group"].nunique()
    least = int(found.to_numpy().min())
    alike = (
        f"{many(int(sizes.min()), 'image')} each"
        if sizes.nunique() == 1
        else f"{sizes.min():,} to {sizes.max():,} images"
    )
    share = (
        f"No class is further than {away:.1f} images from an equal share"
        if away
        else "Every class is shared out equally"
    )
    said = [
        f"{found.shape[1]} folds of {alike}.",
        f"{share}; a fold has {many(least, 'image')} of some class, never fewer.",
    ]
    tied = len(seen.folds) - groups_
    grouped = f"{many(tied, 'image shares', 'images share')} a group with an earlier one and therefore its fold."
    columns = [Column("class"), *(Column(f"fold {number}", ",d") for number in found.columns), Column("all", ",d")]
    rows = [
        (seen.names[int(str(label))], *counted, sum(counted))
        for label, counted in zip(found.index, found.to_numpy().tolist(), strict=True)
    ]
    frame = found.rename(columns=lambda number: f"fold {number}")
    frame.insert(0, "class", list(seen.names))
    section = PageSection(
        "Folds",
        [render_paragraph(*said), render_note(grouped), render_table("Images of each class by fold", columns, rows)],
    )
    return Part(section, {"folds": found.shape[1], "furthest_from_equal_share": away}, {"folds": frame})


def _balance(names: list[str], images: np.ndarray, even: float) -> list[str]:
    if images[0] == images[-1]:
        return [f"The {len(names):,} classes are balanced: {many(int(images[0]), 'image')} each."]
    ratio = images[0] / max(images[-1], 1)
    word = "nearly balanced" if ratio <= 1.5 else "somewhat unequal" if ratio <= _UNEQUAL else "unequal"
    return [
        f"The {len(names):,} classes are {word}: from {many(int(images[-1]), 'image')} ({names[-1]}) to "
        f"{images[0]:,} ({names[0]}), a ratio of {ratio:.1f}.",
        f"Their evenness is {even:.2f}, where 1 means equally large.",
    ]


def _bars(names: list[str], images: list[int]) -> Html:
    """Draws the classes as bars, the largest and the rarest where there are too many."""
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
        axes.set_yticks(range(len(names)), [short(name) for name in names])
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


def short(name: str) -> str:
    """Cuts a name to what a chart has room for."""
    return name if len(name) <= 24 else name[:23] + "…"
