"""Notebooks and data sets at Kaggle through the real client, against the stand-in."""

from pathlib import Path

import pytest
from support.kaggle_server import SECRETS, KaggleServer

from pipeline.core.errors import InputError
from pipeline.core.files import write_json
from pipeline.kaggle import kernels
from pipeline.kaggle.client import ClientOutput
from pipeline.kaggle.kernels import KernelStatus
from pipeline.kaggle.notebook_files import KernelPlan, describe_kernel, make_dataset_metadata
from pipeline.kaggle.training_notebook import SentBatch, make_folds_notebook

REF = "someone/tiny-folds"


def lay_notebook(folder: Path) -> Path:
    folder.mkdir()
    plan = KernelPlan("someone", "tiny-folds-train-0", "train.ipynb", gpu=True, internet=True)
    write_json(folder / "kernel-metadata.json", describe_kernel(plan, [REF], []))
    (folder / plan.file).write_text(make_folds_notebook(SentBatch("tiny-folds", "0" * 64, "[]", 600)))
    return folder


def lay_dataset(folder: Path) -> Path:
    folder.mkdir()
    write_json(folder / "dataset-metadata.json", make_dataset_metadata("someone", "tiny-folds"))
    (folder / "bundle.bin").write_bytes(b"bytes")
    return folder


@pytest.mark.slow
def test_a_data_set_is_created_private_and_then_replaced(tmp_path: Path, kaggle_server: KaggleServer) -> None:
    folder = lay_dataset(tmp_path / "data")
    kernels.upload_dataset(folder, REF, "one", pause=0.01)
    assert kaggle_server.calls("CreateDataset")[0].body["isPrivate"]
    (folder / "bundle.bin").write_bytes(b"other")
    kernels.upload_dataset(folder, REF, "two", pause=0.01)
    assert kaggle_server.machines.datasets == {REF: {"bundle.bin": b"other"}}
    assert kaggle_server.calls("CreateDatasetVersion")[0].body["body"]["deleteOldVersions"]


@pytest.mark.slow
def test_a_file_that_did_not_arrive_is_noticed_though_the_client_reports_success(
    tmp_path: Path, kaggle_server: KaggleServer
) -> None:
    kaggle_server.upload_status = 400
    with pytest.raises(InputError, match=r"did not accept the data set someone/tiny-folds"):
        kernels.upload_dataset(lay_dataset(tmp_path / "data"), REF, "one", pause=0.01)


@pytest.mark.slow
def test_a_notebook_is_pushed_with_its_accelerator_and_its_limit(tmp_path: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.machines.datasets[REF] = {}
    kaggle_server.machines.failure = "ran out of memory"
    kaggle_server.machines.on_push = lambda body, data: ("ERROR", {"folds.bin": b"x"})
    folder = lay_notebook(tmp_path / "book")
    assert kernels.push_kernel(folder, "NvidiaTeslaT4", 3600) == 1
    body = kaggle_server.machines.pushed[0]
    assert (body["machineShape"], body["sessionTimeoutSeconds"]) == ("NvidiaTeslaT4", 3600)
    assert (body["isPrivate"], body["enableInternet"], body["datasetDataSources"]) == (True, True, [REF])
    ref = "someone/tiny-folds-train-0"
    assert not kernels.read_kernel_status(ref).ended
    assert kernels.read_kernel_status(ref) == KernelStatus("ERROR", "ran out of memory")
    kernels.fetch_output(ref, tmp_path / "out")
    assert (tmp_path / "out" / "folds.bin").read_bytes() == b"x"
    assert (tmp_path / "out" / "tiny-folds-train-0.log").is_file()


@pytest.mark.slow
def test_a_refused_push_is_one_line_with_its_fix(tmp_path: Path, kaggle_server: KaggleServer) -> None:
    folder = lay_notebook(tmp_path / "book")
    with pytest.raises(InputError, match=r"as it should: The following are not valid dataset sources"):
        kernels.push_kernel(folder, None, 3600)
    kaggle_server.machines.push_error = "Maximum weekly GPU quota of 30.00 hours reached."
    with pytest.raises(
        InputError, match=r"GPU quota of 30\.00 hours reached.*run the command again then, or with"
    ) as caught:
        kernels.push_kernel(folder, "NvidiaTeslaT4", 3600)
    assert not any(secret in str(caught.value) for secret in SECRETS)


@pytest.mark.slow
def test_the_weekly_quota_is_looked_at(kaggle_server: KaggleServer, capsys: pytest.CaptureFixture[str]) -> None:
    kaggle_server.machines.gpu_hours = 2.5
    kernels.require_gpu_hours("NvidiaTeslaT4", 9.0)
    assert "hours on GPUs left this week: 2.5; 9.0 may be used" in capsys.readouterr().out
    kaggle_server.machines.gpu_hours = 0.0
    with pytest.raises(InputError, match=r"no hours on GPUs are left this week \(0\.00\)"):
        kernels.require_gpu_hours("NvidiaTeslaT4", 9.0)
    kaggle_server.machines.gpu_hours = None
    kernels.require_gpu_hours("NvidiaTeslaT4", 9.0)
    assert "Kaggle does not say how many hours" in capsys.readouterr().out


def test_an_accelerator_is_a_name() -> None:
    with pytest.raises(InputError, match="--accelerator must be a name such as NvidiaTeslaT4, or none, got 'T4 x2'"):
        kernels.require_gpu_hours("T4 x2", 1.0)


@pytest.mark.parametrize(
    ("out", "wanted"),
    [
        ('someone/x has status "KernelWorkerStatus.RUNNING"', KernelStatus("RUNNING")),
        ('someone/x has status "complete"', KernelStatus("COMPLETE")),
        ('x has status "KernelWorkerStatus.ERROR"\nFailure message: "a\nb"', KernelStatus("ERROR", "a b")),
    ],
)
def test_a_state_is_read_off_what_the_client_prints(
    monkeypatch: pytest.MonkeyPatch, out: str, wanted: KernelStatus
) -> None:
    monkeypatch.setattr(kernels, "run_client", lambda *_, **__: ClientOutput(0, out, ""))
    assert kernels.read_kernel_status("someone/x") == wanted


def test_a_cancelled_notebook_has_ended_and_one_that_is_being_cancelled_has_not() -> None:
    assert KernelStatus("CANCEL_ACKNOWLEDGED").ended
    assert KernelStatus("CANCEL_ACKNOWLEDGED").cancelled
    assert not KernelStatus("CANCEL_REQUESTED").ended
