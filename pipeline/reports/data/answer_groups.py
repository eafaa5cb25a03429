"""Answer groups: what the page about the data takes for classes where images have none, and the columns themselves."""

import numpy as np
import pandas as pd

from pipeline.core.arrays import Rows, Truth
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import CELL_SEPARATOR, Target, slice_truth
from pipeline.page.blocks import render_note, render_paragraph
from pipeline.page.document import PageSection
from pipeline.page.parts import Part
from pipeline.page.table import Column, render_table

_MOST = 40  # sets of labels with a group of their own


def group_answers(target: Target, truth: Truth) -> tuple[Rows, tuple[str, ...], str]:
    """Groups training images by what is true of them.

    Of several targets the first one groups them.

    Returns:
        int64 (n,) the group of each image, the groups' names, and in words what a group is.
    """
    name, part, _, width = next(target.each())
    own = slice_truth(part, truth, width)
    if isinstance(part, OneClass):
        return part.index_labels(own), part.columns, f"their class of {name}" if name else "their class"
    if part.activation == "linear":
        edges = np.unique(np.quantile(own[:, 0], (0.25, 0.5, 0.75)))
        names = [f"below {edges[0]:.4g}", *(f"from {edge:.4g}" for edge in edges)]
        groups = np.searchsorted(edges, own[:, 0], side="right").astype(np.int64)
        return groups, tuple(names), f"quarters of {part.columns[0]}"
    if part.exclusive:
        return own.argmax(axis=1).astype(np.int64), part.columns, "the class with the largest share"
    sets = pd.Series([cell.replace(CELL_SEPARATOR, " + ") or "none" for cell in part.decode(own)])
    kept = sets.value_counts(sort=True).index[:_MOST].tolist()
    names = [*kept, "other sets"] if sets.nunique() > _MOST else kept
    place = {each: number for number, each in enumerate(kept)}
    return np.array([place.get(each, len(kept)) for each in sets], dtype=np.int64), tuple(names), "their set of labels"


def show_columns(target: Target, truth: Truth, grouping: str) -> Part:
    """Shows each label, number or share of the training images, and what the rest of the page groups them by."""
    rows = []
    for name, part, _, width in target.each():
        own = slice_truth(part, truth, width)
        made = part.make_targets(own) if own.ndim == 1 else own
        for at, column in enumerate(part.columns):
            values = made[:, at].astype(np.float64)
            label = f"{name}: {column}" if name and name != column else column
            rows.append((label, float(values.mean()), float(values.std()), float(values.min()), float(values.max())))
    names = ["column", "mean", "deviation", "lowest", "highest"]
    columns = [Column(names[0]), *(Column(each, ".4g") for each in names[1:])]
    blocks = [
        render_paragraph(f"Images have no single class: on this page their classes are {grouping}."),
        render_table("What is true of the training images", columns, rows),
        render_note("The mean of a label or class is the share of images that have it."),
    ]
    return Part(PageSection("Columns", blocks), {}, {"columns": pd.DataFrame(rows, columns=names)})
