"""How large the original images are, how wide against how high, and how test compares with train."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.page.blocks import render_note, render_paragraph
from pipeline.page.chart import BLUE, ORANGE, open_chart, render_chart
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.table import Column, render_table
from pipeline.reports.data.material import Seen, many

_SQUARE = 0.02  # an aspect ratio this close to 1 counts as square


def sizes(seen: Seen) -> Part:
    """Sizes, aspect ratios and orientation of the files, as they were before prepare brought them to one size."""
    parts = [(name, seen.index(name)) for name in ("train", "test") if len(seen.index(name))]
    rows: list[tuple[str | float, ...]] = [(name, *_described(index)) for name, index in parts]
    names = ("images", "sizes", "narrowest", "median width", "widest", "lowest", "median height", "highest")
    kinds = ("wider", "square", "higher")
    columns = [Column("part"), *(Column(name, ",.0f") for name in names), *(Column(name, ".1%") for name in kinds)]
    said, one = _said(seen.train, seen.shape[0])
    blocks = [render_paragraph(*said)]
    if not one:
        # What the sentence says already would only make the table too wide.
        kept = [place for place, column in enumerate(columns) if column.name not in ("sizes", "square")]
        cells = [[row[place] for place in kept] for row in rows]
        blocks += [
            _charts(parts),
            render_table("Sizes in pixels, before preparing", [columns[place] for place in kept], cells),
        ]
    frame = pd.DataFrame(rows, columns=["part", *names, *kinds])
    alike = _compared(seen)
    if alike:
        blocks.append(render_note(alike))
    numbers = {
        "min_side": int(seen.train[["width", "height"]].min().min()),
        "max_side": int(seen.train[["width", "height"]].max().max()),
    }
    return Part(PageSection("Sizes", blocks), numbers, {"sizes": frame})


def _described(index: pd.DataFrame) -> list[float]:
    width, height = index["width"], index["height"]
    aspect = _aspect(index)
    wide, high = float((aspect > 1 + _SQUARE).mean()), float((aspect < 1 / (1 + _SQUARE)).mean())
    spans = [
        value for side in (width, height) for value in (float(side.min()), float(side.median()), float(side.max()))
    ]
    different = len(index[["width", "height"]].drop_duplicates())
    return [len(index), different, *spans, wide, 1 - wide - high, high]


def _aspect(index: pd.DataFrame) -> NDArray[np.float64]:
    # An unreadable test image has no size.
    return np.asarray(index["width"].clip(lower=1) / index["height"].clip(lower=1), dtype=np.float64)


def _said(train: pd.DataFrame, stored: int) -> tuple[list[str], bool]:
    different = train[["width", "height"]].drop_duplicates()
    shorter = np.minimum(train["width"], train["height"])
    enlarged = float((shorter < stored).mean())
    kept = f"The pipeline keeps them at {stored} x {stored};"
    change = f"{enlarged:.0%} are enlarged for that." if enlarged else "none is enlarged for that."
    if len(different) == 1:
        width, height = different.iloc[0]
        return [f"All training images are {width} x {height} pixels.", kept, change], True
    aspect = _aspect(train)
    wide = float((aspect > 1 + _SQUARE).mean())
    high = float((aspect < 1 / (1 + _SQUARE)).mean())
    span = f"{shorter.min():,}" + (f" to {shorter.max():,}" if shorter.max() > shorter.min() else "")
    return [
        f"Training images have {many(len(different), 'size')},",
        f"with shorter sides of {span} pixels;",
        f"{wide:.0%} are wider than high, {high:.0%} higher than wide.",
        kept,
        change,
    ], False


def _compared(seen: Seen) -> str:
    if not len(seen.test):
        return "There are no test images."
    known = set(map(tuple, seen.train[["width", "height"]].to_numpy().tolist()))
    new = [pair not in known for pair in map(tuple, seen.test[["width", "height"]].to_numpy().tolist())]
    if not any(new):
        return "Every test image has a size that training images have, too."
    return f"{np.mean(new):.1%} of the test images have a size that no training image has."


def _charts(parts: list[tuple[str, pd.DataFrame]]) -> Html:
    with open_chart(7.5, 2.7) as figure:
        left, right = figure.subplots(1, 2)
        for (name, index), colour in zip(parts, (BLUE, ORANGE), strict=False):
            for axes in (left, right):
                values = _values(axes is left, index)
                span = np.histogram_bin_edges(np.concatenate([_values(axes is left, other) for _, other in parts]), 40)
                axes.hist(
                    values,
                    bins=span,
                    weights=np.full(len(values), 1 / len(values)),
                    histtype="step",
                    color=colour,
                    linewidth=1.4,
                    label=name,
                )
        left.set(title="Side of the square of equal area", xlabel="pixels", ylabel="share of images")
        right.set(title="Width over height", xlabel="ratio")
        ticks = [tick for tick in (-3, -2, -1, 0, 1, 2, 3) if right.get_xlim()[0] <= tick <= right.get_xlim()[1]]
        right.set_xticks(ticks, [f"{2.0**tick:g}" for tick in ticks])
        left.legend()
    about = "; ".join(
        f"{name}: median area {np.median(index['width'] * index['height']):,.0f} pixels" for name, index in parts
    )
    return render_chart(figure, "Sizes and shapes of the original images", about)


def _values(area: bool, index: pd.DataFrame) -> NDArray[np.float64]:
    area_of = (index["width"] * index["height"]).to_numpy(dtype=np.float64)
    return np.asarray(np.sqrt(area_of) if area else np.log2(_aspect(index)))
