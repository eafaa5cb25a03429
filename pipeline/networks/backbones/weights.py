"""Published weights: files under Keras's own names, looked for in a folder before Keras downloads them.

Reference: https://keras.io/api/applications
"""

from __future__ import annotations

import http.client
import urllib.request
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.core.errors import InputError, some
from pipeline.core.files import atomic_path
from pipeline.core.progress import track_progress
from pipeline.networks.backbones.published import (
    Arguments,
    PublishedWeights,
    find_cached,
    find_local,
    get_file_utils,
    list_published,
)
from pipeline.networks.runtime import keras

_SECONDS = 15.0
_PIECE = 1 << 20


def build_unloaded(make: Callable[..., keras.Model], size: int, arguments: Arguments = ()) -> keras.Model:
    """Builds a backbone as the library does around its ImageNet weights, and leaves the weights out.

    That is another network than ``weights=None`` builds where the library scales the input to suit them: EfficientNet.

    Args:
        make: the backbone's function.
        size: side of the input in pixels.
        arguments: what it is called with beside weights and shape.

    Raises:
        ValueError: Keras publishes none for these arguments, or does not build it at this size.
    """
    file_utils = get_file_utils()
    get_file, load_weights = file_utils.get_file, keras.Model.load_weights
    file_utils.get_file = keras.Model.load_weights = lambda *_, **__: None
    try:
        with warnings.catch_warnings(action="ignore"):  # that weights of another size are taken
            return make(weights="imagenet", include_top=False, input_shape=(size, size, 3), **dict(arguments))
    finally:
        file_utils.get_file, keras.Model.load_weights = get_file, load_weights


def find_weights(
    weights: str, folder: Path, make: Callable[..., keras.Model], arguments: Arguments = (), size: int | None = None
) -> Path:
    """Returns the path of a weights file; nothing in ``folder`` is ever written.

    Args:
        weights: ``imagenet`` or the path of a file; one that is not there is looked for in ``folder`` by its name.
        folder: where files under Keras's own names are looked for first: that of the input's size, then that of any.
        make: the backbone's function.
        arguments: what it is called with beside weights and shape.
        size: side of the input in pixels.

    Raises:
        InputError: no such file, neither here nor in Keras's own cache nor on the network; or it is not whole.
    """
    if weights != "imagenet":
        path = Path(weights)
        if not path.is_file() and (folder / path.name).is_file():
            path = folder / path.name  # as `pack` brings it along
        if not path.is_file():
            raise InputError(
                f"network.weights: {weights} does not exist; give imagenet, none or the path of a .h5 file"
            )
        return _whole(path)
    files = list_published(make, arguments, size)
    local = find_local(files, folder)
    return _whole(local or _downloaded(files[0], [folder / file.name for file in files], find_cached(files[0])))


def load_weights(model: keras.Model, path: Path) -> None:
    """Loads a file of weights into a backbone.

    Raises:
        InputError: the file belongs to another architecture, or holds numbers that are not finite.
    """
    try:
        model.load_weights(path)
    except (ValueError, KeyError, OSError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} does not fit {model.name}: {' '.join(str(error).split())[:200]}; "
            "the file must hold this very backbone without its top (Keras's *_notop.h5)"
        ) from error
    broken = [weight.path for weight in model.weights if not np.isfinite(keras.ops.convert_to_numpy(weight)).all()]
    if broken:
        raise InputError(f"{path} holds numbers that are not finite in {some(broken)}; fetch it again")


def _whole(path: Path) -> Path:
    try:
        with h5py.File(path, "r") as file:
            empty = not len(file)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read as HDF5 ({' '.join(str(error).split())[:120]}); it is truncated or of another "
            "kind: fetch it again"
        ) from error
    if empty:
        raise InputError(f"{path} holds no weights; fetch it again")
    return path


def _downloaded(file: PublishedWeights, wanted: list[Path], cached: Path) -> Path:
    """Downloads a file to where Keras keeps its own; whole or not at all, where Keras would raise a bare Exception."""
    try:
        with urllib.request.urlopen(file.origin, timeout=_SECONDS) as answer, atomic_path(cached) as temporary:
            size = int(answer.headers.get("Content-Length") or 0)
            _copy(answer, temporary, size, file.name)
            come = temporary.stat().st_size
            if size and come != size:
                raise OSError(f"the download broke off after {come:,} of {size:,} bytes")
            if file.digest and not get_file_utils().validate_file(temporary, file.digest):
                raise OSError(f"the file that came is not the one that Keras describes (digest {file.digest})")
    except (OSError, http.client.HTTPException) as error:
        there = f", {cached} is not the file that Keras describes," if cached.is_file() else f" nor {cached} exists"
        raise InputError(
            f"no ImageNet weights: neither {' nor '.join(map(str, wanted))}{there} and the download failed "
            f"({error}). Three ways out: put {file.name} into the folder that train.weights in params.yaml names "
            "(WEIGHTS_DIR), or give the path of a file in network.weights, or set network.weights: none"
        ) from error
    return cached


def _copy(answer: Any, path: Path, size: int, name: str) -> None:
    with path.open("wb") as out, track_progress(f"downloading {name} (bytes)", size) as advance:
        while piece := answer.read(_PIECE):
            out.write(piece)
            advance(len(piece))
