"""Sizes and aspect ratios of the original images, and how the test images compare with the training images."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.page.blocks import render_note, render_paragraph
from pipeline.page.chart import BLUE, ORANGE, open_chart, render_chart
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import render_side_by_side
from pipeline.page.table import Column, render_table
from pipeline.reports.data.prepared_data import PreparedData, format_count

_SQUARE = 0.02  # an aspect ratio this close to 1 counts as square


def show_sizes(data: PreparedData) -> Part:
    """Shows sizes, aspect ratios and orientation of the files, before the stage prepare resized them."""
    parts = [(name, data.index(name)) for name in ("train", "test") if len(data.index(name))]
    rows: list[tuple[str | float, ...]] = [(name, *_summarise(index)) for name, index in parts]
    names = ("images", "sizes", "narrowest", "median width", "widest", "lowest", "median height", "highest")
    kinds = ("wider", "square", "higher")
    columns = [Column("part"), *(Column(name, ",.0f") for name in names), *(Column(name, ".1%") for name in kinds)]
    sentences, all_equal = _describe_training(data.train, data.shape[0])
    blocks = [render_paragraph(*sentences)]
    if not all_equal:
        # The sentence has these already; they would make the table too wide.
        kept = [place for place, column in enumerate(columns) if column.name not in ("sizes", "square")]
        cells = [[row[place] for place in kept] for row in rows]
        blocks += [
            _draw_charts(parts),
            render_table("Sizes in pixels, before preparing", [columns[place] for place in kept], cells),
        ]
    frame = pd.DataFrame(rows, columns=["part", *names, *kinds])
    comparison = _compare_test(data)
    if comparison:
        blocks.append(render_note(comparison))
    numbers = {
        "min_side": int(data.train[["width", "height"]].min().min()),
        "max_side": int(data.train[["width", "height"]].max().max()),
    }
    return Part(PageSection("Sizes", blocks), numbers, {"sizes": frame})


def _summarise(index: pd.DataFrame) -> list[float]:
    width, height = index["width"], index["height"]
    aspect = _compute_aspect(index)
    wide, high = float((aspect > 1 + _SQUARE).mean()), float((aspect < 1 / (1 + _SQUARE)).mean())
    spans = [
        value for side in (width, height) for value in (float(side.min()), float(side.median()), float(side.max()))
    ]
    different = len(index[["width", "height"]].drop_duplicates())
    return [len(index), different, *spans, wide, 1 - wide - high, high]


def _compute_aspect(index: pd.DataFrame) -> NDArray[np.float64]:
    # An unreadable test image has no size.
    return np.asarray(index["width"].clip(lower=1) / index["height"].clip(lower=1), dtype=np.float64)


def _describe_training(train: pd.DataFrame, stored: int) -> tuple[list[str], bool]:
    different = train[["width", "height"]].drop_duplicates()
    shorter = np.minimum(train["width"], train["height"])
    enlarged = float((shorter < stored).mean())
    kept = f"The pipeline stores them at {stored} x {stored};"
    change = f"{enlarged:.0%} are enlarged." if enlarged else "none is enlarged."
    if len(different) == 1:
        width, height = different.iloc[0]
        return [f"All training images are {width} x {height} pixels.", kept, change], True
    aspect = _compute_aspect(train)
    wide = float((aspect > 1 + _SQUARE).mean())
    high = float((aspect < 1 / (1 + _SQUARE)).mean())
    span = f"{shorter.min():,}" + (f" to {shorter.max():,}" if shorter.max() > shorter.min() else "")
    return [
        f"Training images have {format_count(len(different), 'size')},",
        f"with shorter sides of {span} pixels;",
        f"{wide:.0%} are landscape, {high:.0%} portrait.",
        kept,
        change,
    ], False


def _compare_test(data: PreparedData) -> str:
    if not len(data.test):
        return "There are no test images."
    known = set(map(tuple, data.train[["width", "height"]].to_numpy().tolist()))
    new = [pair not in known for pair in map(tuple, data.test[["width", "height"]].to_numpy().tolist())]
    if not any(new):
        return "Every test image has a size that also occurs among the training images."
    return f"{np.mean(new):.1%} of the test images have a size that no training image has."


def _draw_charts(parts: list[tuple[str, pd.DataFrame]]) -> Html:
    return render_side_by_side([_draw_histogram(parts, area) for area in (True, False)])


def _draw_histogram(parts: list[tuple[str, pd.DataFrame]], area: bool) -> Html:
    """Draws sizes (roots of areas) or shapes (ratios of sides)."""
    whole = np.concatenate([_list_values(area, index) for _, index in parts])
    span = np.histogram_bin_edges(whole, 40).tolist()
    with open_chart(3.6, 2.6) as figure:
        axes = figure.subplots()
        for (name, index), colour in zip(parts, (BLUE, ORANGE), strict=False):
            values = _list_values(area, index)
            share = np.full(len(values), 1 / len(values))
            axes.hist(values, bins=span, weights=share, histtype="step", color=colour, linewidth=1.4, label=name)
        axes.set(xlabel="square root of the area in pixels" if area else "width over height", ylabel="share of images")
        if not area:
            low, high = axes.get_xlim()
            ticks = [tick for tick in (-3, -2, -1, 0, 1, 2, 3) if low <= tick <= high]
            axes.set_xticks(ticks, [f"{2.0**tick:g}" for tick in ticks])
        figure.legend(loc="outside upper left", ncols=2)
    medians = ((name, float(np.median(_list_values(area, index)))) for name, index in parts)
    about = "; ".join(f"{name}: median {value if area else 2.0**value:,.3g}" for name, value in medians)
    return render_chart(figure, "Sizes of the original images" if area else "Shapes of the original images", about)


def _list_values(area: bool, index: pd.DataFrame) -> NDArray[np.float64]:
    area_of = (index["width"] * index["height"]).to_numpy(dtype=np.float64)
    return np.asarray(np.sqrt(area_of) if area else np.log2(_compute_aspect(index)))
