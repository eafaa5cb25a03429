"""Limits of what a competition's file may reach: paths below its source alone, and patterns that end in time.

Such files come from other people. A path that leaves the source would be copied into ``data/prepared``, and with it
into caches and remotes; a pattern that goes back over a name again and again would never end.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from pipeline.core.errors import InputError, one_line

if TYPE_CHECKING:
    import regex

SECONDS = 2.0  # that one pattern may take for one name
_PATHS = ("images", "table", "sample", "solution", "train", "test", "path")
_LONGEST, _LONGEST_NAME = 1000, 255  # letters of a path, bytes of a name in it


def match_whole(pattern: str, text: str) -> "regex.Match[str] | None":
    """Matches a whole text by a pattern of a competition's file.

    Raises:
        InputError: the pattern goes back over the text for seconds.
    """
    return _look_for("fullmatch", pattern, text)


def search_pattern(pattern: str, text: str) -> "regex.Match[str] | None":
    """Searches a text by a pattern of a competition's file.

    Raises:
        InputError: the pattern goes back over the text for seconds.
    """
    return _look_for("search", pattern, text)


def _look_for(method: Literal["fullmatch", "search"], pattern: str, text: str) -> "regex.Match[str] | None":
    compiled, limits = _compile(pattern)
    try:
        return getattr(compiled, method)(text, **limits)
    except TimeoutError as error:
        raise _endless(pattern, text) from error


@lru_cache(maxsize=64)  # a table has millions of ids: regex itself takes longer to find the pattern than to match it
def _compile(pattern: str) -> tuple[Any, dict[str, float]]:
    try:
        import regex
    except ImportError:  # in a packed notebook, whose competition's file is one's own: without a limit there
        return re.compile(pattern), {}
    return regex.compile(pattern), {"timeout": SECONDS}


def check_pattern(pattern: str) -> str:
    """Returns a regular expression.

    Raises:
        ValueError: it is none.
    """
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a regular expression ({error})") from error
    return pattern


def list_paths(competition: BaseModel) -> Iterator[str]:
    """Lists the paths below the source that a competition's file names."""
    return _walk(competition.model_dump(exclude={"source", "class_names", "metric", "target"}))


def _walk(section: dict[str, Any]) -> Iterator[str]:
    for key, value in section.items():
        if key in _PATHS and isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from _walk(value)


def check_relative(paths: Iterable[str]) -> None:
    """Refuses paths that leave the source as they are written.

    Raises:
        ValueError: one is absolute, climbs up, or is too long for any disk.
    """
    for path in paths:
        if len(path) > _LONGEST:
            raise ValueError(f"{path[:60]}... has {len(path):,} letters, a path at most {_LONGEST:,}; correct it")
        parts = PurePosixPath(path)
        if any(len(part.encode("utf-8", "replace")) > _LONGEST_NAME for part in parts.parts):
            raise ValueError(
                f"{path[:60]}... has a name of more than {_LONGEST_NAME} bytes, as no disk has; correct it"
            )
        if parts.is_absolute() or ".." in parts.parts or path.startswith("~") or "\0" in path:
            raise ValueError(f"{path!r} is outside of the source: write a path below its folder, without '..'")


def require_below(base: Path, paths: Iterable[str]) -> None:
    """Refuses paths that lead out of the source by a link.

    Args:
        base: the source's folder.
        paths: below it; what is not there is not looked at.

    Raises:
        InputError: the file or folder behind one lies elsewhere, or links lead in a circle.
    """
    real = base.resolve()
    for path in paths:
        try:
            behind = (base / path).resolve()
        except (RuntimeError, OSError) as error:  # Python 3.11 raises RuntimeError, 3.13 OSError
            raise InputError(f"{base / path} is a link in a circle ({one_line(error)}); remove it") from error
        if behind.exists() and not behind.is_relative_to(real):
            raise InputError(
                f"{base / path} is a link to {behind}, outside of the source; copy what it links to, or name that "
                "folder as the source"
            )


def require_own_folder(root: Path, folder: Path) -> None:
    """Refuses a source that is a home folder, or holds one or this repository: all of that would be a competition's.

    Args:
        root: the repository.
        folder: of the source.

    Raises:
        InputError: it is or does.
    """
    real = folder.resolve()
    places = [(root, "this repository")]
    if "HOME" in os.environ:
        places.insert(0, (Path("~").expanduser(), "your home folder"))
    for inside, words in places:
        if inside.resolve().is_relative_to(real):
            holds = "is" if inside.resolve() == real else "holds"
            raise InputError(f"the source {folder} {holds} {words}; name the folder of the competition's files alone")


def require_files_below(base: Path, folder: Path, files: Collection[str]) -> None:
    """Refuses files of a folder that lie elsewhere, themselves or a folder on the way to them, behind a link.

    Args:
        base: the source's folder.
        folder: below it.
        files: by path below the folder; links that are none of them are not looked at.

    Raises:
        InputError: the file or folder behind one lies outside of the source.
    """
    known = set(files)
    for inner in sorted({path.rpartition("/")[0] for path in files}):
        with os.scandir(folder / inner) as entries:  # says for nothing which files are links
            links = [f"{inner}/{entry.name}".lstrip("/") for entry in entries if entry.is_symlink()]
        looked_at = [path for path in (inner, *links) if path == inner or path in known]
        require_below(base, [(folder / path).relative_to(base).as_posix() for path in looked_at])


def _endless(pattern: str, text: str) -> InputError:
    return InputError(
        f"the pattern {pattern!r} takes more than {SECONDS:g} seconds for {text[:80]!r}: it goes back again "
        "and again; write it without repeats inside of repeats, such as (a+)+"
    )
