"""Sheets of answers read from prepared files: the sample, units and rows, and what was fitted out-of-fold."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pipeline.core.competition import Competition
from pipeline.core.csvs import read_table
from pipeline.core.digests import require_unchanged
from pipeline.core.errors import InputError, one_line
from pipeline.core.tables import read_index
from pipeline.core.targets.contract import Target
from pipeline.core.targets.prepared import read_target
from pipeline.kaggle.answers.contract import AnswerRule, AnswerSheet

_AGAIN = "run `dvc repro prepare`"


def format_rows(rows: pd.DataFrame, ids: Sequence[str]) -> list[str]:
    """Formats the rows that speak of each image for the test index: JSON, row -> part."""
    parts: dict[str, dict[str, str]] = {name: {} for name in ids}
    for row, image, part in rows[["row", "image", "part"]].itertuples(index=False):
        if image in parts:
            parts[image][row] = part
    return [json.dumps(parts[name], ensure_ascii=False) for name in ids]


def read_sheet(
    prepared: Path, competition: Competition, target: Target | None = None, rule: AnswerRule | None = None
) -> AnswerSheet:
    """Reads the sheet that answers are written by.

    Args:
        prepared: data/prepared.
        competition: the form.
        target: what is predicted; None reads it there, too.
        rule: what was fitted out-of-fold.

    Raises:
        InputError: nothing is prepared there, or its files are damaged.
    """
    section = competition.submission
    answer = target or read_target(prepared)
    require_unchanged(prepared / "sample_submission.csv", _AGAIN)
    sample = read_table(prepared / "sample_submission.csv")
    units, rows = dict[str, str](), None
    if section.unit is not None or section.kind == "rows":
        index = read_index(prepared / "test.csv")
        if section.unit is not None:
            units = _read_units(index, prepared)
        rows = _read_rows(index, prepared) if "rows" in index.columns else None
    return AnswerSheet(section, answer, sample, units, rows, rule or AnswerRule())


def _read_units(index: pd.DataFrame, prepared: Path) -> dict[str, str]:
    if "unit" not in index.columns:
        raise InputError(f"{prepared / 'test.csv'} has no column unit, which submission.unit asks for; {_AGAIN}")
    return dict(zip(index["id"], index["unit"], strict=True))


def _read_rows(index: pd.DataFrame, prepared: Path) -> pd.DataFrame:
    try:
        cells = [
            (row, image, part)
            for image, text in zip(index["id"], index["rows"], strict=True)
            for row, part in json.loads(text).items()
        ]
    except ValueError as error:
        raise InputError(f"{prepared / 'test.csv'} is damaged ({one_line(error)}); {_AGAIN}") from error
    return pd.DataFrame(cells, columns=["row", "image", "part"], dtype="str")
