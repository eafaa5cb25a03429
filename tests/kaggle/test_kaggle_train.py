"""`kaggle-train`: folds trained by the pushed notebook itself, taken back, and what happens when one ends early."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import tiny
from support.kaggle_server import SECRETS, KaggleServer
from support.trained import HOG
from support.trainings import repository, settings

from pipeline.core import paths
from pipeline.core.errors import InputError
from pipeline.kaggle.renting import read_pushed
from pipeline.stages import kaggle_train, train
from pipeline.stages.kaggle_train import Rental
from pipeline.training.machines.parcels import unpack_parcel, write_parcel
from pipeline.training.model_folds import ModelFolds
from pipeline.training.state import State, TrainingProgress, write_state
from pipeline.training.task_list import list_tasks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

Files = dict[str, bytes]


def rent(root: Path, kernels: int = 1, accelerator: str | None = "NvidiaTeslaT4", wait: bool = True) -> None:
    kaggle_train.run(root, Rental("someone", accelerator, 1200, kernels, wait, pause=0.05))


def lay(root: Path, model: dict[str, Any], **params: Any) -> Path:
    root.mkdir()
    repository(root, **params)
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", model)
    return root


def run_notebook(folder: Path, body: dict[str, Any], data: Files) -> tuple[str, Files]:
    """Runs a pushed notebook's cells in a process of their own; only the folders are not as at Kaggle."""
    folder.mkdir()
    inputs, working, project = folder / "input", folder / "working", folder / "project"
    for made in (inputs / "tiny-folds", working, project):
        made.mkdir(parents=True)
    (project / ".venv").symlink_to(Path(sys.prefix))
    for name, content in data.items():
        (inputs / "tiny-folds" / name).write_bytes(content)
    cells = [cell["source"] for cell in json.loads(body["text"])["cells"] if cell["cell_type"] == "code"]
    source = "\n".join(cells)
    for written, place in (("/kaggle/input", inputs), ("/kaggle/working", working), ("/tmp/project", project)):
        source = source.replace(f'"{written}"', f'"{place}"')
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KAGGLE")}
    ran = subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True, check=False)
    print(ran.stdout, ran.stderr)
    return "COMPLETE" if ran.returncode == 0 else "ERROR", {path.name: path.read_bytes() for path in working.iterdir()}


def outputs(root: Path) -> Files:
    found = [path for path in (root / "folds").rglob("*") if path.is_file() and path.suffix != ".json"]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def send_state(root: Path, epoch: int) -> Files:
    """What a notebook leaves that was ended in the middle of fold 1."""
    task = ModelFolds(root, "one").make_task(1)
    state = root / "state.npz"
    write_state(state, State(TrainingProgress(epoch=epoch), [], [], []))
    name = (task.folder / "state-gpu.npz").relative_to(root).as_posix()
    write_parcel(root / "p.bin", {name: state}, {"outcomes": {"one 1": "unfinished"}})
    return {"folds.bin": (root / "p.bin").read_bytes()}


def test_two_notebooks_share_the_folds_and_the_result_is_that_of_training_here(
    tmp_path: Path, kaggle_server: KaggleServer, capsys: pytest.CaptureFixture[str]
) -> None:
    root, machines = lay(tmp_path / "here", HOG, folds=[0, 2]), kaggle_server.machines
    plain = Path(shutil.copytree(root, tmp_path / "plain"))
    machines.on_push = lambda body, data: run_notebook(tmp_path / f"machine-{len(machines.pushed)}", body, data)
    rent(root, kernels=2)
    assert [task.status for task in list_tasks(root, ("one",))] == ["done"] * 2
    assert len(kaggle_server.calls("CreateDataset")) == 1
    printed = capsys.readouterr().out
    assert "hours on GPUs left this week: 30.0" in printed
    assert "train-0 version 1: 1 folds" in printed
    assert "train-1 version 1: 1 folds" in printed
    train.run(root, "one")
    assert "fold 0" not in capsys.readouterr().out
    train.run(plain, "one")
    assert outputs(root) == outputs(plain)
    rent(root)
    assert "nothing to train: 2 of 2 folds are done" in capsys.readouterr().out


