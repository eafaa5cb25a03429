"""Formats of files that hold rows: tables, and packed images; what reads which suffix is looked up here."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.data.containers.array_rows import iterate_hdf5, iterate_numpy
from pipeline.data.containers.bson_rows import iterate_bson
from pipeline.data.containers.cells import Row
from pipeline.data.containers.json_rows import iterate_json, iterate_json_lines
from pipeline.data.containers.parquet_rows import iterate_parquet
from pipeline.data.containers.tfrecords import iterate_tfrecords


@dataclass(frozen=True)
class RowFormat:
    """A format of rows.

    Attributes:
        kind: its name, for people.
        suffixes: of its files, in lower case.
        rows: what a row is, for people.
        iterate: from a file and the wanted columns (None: all) to its rows.
    """

    kind: str
    suffixes: tuple[str, ...]
    rows: str
    iterate: Callable[[Path, Collection[str] | None], Iterator[Row]]


ROW_FORMATS = (
    RowFormat("Parquet", (".parquet", ".pq"), "a row", iterate_parquet),
    RowFormat(
        "JSON",
        (".json",),
        "a record of a list, also of one inside an object; a row of a table as pandas writes it; an image of COCO's "
        "form with its category (`category_id`, `category_name`; also `label_id`, or a list of them)",
        iterate_json,
    ),
    RowFormat("JSON lines", (".jsonl", ".ndjson"), "a line", iterate_json_lines),
    RowFormat("TFRecord", (".tfrec", ".tfrecord", ".tfrecords"), "a `tf.train.Example`", iterate_tfrecords),
    RowFormat(
        "BSON",
        (".bson",),
        "a document; each picture where it lists several (`imgs`: the column `imgs` then holds `<id>_<number>`)",
        iterate_bson,
    ),
    RowFormat(
        "HDF5",
        (".hdf5", ".h5", ".hdf"),
        "a data set (`name`, `image`), or a step of the arrays' first axis (`row` counts from 0)",
        iterate_hdf5,
    ),
    RowFormat(
        "NumPy",
        (".npy", ".npz"),
        "a step of the first axis (`row`; `value`, or the NPZ's names), or an array of an NPZ (`name`, `image`)",
        iterate_numpy,
    ),
)
_SHARD = re.compile(r"-\d{3,6}-of-\d{3,6}$")  # a part of a set of records, as TensorFlow numbers them
ROW_SUFFIXES = tuple(suffix for each in ROW_FORMATS for suffix in each.suffixes)
WORKBOOK_SUFFIXES = (".xlsx", ".xls", ".xlsm", ".ods")


def strip_shard(path: str) -> str:
    """Drops the number of a part: ``train.tfrecord`` of train.tfrecord-00000-of-00002."""
    return _SHARD.sub("", path)


def is_row_shard(path: str) -> bool:
    """Says whether a file of rows has the number of a part behind its ending; before it, the ending tells."""
    if "-of-" not in path:
        return False
    whole = strip_shard(path.lower())
    return len(whole) < len(path) and whole.endswith(ROW_SUFFIXES)


def find_format(path: Path | str) -> RowFormat | None:
    """Returns the format of a file's rows by its suffix; None for CSV and all else.

    Raises:
        InputError: an Excel workbook.
    """
    suffix = Path(strip_shard(str(path))).suffix.lower()
    if suffix in WORKBOOK_SUFFIXES:
        raise InputError(
            f"{path} is a workbook ({suffix}), whose cells a program may have changed: dates, long numbers, leading "
            "zeros; save its sheet as CSV and name that file"
        )
    return next((each for each in ROW_FORMATS if suffix in each.suffixes), None)
