"""Several targets at once, each a column of its own: classes, numbers, or both, which want a metric of one's own."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.data.describe.label_sets import refuse_masks

_STARTER = '''"""The score of {title}: a starting point, to be replaced by what the competition's rules say.

configs/metrics/README.md says how such a file is called.
"""

import numpy as np

CLASSES = {classes}  # targets by their column in both arrays: classes, as places in the order of their names
NUMBERS = {numbers}


def {name}(y_true, y_pred):
    """Return the mean over all targets: of classes the share that is right, of numbers R2."""
    scores = [np.mean(y_true[:, column] == y_pred[:, column]) for column in CLASSES]
    for column in NUMBERS:
        error, spread = np.mean((y_true[:, column] - y_pred[:, column]) ** 2), np.var(y_true[:, column])
        scores.append(1 - error / spread if spread else 0.0)
    return float(np.mean(scores))
'''
_MOST_STRAYS = 0.2  # of the cells: more, and a column is none of numbers
_NAME = "score"  # of the function in it


def is_number_column(cells: pd.Series) -> bool:
    """Says whether a column holds numbers alone, beside blanks."""
    filled = cells[cells != ""]
    return len(filled) > 0 and bool(np.isfinite(pd.to_numeric(filled, errors="coerce")).all())


def format_unfit(cells: pd.Series, path: str) -> str:
    """Formats what keeps a column from being an answer: one value, or few words among numbers; else an empty text.

    Args:
        cells: as text.
        path: of the table.
    """
    filled = cells[cells.str.strip() != ""]
    if filled.nunique() == 1:
        return f"{cells.name} of {path} holds {filled.iloc[0]!r} in all rows, which leaves nothing to predict"
    wrong = filled[~np.isfinite(pd.to_numeric(filled, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))]
    if not len(wrong) or len(wrong) > _MOST_STRAYS * len(filled):
        return ""
    rows = f"{len(wrong):,} rows such as row {cells.index.tolist().index(wrong.index[0]) + 1}"
    return (
        f"{cells.name} of {path} holds {wrong.iloc[0]!r} among numbers, in {rows}: correct these cells, or empty them"
    )


def describe_parts(
    cells: pd.DataFrame, sample: pd.DataFrame, path: str
) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    """Describes targets, one in each column: the section of each by its name, and what each prediction is about.

    Args:
        cells: the columns of the training table, as text.
        sample: the sample submission.
        path: of the training table, for messages.

    Raises:
        InputError: a column is no target: masks, and texts that differ from row to row.
    """
    for name in cells.columns:
        refuse_masks(cells[name], str(name), f"column {name} of {path}")
        if not is_number_column(cells[name]) and cells[name].nunique() > len(cells) / 2:
            if unfit := format_unfit(cells[name], path):
                raise InputError(f"{unfit}; or choose the columns of the answers with --label")
            raise InputError(
                f"column {name} of {path} holds {cells[name].nunique():,} texts in {len(cells):,} rows, such as "
                f"{cells[name].iloc[0][:40]!r}, which are no classes; choose the columns of the answers with --label"
            )
    parts = {str(name): {"kind": _find_kind(cells[name], sample)} for name in cells.columns}
    columns = tuple(
        f"{name}:{value}"
        for name, part in parts.items()
        for value in ([name] if part["kind"] == "numbers" else sorted(set(cells[name])))
    )
    return parts, columns


def _find_kind(cells: pd.Series, sample: pd.DataFrame) -> str:
    """Says what one target of several is: numbers where there are fractions, here or in the sample, else classes."""
    numbers = pd.to_numeric(cells, errors="coerce")
    if numbers.isna().any():
        return "one_class"
    shown = pd.to_numeric(sample[cells.name], errors="coerce") if cells.name in sample.columns else numbers
    fractions = bool((numbers % 1 != 0).any()) or (bool(shown.notna().all()) and bool((shown % 1 != 0).any()))
    return "numbers" if fractions else "one_class"


def list_mixed(target: Mapping[str, Any]) -> tuple[list[str], list[str]] | None:
    """Lists the targets that are classes and those that are numbers, where there are both; else None.

    Args:
        target: the section of what is predicted.
    """
    parts = {name: part["kind"] for name, part in target.get("targets", {}).items()}
    numbers = [name for name, kind in parts.items() if kind == "numbers"]
    classes = [name for name in parts if name not in numbers]
    return (classes, numbers) if classes and numbers else None


def refuse_metric(metric: str | None, parts: Mapping[str, Any], path: str) -> None:
    """Refuses a shipped metric for classes beside numbers.

    Raises:
        InputError: says how to get a metric of one's own.
    """
    mixed = list_mixed({"targets": parts})
    if metric is not None and mixed is not None:
        raise InputError(
            f"--metric {metric}: {path} holds classes ({some(mixed[0], 5)}) and numbers ({some(mixed[1], 5)}), which "
            "no shipped metric judges together; leave --metric out: the file that is written names a metric of your "
            "own under configs/metrics (metric: {file: ..., name: ..., greater_is_better: ...}; see "
            "configs/metrics/README.md), or choose fewer columns with --label"
        )


def describe_own_metric() -> tuple[dict[str, Any], str]:
    """Describes the metric section of classes beside numbers, whose file has no name yet, and what to check of it."""
    words = (
        "no shipped metric judges classes and numbers together: metric.file under configs/metrics takes the mean of "
        "the share of right classes and of R2; read the competition's rules and correct it (configs/metrics/README.md)"
    )
    return {"name": _NAME, "greater_is_better": True}, words


def format_own_metric(title: str, target: Mapping[str, Any]) -> str:
    """Formats a Python file with a metric of classes beside numbers, to be corrected.

    Args:
        title: of the competition.
        target: the section of what is predicted.
    """
    places = dict(enumerate(target["targets"]))
    classes, numbers = ({at: places[at] for at in places if places[at] in names} for names in list_mixed(target) or ())
    return _STARTER.format(title=title, classes=ascii(classes), numbers=ascii(numbers), name=_NAME)
