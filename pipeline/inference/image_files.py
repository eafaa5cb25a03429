"""Image files named on a command line: files, folders and patterns, listed in natural order and decoded."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np

from pipeline.core.arrays import Images
from pipeline.core.errors import InputError, one_line
from pipeline.core.files import files_below
from pipeline.core.ids import natural_order
from pipeline.core.layouts import IMAGE_SUFFIXES
from pipeline.images.decoding import BrokenImageError, decode_file
from pipeline.images.fitting import StorageForm, StoredImage
from pipeline.images.slices import choose_slices, decode_slices

_WILD = "*?["
_LONGEST = 255  # bytes of a name, as file systems have it


def find_image_files(wanted: Sequence[str]) -> list[Path]:
    """Lists the image files that paths and patterns name, each once.

    A file is taken whatever its suffix; of a folder all files below it with the suffix of an image, in natural order.

    Raises:
        InputError: a path that does not exist, a folder without images, a pattern without matches, a name that is
            not UTF-8.
    """
    paths = [path for text in wanted for path in _expand(text)]
    for path in paths:
        if not _is_utf8(path):
            raise InputError(f"{str(path)!a} has a name that is not UTF-8; rename it")
    return list(dict.fromkeys(paths))


def gather_slices(files: Sequence[Path], form: StorageForm) -> list[Path]:
    """Puts the folder in place of its files where a folder of slices makes an image; a file that is alone stays one.

    Args:
        files: of images.
        form: how they are to be stored.
    """
    if form.slices is None:
        return list(files)
    beside = Counter(path.parent for path in files)
    return list(dict.fromkeys(path if beside[path.parent] == 1 else path.parent for path in files))


def read_image_files(paths: Sequence[Path], form: StorageForm) -> tuple[Images, dict[int, str]]:
    """Decodes image files, and folders of slices that make an image.

    Args:
        paths: of the files or folders.
        form: how they are to be stored.

    Returns:
        Grey levels (n, size, size, channels) of those that can be read, in their order; and, by its place among
        ``paths``, the problem of each of the others.
    """

    def read(path: Path) -> Images | str:
        try:
            return (_decode_folder if path.is_dir() else decode_file)(path, form).levels
        except (BrokenImageError, OSError) as error:
            return " ".join(str(error).split())

    with ThreadPoolExecutor() as pool:
        decoded = list(pool.map(read, paths))
    whole = [pixels for pixels in decoded if not isinstance(pixels, str)]
    dtype = np.uint8 if form.dtype == "uint8" else np.float32
    images = np.stack(whole) if whole else np.zeros((0, form.size, form.size, form.channels), dtype)
    return cast(Images, images), {place: problem for place, problem in enumerate(decoded) if isinstance(problem, str)}


def _decode_folder(folder: Path, form: StorageForm) -> StoredImage:
    names = [path.name for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    chosen = [folder / name for name in choose_slices(names, form, folder)]
    return decode_file(chosen[0], form) if form.slices == "middle" else decode_slices(chosen, form)


def _is_utf8(path: Path) -> bool:
    """Returns whether a name is text; Python keeps other bytes as lone surrogates."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _expand(text: str) -> Iterator[Path]:
    path = Path(text)
    if max(map(len, map(os.fsencode, path.parts)), default=0) > _LONGEST:
        raise InputError(
            f"{text[:40]}... is too long for a file name; separate several images by blanks, or name a folder"
        )
    if path.is_file():
        yield path
    elif path.is_dir():
        below = [str(file) for file in files_below(path) if file.suffix.lower() in IMAGE_SUFFIXES]
        if not below:
            raise InputError(f"{text} holds no images ({', '.join(IMAGE_SUFFIXES)}); name another folder")
        yield from map(Path, natural_order(below))
    elif any(letter in text for letter in _WILD):
        base = Path(path.anchor or ".")
        try:
            matching = natural_order([str(one) for one in base.glob(text[len(path.anchor) :]) if one.is_file()])
        except ValueError as error:  # such as a**b
            raise InputError(f"{text} is not a valid pattern ({one_line(error)}); correct it") from error
        if not matching:
            raise InputError(f"no file matches {text}; correct the pattern")
        yield from map(Path, matching)
    else:
        raise InputError(f"{text} does not exist; name an image, a folder or a pattern such as 'new/*.jpg'")
