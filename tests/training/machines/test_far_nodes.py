"""Folds on Ray nodes that see nothing of the repository: what they lack goes there once, a fold comes back whole."""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.on_ray import MODELS, make_root, read_outputs

from pipeline.core.errors import InputError
from pipeline.stages import train
from pipeline.training.context import RayParams
from pipeline.training.machines.cargo import FarFolds, describe_far_fold
from pipeline.training.machines.far_node import arrive, open_base
from pipeline.training.machines.ray_training import Results, train_on_ray
from pipeline.training.machines.ray_worker import SETTINGS, RemoteFold, pack_remote_fold, train_remote_fold
from pipeline.training.task_list import ListedTask, list_tasks

ROOT = Path(__file__).parents[3]


class Store:
    """Ray's object store, in a list."""

    def __init__(self, room: float = 1e9) -> None:
        self.kept: list[Any] = []
        self.nodes = lambda: [{"NodeID": "here", "Resources": {"object_store_memory": room}}]

    def put(self, value: Any) -> int:
        self.kept.append(value)
        return len(self.kept) - 1

    def get(self, reference: int) -> Any:
        return self.kept[reference]

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: "here")


def describe(contents: dict[str, bytes]) -> tuple[dict[str, str], dict[str, list[bytes]]]:
    digests = {place: hashlib.sha256(content).hexdigest() for place, content in contents.items()}
    return digests, {digests[place]: [content[:2], content[2:]] for place, content in contents.items()}


def fail(_: object) -> bytes:
    raise AssertionError("it is here already")


def test_what_a_node_has_does_not_come_twice(tmp_path: Path) -> None:
    first = {"data/store.npy": b"many pixels", "configs/models/one.yaml": b"one", "again.npy": b"many pixels"}
    root, received = arrive(open_base(tmp_path), *describe(first), bytes)
    assert received == len(b"many pixels") + len(b"one")
    assert {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} == set(first)
    assert (root / "again.npy").read_bytes() == b"many pixels"
    assert arrive(open_base(tmp_path), *describe(first), fail) == (root, 0)
    second = {"data/store.npy": b"many pixels", "configs/models/two.yaml": b"another"}
    other, received = arrive(open_base(tmp_path), *describe(second), bytes)
    assert received == len(b"another")
    assert other != root
    assert not (other / "configs/models/one.yaml").exists()


def test_a_file_that_arrives_damaged_leaves_nothing(tmp_path: Path) -> None:
    files, pieces = describe({"store.npy": b"pixels"})
    base = open_base(tmp_path)
    with pytest.raises(OSError, match=r"6 bytes arrived damaged: its SHA-256 is not"):
        arrive(base, files, {digest: [b"pixelz"] for digest in pieces}, bytes)
    assert not [path for path in base.rglob("*") if path.is_file() and path.name != "arriving.lock"]
    assert arrive(base, files, pieces, bytes)[1] == 6


def test_a_file_that_a_killed_process_left_read_only_is_fetched_again(tmp_path: Path) -> None:
    files, pieces = describe({"store.npy": b"pixels"})
    base = open_base(tmp_path)
    left = base / "objects" / f".tmp-{files['store.npy']}"
    left.parent.mkdir()
    left.write_bytes(b"pix")
    left.chmod(0o400)
    before = left.stat().st_ino
    held = left.open("rb")  # its number is not given again
    root, _ = arrive(base, files, pieces, bytes)
    held.close()
    assert (root / "store.npy").read_bytes() == b"pixels"
    assert (root / "store.npy").stat().st_ino != before  # root could write into it, others could not


def test_what_no_task_asked_for_in_a_week_goes(tmp_path: Path) -> None:
    base = open_base(tmp_path)
    old, _ = arrive(base, *describe({"a": b"shared", "b": b"old alone"}), bytes)
    for path in (old, *(base / "objects").glob("*")):
        os.utime(path, (time.time() - 8 * 24 * 3600,) * 2)
    arrive(base, *describe({"a": b"shared"}), bytes)
    assert not old.exists()
    arrive(base, *describe({"c": b"a new one"}), bytes)
    kept = {path.read_bytes() for path in (base / "objects").glob("*")}
    assert kept <= {b"shared", b"a new one"}


