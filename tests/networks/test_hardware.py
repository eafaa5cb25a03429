"""Hardware, versions and settings: named as far as they change bits."""

import importlib
import importlib.metadata
import os
import subprocess
import sys

import pytest
from support.project_imports import ROOT

from pipeline.networks import hardware
from pipeline.networks.runtime import keras


def test_versions_name_the_backend_and_what_makes_the_batches() -> None:
    assert {keras.backend.backend(), "keras", "albumentations", "opencv-python-headless", "python"} <= set(
        hardware.read_versions()
    )


def test_hardware_tells_the_number_of_cores_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.networks.runtime.list_gpus", list)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 5}, raising=False)
    assert hardware.name_hardware().endswith(" x3")


def test_hardware_names_the_gpus_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.networks.runtime.list_gpus", lambda: [("H200", (9, 0))])
    assert hardware.name_hardware() == "gpu H200"
    assert hardware.count_gpus() == 1


def test_settings_hold_only_variables_that_change_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # TensorFlow 2.21 computes on a thread pool of its own
    assert hardware.read_numeric_settings()["TF_ENABLE_ONEDNN_OPTS"] == "0"
    assert "SOMETHING_ELSE" not in hardware.read_numeric_settings()
    assert ("OMP_NUM_THREADS" in hardware.read_numeric_settings()) == (keras.backend.backend() != "tensorflow")


@pytest.mark.slow
@pytest.mark.parametrize(("given", "used"), [(None, "1"), ("0", "0")])
def test_onednn_is_on_everywhere_unless_the_environment_says_otherwise(given: str | None, used: str) -> None:
    code = "from pipeline.networks import hardware; print(hardware.read_numeric_settings()['TF_ENABLE_ONEDNN_OPTS'])"
    rest = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    environment = rest if given is None else rest | {"TF_ENABLE_ONEDNN_OPTS": given}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == used


def test_the_version_of_the_backend_is_that_of_its_distribution_or_what_it_says_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    says = str(importlib.import_module(keras.backend.backend()).__version__)
    hardware._read_backend_version.cache_clear()
    assert hardware._read_backend_version(keras.backend.backend()) == says

    def find_none(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", find_none)
    hardware._read_backend_version.cache_clear()
    assert hardware._read_backend_version(keras.backend.backend()) == says
