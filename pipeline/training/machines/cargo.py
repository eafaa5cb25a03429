"""Cargo: the files of folds in Ray's object store, once for all nodes, and what comes back of them.

For nodes that do not mount the repository's folder (``train.ray.shared: false``).
"""

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.core.errors import InputError
from pipeline.core.files import atomic_path
from pipeline.core.paths import work_folder
from pipeline.training.machines.parcels import place_folds
from pipeline.training.machines.ray_worker import RemoteFold, RemoteResult
from pipeline.training.machines.travelling import list_travelling_files
from pipeline.training.model_folds import ModelFolds
from pipeline.training.task import FoldTask
from pipeline.training.task_list import ListedTask

_PART = 1 << 26  # bytes: what a worker holds in memory at once


class FarFolds:
    """Folds whose files are in the object store, for nodes that see nothing of the repository."""

    def __init__(self, ray: Any, root: Path, tasks: Sequence[ListedTask]) -> None:
        """Puts all files into the object store; one that stands in several places once.

        Args:
            ray: the module, connected.
            root: the repository folder.
            tasks: open folds.

        Raises:
            InputError: the object store of this node is too small, or a model's file does not fit.
        """
        models = tuple(dict.fromkeys(task.model for task in tasks))
        files, sources = dict[str, str](), dict[str, Path | bytes]()
        for place, source in list_travelling_files(root, models).items():
            digest = hashlib.sha256()
            for part in _cut(source):
                digest.update(part)
            files[place] = digest.hexdigest()
            sources[files[place]] = source
        _require_store(ray, sum(_measure(source) for source in sources.values()))
        pieces = {digest: [ray.put(part) for part in _cut(source)] for digest, source in sources.items()}
        self.cargo = ray.put({"files": files, "pieces": pieces})
        self._root, self._tasks = root, dict[tuple[str, int, int], FoldTask]()
        for model in models:
            made = ModelFolds(root, model).make_tasks()
            self._tasks |= {(model, each.fold, each.seed): each for each in made}

    def place(self, listed: ListedTask, came: dict[str, Any]) -> RemoteResult:
        """Puts a fold that came back where `train` finds it; what is wrong with it becomes its error.

        Args:
            listed: the fold.
            came: what `train_far_fold` returned.

        Raises:
            OSError: of this machine, such as a full disk.
        """
        task = self._tasks[listed.model, listed.fold, listed.seed]
        error = came["error"] or _place(self._root, task, came["parcel"])
        return RemoteResult(came["machine"], came["seconds"], error, came["received"], came["memory"])


def describe_far_fold(fold: RemoteFold) -> dict[str, Any]:
    """Describes a fold for a node that knows no class of this project and has folders of its own."""
    described = dataclasses.asdict(fold)
    del described["root"]
    described["settings"].pop("WEIGHTS_DIR", None)
    return described


def _place(root: Path, task: FoldTask, parcel: bytes) -> str:
    """Returns why a fold could not be put in place; empty where it is."""
    path = work_folder(root, "parcels") / f"{task.fingerprint[:16]}-{task.fold}.bin"
    with atomic_path(path) as temporary:
        temporary.write_bytes(parcel)
    try:
        placed = place_folds(root, path, [task])[1]
    except InputError as error:
        return str(error)
    finally:
        path.unlink(missing_ok=True)
    return "" if any(each.outcome in ("done", "kept") for each in placed) else "what came back is no finished fold"


def _require_store(ray: Any, needed: int) -> None:
    here = ray.get_runtime_context().get_node_id()
    stores = {node["NodeID"]: node["Resources"].get("object_store_memory", 0.0) for node in ray.nodes()}
    room = stores.get(here, 0.0)
    if needed > room:
        raise InputError(
            f"train.ray.shared: the folds need files of {needed / 1e9:.2f} GB, and Ray's object store on this machine "
            f"holds {room / 1e9:.2f} GB; start Ray here with `--object-store-memory={int(needed * 1.25)}`, or mount "
            "the repository's folder on all nodes and set shared: true"
        )


def _measure(source: Path | bytes) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def _cut(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while part := file.read(_PART):
            yield part
