"""Pictures that a person names: files, folders and patterns -> files in the order people count, decoded."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError, one_line
from pipeline.core.files import files_below
from pipeline.core.ids import natural_order
from pipeline.core.layouts import IMAGE_SUFFIXES
from pipeline.images.decoding import BrokenImageError, StorageForm, decode_file

_WILD = "*?["
_LONGEST = 255  # bytes of a name, as file systems have it


def find(wanted: Sequence[str]) -> list[Path]:
    """Lists the pictures that are meant, each once.

    A file counts whatever its name ends in; of a folder all below it that are called as pictures are, in natural order.

    Raises:
        InputError: a path that is not there, a folder without pictures, a pattern that fits nothing, a name that is no
            text.
    """
    found = [path for text in wanted for path in _meant(text)]
    for path in found:
        if not _is_utf8(path):
            raise InputError(f"{str(path)!a} has a name that is not UTF-8; rename it")
    return list(dict.fromkeys(found))


def read(paths: Sequence[Path], form: StorageForm) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Decodes pictures.

    Args:
        paths: of the files.
        form: how they are to be stored.

    Returns:
        uint8 (n, size, size, channels) of those that can be read, in their order; and, by its place among ``paths``,
        what is wrong with each of the others.
    """

    def one(path: Path) -> NDArray[np.uint8] | str:
        try:
            return decode_file(path, form).pixels
        except (BrokenImageError, OSError) as error:
            return " ".join(str(error).split())

    with ThreadPoolExecutor() as pool:
        decoded = list(pool.map(one, paths))
    whole = [pixels for pixels in decoded if not isinstance(pixels, str)]
    images = np.stack(whole) if whole else np.zeros((0, form.size, form.size, form.channels), dtype=np.uint8)
    return images, {place: problem for place, problem in enumerate(decoded) if isinstance(problem, str)}


def _is_utf8(path: Path) -> bool:
    """Says whether a name can be written down; Python keeps the bytes that are no text as lone surrogates."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _meant(text: str) -> Iterator[Path]:
    path = Path(text)
    if max(map(len, map(os.fsencode, path.parts)), default=0) > _LONGEST:
        raise InputError(
            f"{text[:40]}... is too long for a name; put several pictures apart by blanks, or name a folder"
        )
    if path.is_file():
        yield path
    elif path.is_dir():
        below = [str(file) for file in files_below(path) if file.suffix.lower() in IMAGE_SUFFIXES]
        if not below:
            raise InputError(f"{text} holds no pictures ({', '.join(IMAGE_SUFFIXES)}); name another folder")
        yield from map(Path, natural_order(below))
    elif any(letter in text for letter in _WILD):
        base = Path(path.anchor or ".")
        try:
            fitting = natural_order([str(one) for one in base.glob(text[len(path.anchor) :]) if one.is_file()])
        except ValueError as error:  # such as a**b
            raise InputError(f"{text} is no pattern ({one_line(error)}); correct it") from error
        if not fitting:
            raise InputError(f"no file fits {text}; correct the pattern")
        yield from map(Path, fitting)
    else:
        raise InputError(f"{text} does not exist; name a picture, a folder or a pattern such as 'new/*.jpg'")
