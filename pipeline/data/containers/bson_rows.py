"""Rows of BSON, MongoDB's binary JSON: one document after the other (https://bsonspec.org)."""

from collections.abc import Collection, Iterator
from pathlib import Path

from pipeline.core.errors import InputError, one_line
from pipeline.data.containers.cells import Row


def iterate_bson(path: Path, columns: Collection[str] | None) -> Iterator[Row]:
    """Yields the documents one by one, whole: ``columns`` saves nothing here.

    Raises:
        InputError: damaged, cut off, or no BSON.
    """
    import bson
    from bson.errors import BSONError

    read = 0
    try:
        with path.open("rb") as file:
            for document in bson.decode_file_iter(file):
                read += 1
                yield {name: str(cell) if isinstance(cell, bson.ObjectId) else cell for name, cell in document.items()}
    except BSONError as error:
        what = f"is damaged after document {read}" if read else "is no BSON"
        raise InputError(f"{path} {what} ({one_line(error)}); get it again") from error
