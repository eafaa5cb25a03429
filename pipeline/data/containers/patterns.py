"""Patterns of paths: one name for several files, as ``train_*.parquet`` or ``{train,val}/*.tfrec``."""

import re
from pathlib import Path, PurePosixPath

from pipeline.core.errors import InputError
from pipeline.core.ids import natural_order

_BRACES = re.compile(r"\{([^{}]*)\}")
SIGNS = re.compile(r"[*?{\[]")


def expand_path(path: Path) -> list[Path]:
    """Lists the files that a path means: the one of that name, or all that fit its ``*``, ``?`` and ``{a,b}``.

    Returns:
        In natural order; none where no file fits.

    Raises:
        InputError: a pattern with ``..``.
    """
    if path.is_file():
        return [path]
    if not SIGNS.search(str(path)) or path.is_dir():
        return []
    parts = path.parts
    fixed = next(place for place, part in enumerate(parts) if SIGNS.search(part))
    base, pattern = Path(*parts[:fixed]), PurePosixPath(*parts[fixed:]).as_posix()
    if ".." in PurePosixPath(pattern).parts:
        raise InputError(f"{path}: '..' comes after a pattern; write the folder's own name")
    found = {file.as_posix() for each in expand_braces(pattern) for file in base.glob(each) if file.is_file()}
    return [Path(name) for name in natural_order(sorted(found))]


def expand_braces(pattern: str) -> list[str]:
    """Writes ``{a,b}`` out: one pattern for each of its parts."""
    match = _BRACES.search(pattern)
    if match is None:
        return [pattern]
    start, end = pattern[: match.start()], pattern[match.end() :]
    return [whole for part in match[1].split(",") for whole in expand_braces(start + part + end)]