def test_a_cancelled_notebook_leaves_a_state_that_the_next_push_takes_along(
    tmp_path: Path, kaggle_server: KaggleServer
) -> None:
    root, machines = lay(tmp_path / "here", settings()), kaggle_server.machines
    machines.on_push = lambda body, data: ("CANCEL_ACKNOWLEDGED", send_state(root, 2))
    machines.failure = "cancelled by the user"
    wanted = r"someone/tiny-folds-train-0 was cancelled \(cancelled by the user\): 0 of 3 folds came back done; .*again"
    with pytest.raises(InputError, match=wanted):
        rent(root)
    assert [(task.status, task.epoch) for task in list_tasks(root, ("one",))][1] == ("under way", 2)
    machines.on_push, machines.failure = lambda body, data: ("COMPLETE", send_state(root, 3)), ""
    rent(root)
    (tmp_path / "bundle").write_bytes(machines.datasets["someone/tiny-folds"]["bundle.bin"])
    unpack_parcel(tmp_path / "bundle", tmp_path / "sent")
    assert len(list((tmp_path / "sent" / ".work" / "train").rglob("state-gpu.npz"))) == 1
    assert list_tasks(root, ("one",))[1].epoch == 3


def test_an_output_that_is_cut_off_is_fetched_again_without_training_again(
    tmp_path: Path, kaggle_server: KaggleServer
) -> None:
    root, machines = lay(tmp_path / "here", settings()), kaggle_server.machines
    machines.on_push = lambda body, data: ("COMPLETE", send_state(root, 2))
    machines.cut = True
    rent(root, wait=False)
    with pytest.raises(InputError, match=r"folds\.bin is damaged or cut off.*run the command again"):
        rent(root, wait=False)
    machines.cut = False
    rent(root)
    assert len(machines.pushed) == 1
    assert list_tasks(root, ("one",))[1].epoch == 2


def test_an_output_that_stays_cut_off_is_given_up_and_stays_on_record(
    tmp_path: Path, kaggle_server: KaggleServer
) -> None:
    root, machines = lay(tmp_path / "here", settings()), kaggle_server.machines
    machines.on_push, machines.cut = lambda body, data: ("COMPLETE", send_state(root, 2)), True
    with pytest.raises(InputError, match=r"folds\.bin is damaged or cut off.*run the command again"):
        rent(root)
    assert len(kaggle_server.calls("ListKernelSessionOutput")) == 3
    assert len(read_pushed(paths.work_folder(root, "kaggle-train"))) == 1


def test_settings_that_changed_meanwhile_are_refused_and_nothing_is_forgotten(
    tmp_path: Path, kaggle_server: KaggleServer
) -> None:
    root, machines = lay(tmp_path / "here", settings()), kaggle_server.machines
    machines.on_push = lambda body, data: ("COMPLETE", send_state(root, 2))
    rent(root, wait=False)
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings(units=9))
    with pytest.raises(
        InputError, match=r"one fold 0 was sent with the fingerprint .* put code, settings and data back"
    ):
        rent(root)
    assert len(read_pushed(paths.work_folder(root, "kaggle-train"))) == 1


def test_without_quota_nothing_is_sent(tmp_path: Path, kaggle_server: KaggleServer) -> None:
    root = lay(tmp_path / "here", settings())
    kaggle_server.machines.gpu_hours = 0.05
    with pytest.raises(InputError, match=r"no hours on GPUs are left this week \(0\.05\)"):
        rent(root)
    with pytest.raises(InputError, match="--user must be your user name at Kaggle, got None"):
        kaggle_train.run(root, Rental(None, None, 1200, 1))
    assert not kaggle_server.uploads
    assert not kaggle_server.machines.pushed


def test_no_secret_and_no_database_goes_along(
    tmp_path: Path, kaggle_server: KaggleServer, capsys: pytest.CaptureFixture[str]
) -> None:
    root = lay(tmp_path / "here", settings())
    params = tiny.read_yaml(root / "params.yaml")
    tiny.write_yaml(root / "params.yaml", {**params, "tune": {"storage": "postgresql://me:hunter2@host/studies"}})
    (root / ".env").write_text(SECRETS[0])
    (root / "kaggle.json").write_text(SECRETS[1])
    rent(root, accelerator=None, wait=False)
    (bundle,) = kaggle_server.machines.datasets["someone/tiny-folds"].values()
    printed = "".join(capsys.readouterr())
    for secret in (*SECRETS, "hunter2"):
        assert secret.encode() not in bundle
        assert secret not in printed
        assert secret not in json.dumps(kaggle_server.machines.pushed)
    assert "machineShape" not in kaggle_server.machines.pushed[0]
