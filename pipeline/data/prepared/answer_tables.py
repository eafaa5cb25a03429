"""Tables that answers refer to: the unit of each image, the image and part of each row."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from pipeline.core.answers import RowSubmission, RowTable
from pipeline.core.competition import Competition
from pipeline.core.confined import match_whole
from pipeline.core.csvs import require_columns
from pipeline.core.errors import InputError, some
from pipeline.core.units import UnitTable
from pipeline.data.containers.tables import read_rows


def read_units(base: Path, source: UnitTable, ids: Sequence[str], encoding: str | None) -> list[str]:
    """Reads the unit of each image; empty where the table does not name it.

    Raises:
        InputError: the table lacks a column, or gives an image two units.
    """
    path = base / source.table
    table = read_rows(path, encoding=encoding)
    require_columns(table.columns.tolist(), [source.image, *source.columns], path)
    names = ["_".join(row) for row in zip(*(table[column] for column in source.columns), strict=True)]
    pairs = pd.DataFrame({"image": table[source.image], "unit": names}).drop_duplicates()
    double = pairs.loc[pairs["image"].duplicated(), "image"].tolist()
    if double:
        raise InputError(f"{path}: {len(double)} images have two units: {some(double)}; correct submission.unit")
    known = dict(zip(pairs["image"], pairs["unit"], strict=True))
    bare = {_strip_path(name): unit for name, unit in known.items()}  # an id may lack extension or folder
    return [known.get(name) or bare.get(_strip_path(name), "") for name in ids]


def _strip_path(name: str) -> str:
    path = PurePosixPath(name)
    return path.stem if path.suffix[1:].isalpha() else path.name


def read_row_table(base: Path, competition: Competition) -> pd.DataFrame | None:
    """Reads what each row of answers is about: the columns row, image and part; None where no table says so.

    Raises:
        InputError: the table lacks a column, or names a row twice.
    """
    section = competition.submission
    if not isinstance(section, RowSubmission) or not isinstance(section.rows, RowTable):
        return None
    rows = section.rows
    table = read_rows(base / rows.table, encoding=competition.encoding)
    require_columns(table.columns.tolist(), [rows.row, rows.image, rows.part], base / rows.table)
    renamed = pd.DataFrame({"row": table[rows.row], "image": table[rows.image], "part": table[rows.part]})
    twice = renamed.loc[renamed["row"].duplicated(), "row"].tolist()
    if twice:
        raise InputError(f"{base / rows.table}: {len(twice)} rows are there twice: {some(twice)}; keep one of each")
    return renamed


def list_known_ids(base: Path, competition: Competition) -> set[str]:
    """Lists the ids of test images as answers write them; none where no file does."""
    section, encoding = competition.submission, competition.encoding
    if isinstance(section, RowSubmission) and isinstance(section.rows, RowTable):
        return _read_column(base / section.rows.table, section.rows.image, encoding)
    if section.unit is not None:
        source = section.unit.test
        return _read_column(base / source.table, source.image, encoding) if isinstance(source, UnitTable) else set()
    sample = base / section.sample
    known = _read_column(sample, section.id, encoding) if sample.is_file() else set()
    if isinstance(section, RowSubmission) and not isinstance(section.rows, RowTable):
        found = [match_whole(section.rows.pattern, name) for name in known]
        return {match["image"] for match in found if match is not None}
    return known


def _read_column(path: Path, column: str, encoding: str | None) -> set[str]:
    table = read_rows(path, encoding=encoding)
    require_columns(table.columns.tolist(), [column], path)
    return set(table[column])
