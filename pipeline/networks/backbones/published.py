"""Published weights by name: which file holds a backbone's, whether it is at hand, and whether it can be had.

Reference: https://keras.io/api/applications
"""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.core.errors import InputError
from pipeline.networks.runtime import keras

Arguments = tuple[tuple[str, Any], ...]
_SECONDS = 5.0  # for a host to answer
_BY_SIZE = ("MobileNet", "MobileNetV2")  # have a file for each of some sides


@dataclass(frozen=True)
class PublishedWeights:
    """A file of weights, as published by Keras.

    Attributes:
        name: of the file.
        origin: its URL.
        digest: what Keras checks a download against; None where it does not.
    """

    name: str
    origin: str
    digest: str | None


class _NamedError(Exception):
    """Ends the building of a network as soon as it has named its file."""

    def __init__(self, file: PublishedWeights) -> None:
        super().__init__(file.name)
        self.file = file


@lru_cache(maxsize=64)
def get_file_utils() -> Any:
    """Returns the module of Keras that downloads weights."""
    return keras.src.utils.file_utils


def find_published(
    make: Callable[..., keras.Model], arguments: Arguments = (), size: int | None = None
) -> PublishedWeights:
    """Asks `keras.applications` which file holds a backbone's ImageNet weights without top; loads nothing.

    Args:
        make: the backbone's function.
        arguments: what it is called with beside weights and shape.
        size: side of the input in pixels, as MobileNet and MobileNetV2 have a file for each of some sides; None for the
            file of any other.

    Raises:
        InputError: Keras publishes none for these arguments.
    """

    def name(fname: str, origin: str, *_: Any, file_hash: str | None = None, **__: Any) -> None:
        raise _NamedError(PublishedWeights(fname, origin, file_hash))

    # No function of Keras returns the name: let it request the file, and note which.
    file_utils = get_file_utils()
    original, file_utils.get_file = file_utils.get_file, name
    problem = ""
    try:
        for side in dict.fromkeys((size, None, 224, 331)):  # NASNet wants a number, and one that is not too small
            try:
                with warnings.catch_warnings(action="ignore"):
                    make(weights="imagenet", include_top=False, input_shape=(side, side, 3), **dict(arguments))
            except _NamedError as error_with_file:
                return error_with_file.file
            except (ValueError, TypeError, KeyError) as error:
                problem = problem or " ".join(str(error).split())
    finally:
        file_utils.get_file = original
    raise InputError(
        f"Keras publishes no ImageNet weights for {make.__name__} with {dict(arguments)} ({problem}); "
        "use weights: none or the path of a file in network.weights"
    )


def list_published(
    make: Callable[..., keras.Model], arguments: Arguments = (), size: int | None = None
) -> list[PublishedWeights]:
    """Lists the files that serve as a backbone's ImageNet weights: that of the input's size, then that of any.

    Args:
        make: the backbone's function.
        arguments: what it is called with beside weights and shape.
        size: side of the input in pixels.

    Raises:
        InputError: Keras publishes none for these arguments.
    """
    sizes = (size, None) if make.__name__ in _BY_SIZE else (None,)
    return list(dict.fromkeys(find_published(make, arguments, each) for each in sizes))


def find_local(files: Sequence[PublishedWeights], folder: Path) -> Path | None:
    """Returns the first of some files that is at hand, in a folder or in Keras's own cache; None where none is."""
    for path in (folder / file.name for file in files):
        if path.is_file():
            return path
    for file in files:
        cached = find_cached(file)
        if cached.is_file() and (not file.digest or get_file_utils().validate_file(cached, file.digest)):
            return cached
    return None


def explain_unreachable(file: PublishedWeights) -> str:
    """Says why a file cannot be downloaded from here; nothing where it can. Each host is asked once."""
    return _ask_host(urllib.parse.urlsplit(file.origin).netloc, file.origin)


def find_cached(file: PublishedWeights) -> Path:
    """Returns where Keras keeps a file that it downloaded."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models" / file.name


@lru_cache(maxsize=8)
def _ask_host(host: str, address: str) -> str:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_SECONDS):
            return ""
    except urllib.error.HTTPError:
        return ""  # it answers, and says the rest when the file is wanted
    except (OSError, http.client.HTTPException) as error:
        return f"{host}: {error}"
