"""Checkpoints of a network: all its weights, or the head of one whose backbone stays frozen, with the backbone beside.

The backbone's file is named by the digest of its arrays, and the head's file holds that digest: of any number of folds
it is there once. Both are .npz of plain arrays: nothing in them can run.
"""

import hashlib
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import DAMAGE, InputError, one_line
from pipeline.core.files import atomic_path, require_space
from pipeline.core.memory import is_out_of_memory

if TYPE_CHECKING:  # which starts the backend
    from pipeline.networks.build import BuiltNetwork

HEAD_KIND, WHOLE_KIND = "head.npz", "weights.h5"
BACKBONE_FILES = "backbone-*.npz"
_KEY = "backbone"
_ENTRY = 4_000  # bytes around each array in a file of HDF5, rounded up


@dataclass
class LoadedWeights:
    """What a network holds of checkpoints that were loaded into it.

    Attributes:
        keep: whether weights that were read stay in memory, for folds that are used again and again.
        backbone: digest of the frozen backbone in it; None before the first, or below a whole checkpoint.
        kept: weights that stayed, by checkpoint.
        kept_heads: the same of heads, each with the digest of its backbone.
    """

    keep: bool = False
    backbone: str | None = None
    kept: dict[Path, list[NDArray[Any]]] = field(default_factory=dict)
    kept_heads: dict[Path, tuple[str, list[NDArray[Any]]]] = field(default_factory=dict)


def save_checkpoint(net: "BuiltNetwork", folder: Path, frozen: bool) -> list[Path]:
    """Writes ``checkpoint.*`` into a fold's folder; each file atomically, a backbone that is there already not again.

    Args:
        net: the trained network.
        folder: of the fold.
        frozen: whether its backbone is as it came, so that the head's weights are the fold's own alone.

    Returns:
        The files beside the folder that the checkpoint needs: the backbone's, or none.

    Raises:
        InputError: the disk has too little room.
        OSError: it is full now, or takes nothing.
    """
    if not frozen or net.backbone is None or net.head is None:
        # HDF5 (1.14) that meets a full disk as it closes a file may end the process, and not only fail.
        require_space(folder, sum(_ENTRY + 4 * int(np.prod(each.shape)) for each in net.model.variables))
        with atomic_path(folder / f"checkpoint.{WHOLE_KIND}") as temporary, _name_system_errors(temporary):
            net.model.save_weights(temporary)
        return []
    arrays = _copy(_list_frozen(net))
    digest = _digest(arrays)
    path = _name_backbone(folder.parent, digest)
    if not _is_whole(path, digest):
        _write(path, arrays, {})
    _write(folder / f"checkpoint.{HEAD_KIND}", _copy(net.head.variables), {_KEY: digest})
    return [path]


@contextmanager
def _name_system_errors(path: Path) -> Iterator[None]:
    """Turns what HDF5 says of a full disk while it flushes into the error of the system, which has its own fix."""
    try:
        yield
    except RuntimeError as error:
        number = re.search(r"errno = (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def load_checkpoint(net: "BuiltNetwork", path: Path, loaded: LoadedWeights) -> None:
    """Loads a checkpoint of any kind into a network; a frozen backbone that is in it already is not read again.

    Args:
        net: the network.
        path: of the checkpoint; the backbone of a head lies beside it.
        loaded: what is in the network, which this updates.

    Raises:
        InputError: it does not fit, or the backbone is missing or damaged.
    """
    if not path.name.endswith(f".{HEAD_KIND}"):
        _load_whole(net, path, loaded)
        return
    assert net.head is not None  # the recipe refuses to freeze what has no backbone
    variables = net.head.variables
    digest, arrays = loaded.kept_heads.get(path) or _read_head(path)
    if loaded.backbone != digest:
        _load_backbone(net, _name_backbone(path.parent, digest), digest)
        loaded.backbone = digest
    _assign(variables, arrays, path)
    if loaded.keep:
        loaded.kept_heads[path] = digest, arrays


def _load_whole(net: "BuiltNetwork", path: Path, loaded: LoadedWeights) -> None:
    if path in loaded.kept:
        loaded.backbone = None
        net.model.set_weights(loaded.kept[path])
        return
    try:
        with warnings.catch_warnings():
            # Keras keeps random weights where a file lacks some, and only warns.
            warnings.filterwarnings("error", "Skipping", UserWarning)
            net.model.load_weights(path)
    except (ValueError, KeyError, OSError, TypeError, UserWarning) as error:
        raise _explain(path, one_line(error)) from error
    loaded.backbone = None
    if loaded.keep:
        loaded.kept[path] = net.model.get_weights()


def _load_backbone(net: "BuiltNetwork", path: Path, digest: str) -> None:
    fix = f"run `dvc checkout --force {path.parent}`, or train that model again"
    if not path.is_file():
        raise InputError(f"{path} does not exist: the backbone that the folds' heads were trained on; {fix}")
    try:
        arrays = _read(path)[1]
    except DAMAGE as error:
        if is_out_of_memory(error):
            raise
        raise InputError(f"{path} is damaged ({one_line(error)}); {fix}") from error
    if _digest(arrays) != digest:
        raise InputError(f"{path} is not the backbone that its name says (damaged: its digest differs); {fix}")
    _assign(_list_frozen(net), arrays, path)


def _read_head(path: Path) -> tuple[str, list[NDArray[Any]]]:
    try:
        named, arrays = _read(path)
        return str(named[_KEY]), arrays
    except DAMAGE as error:
        if is_out_of_memory(error):
            raise
        raise _explain(path, one_line(error)) from error


def _list_frozen(net: "BuiltNetwork") -> list[Any]:
    """Lists the variables of a network that are not its head's, in their order."""
    assert net.head is not None
    own = {id(variable) for variable in net.head.variables}
    return [variable for variable in net.model.variables if id(variable) not in own]


def _name_backbone(folder: Path, digest: str) -> Path:
    return folder / BACKBONE_FILES.replace("*", digest)


def _is_whole(path: Path, digest: str) -> bool:
    try:
        return path.is_file() and _digest(_read(path)[1]) == digest
    except DAMAGE:
        return False


def _copy(variables: Sequence[Any]) -> list[NDArray[Any]]:
    return [np.array(variable.numpy()) for variable in variables]


def _assign(variables: Sequence[Any], arrays: Sequence[NDArray[Any]], path: Path) -> None:
    wanted, found = [tuple(each.shape) for each in variables], [each.shape for each in arrays]
    if wanted != found:
        raise _explain(path, f"{len(found)} arrays of other shapes than the {len(wanted)} of the network")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _explain(path: Path, reason: str) -> InputError:
    return InputError(f"{path} does not fit the card of its model ({reason}); train that model again")


def _write(path: Path, arrays: Sequence[NDArray[Any]], named: dict[str, str]) -> None:
    numbered = {str(number): array for number, array in enumerate(arrays)}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **{key: np.array(value) for key, value in named.items()}, **numbered)


def _read(path: Path) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
        named = {name: kept[name] for name in kept.files if not name.isdigit()}
        return named, [kept[str(number)] for number in range(len(kept.files) - len(named))]


def _digest(arrays: Sequence[NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
