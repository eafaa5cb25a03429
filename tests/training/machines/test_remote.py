"""Stores through a DVC remote: they stay out of a bundle, and are pulled and verified where it is unpacked."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from support import tiny
from support.trained import HOG
from support.trainings import repository

from pipeline.core.errors import InputError
from pipeline.core.files import sha256
from pipeline.stages import bundle
from pipeline.training.machines import remote
from pipeline.training.machines.parcels import verify_arrival

STAGE = {"stages": {"prepare": {"cmd": "true", "outs": ["data/prepared"]}}}


def run_dvc(root: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *words], cwd=root, check=True, capture_output=True)


@pytest.mark.slow
def test_stores_are_pulled_where_the_bundle_is_unpacked(tmp_path: Path) -> None:
    root, there = tmp_path / "here", tmp_path / "there"
    root.mkdir()
    repository(root, folds=[0, 2])
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", HOG)
    tiny.write_yaml(root / "dvc.yaml", STAGE)
    run_dvc(root, "init", "-q", "--no-scm")
    run_dvc(root, "commit", "-q", "-f", "prepare")
    with pytest.raises(InputError, match="DVC has no default remote; run `dvc remote add --default NAME URL`"):
        bundle.run(root, tmp_path / "b.tar", None, through_remote=True)
    assert not (tmp_path / "b.tar").exists()
    run_dvc(root, "remote", "add", "--default", "store", str(tmp_path / "remote"))
    run_dvc(root, "remote", "modify", "--local", "store", "verify", "true")
    bundle.run(root, tmp_path / "b.tar", None, through_remote=True)
    with tarfile.open(tmp_path / "b.tar") as tar:
        assert not [name for name in tar.getnames() if name.startswith("data/prepared/")]
        tar.extractall(there)
    assert "verify" not in (there / ".dvc" / "config").read_text()
    with pytest.raises(InputError, match=r"data/prepared/.* is missing or not what was sent"):
        verify_arrival(there)
    run_dvc(there, "pull", "prepare")
    verify_arrival(there)
    store = Path("data/prepared/train_images.npy")
    assert sha256(there / store) == sha256(root / store)


@pytest.mark.parametrize(
    "address",
    [
        "https://me:secret@host/store",
        "ssh://me:secret@host:22/store",
        "https://secret@host/s",
        "azure://c/x?sig=secret",
    ],
)
def test_a_password_in_an_address_stays_here(tmp_path: Path, address: str) -> None:
    with pytest.raises(InputError, match="the address of the DVC remote store holds a password or a token") as caught:
        remote._describe(tmp_path, "store", {"url": address})
    assert "secret" not in str(caught.value)


def test_a_password_in_the_address_of_its_server_stays_here_too(tmp_path: Path) -> None:
    settings = {"url": "s3://bucket/store", "endpointurl": "https://me:secret@minio:9000"}
    with pytest.raises(InputError, match="the address of the DVC remote store holds a password or a token") as caught:
        remote._describe(tmp_path, "store", settings)
    assert "secret" not in str(caught.value)


def test_a_remote_within_another_one_means_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="store is remote://other/part, which names another remote of this machine"):
        remote._describe(tmp_path, "store", {"url": "remote://other/part"})


def test_a_default_remote_that_is_described_nowhere_is_one_line(tmp_path: Path) -> None:
    run_dvc(tmp_path, "init", "-q", "--no-scm")
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = True\n    remote = gone\n")
    with pytest.raises(InputError, match="the default remote of DVC is 'gone', which has no address here; run `dvc re"):
        remote.push_stores(tmp_path)


def test_the_other_machine_is_told_the_place_and_no_credentials(tmp_path: Path) -> None:
    settings = {"url": "s3://bucket/store", "region": "eu-north-1", "secret_access_key": "x", "password": "y"}
    text = remote._describe(tmp_path, "store", settings).decode()
    assert "s3://bucket/store" in text
    assert "eu-north-1" in text
    assert "no_scm = true" in text
    assert not {"secret_access_key", "password"} & set(text.split())
    assert str(tmp_path / "kept") in remote._describe(tmp_path, "store", {"url": "../kept"}).decode()
