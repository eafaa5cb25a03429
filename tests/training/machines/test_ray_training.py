"""Folds as Ray tasks: on two nodes, one of them killed, to the bits of a run without any; and what is refused."""

import errno
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.fabricated import write_params
from support.on_ray import MODELS, make_root, read_outputs

from benchmarks.cluster import sleep_fold
from pipeline import cli
from pipeline.core.errors import InputError
from pipeline.stages import train
from pipeline.training.context import RayParams
from pipeline.training.machines import ray_cluster, ray_worker
from pipeline.training.machines.ray_cluster import require_answer, require_head, require_resources
from pipeline.training.machines.ray_training import train_on_ray
from pipeline.training.machines.ray_worker import RemoteFold, train_remote_fold
from pipeline.training.task_list import ListedTask, list_tasks

ROOT = Path(__file__).parents[3]
NODE = {"Alive": True, "Resources": {"CPU": 4.0, "memory": 8e9}}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"cpus_per_fold": 8}, r"cpus_per_fold is 8, and the largest of 1 nodes has 4; lower it"),
        ({"gpus_per_fold": 0.5}, r"gpus_per_fold is 0.5, and the largest of 1 nodes has 0"),
        ({"memory_gb": 9.0}, r"memory_gb is 9, and the largest of 1 nodes has 8"),
    ],
)
def test_what_no_node_has_is_refused(wanted: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        require_resources([NODE, {"Alive": False, "Resources": {"CPU": 64.0}}], RayParams(**wanted))


def test_what_no_node_has_at_once_is_refused() -> None:
    other = {"Alive": True, "Resources": {"CPU": 1.0, "memory": 64e9}}
    require_resources([NODE, other], RayParams(cpus_per_fold=4, memory_gb=8))
    with pytest.raises(InputError, match=r"no node has 4 cores, 0 GPUs and 64 GB at once"):
        require_resources([NODE, other], RayParams(cpus_per_fold=4, memory_gb=64))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:1", r"no Ray cluster answers at 127.0.0.1:1 \(.*refused\); start one there with `ray start"),
        ("somewhere", r"must be HOST:PORT, such as 10.0.0.1:6379, got 'somewhere'"),
        ("127.0.0.1:99999", r"no Ray cluster answers at 127.0.0.1:99999"),
    ],
)
def test_an_address_where_nothing_listens_is_refused_at_once(address: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        require_answer(address)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            RuntimeError("Version mismatch: The cluster was started with: Ray: 2.59.0\n This process: Ray: 2.60.0"),
            r"somewhere:1': Version mismatch: .* 2\.60\.0; install the same versions of Ray and Python on all machines",
        ),
        (
            Exception("The current node timed out during startup."),
            r"train\.ray: Ray did not start on this machine \(The current node timed out .*\); end other programs",
        ),
        (
            ConnectionError("no GCS"),
            r"no Ray cluster answers at 'somewhere:1' \(no GCS\); .*auth_token here, too; else",
        ),
    ],
)
def test_a_cluster_that_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception, words: str) -> None:
    def init(**_: object) -> None:
        raise error

    monkeypatch.setattr(ray_cluster, "require_answer", lambda address: None)
    monkeypatch.setattr(ray_cluster, "_import_ray", lambda alone: SimpleNamespace(init=init))
    with pytest.raises(InputError, match=words), ray_cluster.open_cluster(RayParams(address="somewhere:1")):
        pass


@pytest.mark.parametrize(("alone", "token", "mode"), [(False, True, "token"), (False, False, None), (True, True, None)])
def test_a_token_opens_the_cluster_at_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: bool, token: bool, mode: str | None
) -> None:
    environment = {"HOME": str(tmp_path)}
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(ray_cluster, "_require_ray", lambda: None)
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace())
    if token:
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray" / "auth_token").write_text("0" * 64)
    vars(ray_cluster)["_import_ray"](alone)
    assert environment.get("RAY_AUTH_MODE") == mode


@pytest.mark.slow
def test_a_cluster_of_this_machine_alone_joins_none_that_the_surroundings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # as a cluster that was killed leaves its address behind
    with ray_cluster.open_cluster(RayParams(address=None)) as ray:
        assert len([node for node in ray.nodes() if node["Alive"]]) == 1


def test_a_head_may_be_silent_twice_in_a_row() -> None:
    assert (require_head(None, 2), require_head("127.0.0.1:1", 0), require_head("127.0.0.1:1", 1)) == (0, 1, 2)
    with pytest.raises(InputError, match=r"head of the cluster at 127\.0\.0\.1:1 is gone; what is done is kept: start"):
        require_head("127.0.0.1:1", 2)
    with socket.create_server(("127.0.0.1", 0)) as head:
        assert require_head(f"127.0.0.1:{head.getsockname()[1]}", 2) == 0


def test_without_ray_one_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(make_root(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cli.main(["train-all"]) == 1
    assert "needs Ray, which is not installed: run `.tools/bin/uv pip install" in capsys.readouterr().err


def test_a_local_executor_leaves_all_to_the_train_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params(make_root(tmp_path), list(MODELS), train={"precision": "float32"})
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train-all"]) == 1
    assert "train.executor is local: `dvc repro` trains" in capsys.readouterr().err


def test_a_worker_with_other_code_or_without_the_folder_says_so(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    wanted = RemoteFold(str(root), "one", 0, 0, "0123" * 16, 64, {})
    kept = os.sched_getaffinity(0)
    assert "0123012301230123 where it was listed: code" in train_remote_fold(wanted).error
    assert os.sched_getaffinity(0) == kept  # as many cores as there are
    elsewhere = RemoteFold(str(root / "no"), "one", 0, 0, "", 64, {})
    assert "is not there; mount the repository's folder" in train_remote_fold(elsewhere).error


def test_a_full_disk_of_a_worker_is_the_reason_of_its_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train_fold(wanted: RemoteFold) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", f"{wanted.root}/.work")

    root, kept = make_root(tmp_path), os.sched_getaffinity(0)
    monkeypatch.setattr(ray_worker, "_train", train_fold)
    result = train_remote_fold(RemoteFold(str(root), "one", 0, 0, "", 64, {}))
    assert f"No space left on device: '{root}/.work'; free some space on {os.uname().nodename}" in result.error
    assert os.sched_getaffinity(0) == kept


@pytest.mark.usefixtures("real_pictures")  # another process draws them
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")  # of Ray's own sockets
def test_a_node_killed_in_mid_epoch_changes_no_bit(cluster: Any, tmp_path: Path) -> None:
    local = make_root(tmp_path / "local", epochs=400)
    root = Path(shutil.copytree(local, tmp_path / "ray"))
    code = (
        "import pathlib; from pipeline.stages import train; "
        f"[train.run(pathlib.Path({str(local)!r}), model) for model in {MODELS}]"
    )
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    finally:
        os.sched_setaffinity(0, cores)
    in_mid_training: list[Path] = []

    def kill_when_two_folds_are_under_way() -> None:
        until = time.monotonic() + 240
        while len(list(root.glob(".work/train/*/fold*/state-*.npz"))) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        cluster.remove_node(cluster.nodes[0], allow_graceful=False)
        in_mid_training.extend(root.glob(".work/train/*/fold*/state-*.npz"))

    thread = threading.Thread(target=kill_when_two_folds_are_under_way)
    thread.start()
    train_on_ray(root, list_tasks(root, MODELS), RayParams(address=cluster.address), lambda *_: None)
    thread.join()
    assert in_mid_training
    assert {task.status for task in list_tasks(root, MODELS)} == {"done"}
    for path in root.glob(".work/train/*/fold*/done.json"):
        assert json.loads(path.read_text())["hardware"].endswith(" x1")
    for model in MODELS:
        train.run(root, model)
    assert read_outputs(root) == read_outputs(local)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")  # of Ray's own sockets
def test_a_head_that_is_gone_is_one_line_before_ray_ends_the_process(cluster: Any, tmp_path: Path) -> None:
    tasks = [ListedTask("1.0", fold, 0, "open", fingerprint="0") for fold in range(100)]

    def kill_the_head(*_: object) -> None:
        if (tmp_path / "done").is_file():
            for processes in cluster.head_node.all_processes.values():
                for each in processes:
                    each.process.kill()

    with pytest.raises(InputError, match=r"the head of the cluster at .* is gone; what is done is kept"):
        train_on_ray(tmp_path, tasks, RayParams(address=cluster.address), kill_the_head, train=sleep_fold)
    assert 0 < len((tmp_path / "done").read_text().split()) < 100