def test_a_place_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / f"pipeline-node-{os.getuid()}").symlink_to(tmp_path)
    with pytest.raises(OSError, match="belongs to another user"):
        open_base(tmp_path)


def test_a_store_that_is_too_small_says_how_large_it_must_be(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    with pytest.raises(
        InputError, match=r"object store on this machine holds 0\.00 GB; start Ray here with `--object-"
    ):
        FarFolds(Store(room=1000), root, list_tasks(root, MODELS))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, bytes]:
    """A repository, the place of a node's files, and the first fold as it comes back."""
    base = tmp_path_factory.mktemp("far")
    root = make_root(base / "here")
    store, listed = Store(), list_tasks(root, ("one",))
    far = FarFolds(store, root, listed)
    cargo = store.get(far.cargo)
    there, _ = arrive(open_base(base), cargo["files"], cargo["pieces"], store.get)
    surroundings = {name: os.environ[name] for name in SETTINGS if name in os.environ}
    fold = describe_far_fold(RemoteFold("", "one", 0, listed[0].seed, listed[0].fingerprint, 64, surroundings))
    wanted = RemoteFold(root=str(there), **fold)
    kept = os.sched_getaffinity(0)
    result = train_remote_fold(wanted)
    assert result.error == ""
    assert 1e8 < result.memory < 1e11  # TensorFlow alone takes more than 100 MB
    assert os.sched_getaffinity(0) == kept
    return root, there, pack_remote_fold(wanted)


def came_back(parcel: bytes, error: str = "") -> dict[str, Any]:
    return {"machine": "far", "seconds": 1.0, "error": error, "parcel": parcel, "received": 5, "memory": 7}


def test_a_fold_that_comes_back_is_done_here(trained: tuple[Path, Path, bytes]) -> None:
    root, there, parcel = trained
    listed = list_tasks(root, ("one",))
    far = FarFolds(Store(), root, listed)
    cut = far.place(listed[0], came_back(parcel[: len(parcel) // 2]))
    assert "damaged or cut off" in cut.error
    assert list_tasks(root, ("one",))[0].status == "open"
    assert "damaged or cut off" in far.place(listed[0], came_back(b"")).error
    assert far.place(listed[0], came_back(parcel, "no room there")).error == "no room there"
    result = far.place(listed[0], came_back(parcel))
    assert (result.error, result.machine, result.received, result.memory) == ("", "far", 5, 7)
    assert list_tasks(root, ("one",))[0].status == "done"
    assert not list((root / ".work" / "parcels").glob("*"))
    known = {path.name: path.read_bytes() for path in there.glob(".work/train/*/fold0/*")}
    assert {path.name: path.read_bytes() for path in root.glob(".work/train/*/fold0/*")} == known


@pytest.mark.usefixtures("real_pictures")  # another process draws them
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")  # of Ray's own sockets
def test_nodes_that_see_nothing_train_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip("ray")
    root, local = make_root(tmp_path / "here"), make_root(tmp_path / "local")
    far = tempfile.TemporaryDirectory()  # a short path, as Ray's sockets lie in it, too
    request.addfinalizer(far.cleanup)
    monkeypatch.setenv("TMPDIR", far.name)
    told: list[int] = []

    def on_change(_: list[ListedTask], results: Results) -> None:
        told.append(sum(each.received for each in results.values()))

    train_on_ray(root, list_tasks(root, ("one",)), RayParams(shared=False), on_change)
    first = told[-1]
    train_on_ray(root, list_tasks(root, ("two",)), RayParams(shared=False), on_change)
    store = (root / "data" / "prepared" / "train_images.npy").stat().st_size
    assert first > store
    assert 0 < told[-1] < first / 10  # the second model on the same competition: no store, no code twice
    assert {task.status for task in list_tasks(root, MODELS[:2])} == {"done"}
    code = (
        "import pathlib; from pipeline.stages import train; "
        f"[train.run(pathlib.Path({str(local)!r}), model) for model in {MODELS[:2]}]"
    )
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    finally:
        os.sched_setaffinity(0, cores)
    for model in MODELS[:2]:
        train.run(root, model)
    assert read_outputs(root) == read_outputs(local)
