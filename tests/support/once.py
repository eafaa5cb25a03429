"""Folders that are made once for all processes of a test run."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.core.files import locked


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Returns a folder of this process's own whose content the first process of the run made.

    Args:
        factory: pytest's.
        name: of the folder; another one for each content.
        make: fills an empty folder; the content must not name its own place.
    """
    own = factory.mktemp(name) / name
    # Processes of pytest-xdist have a folder each, below that of the run.
    run = factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else factory.getbasetemp()
    made = run / f"made-{name}"
    with locked(run / f"made-{name}.lock"):
        if not made.is_dir():
            begun = run / f"begun-{name}"
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir()
            make(begun)
            begun.rename(made)
    return Path(shutil.copytree(made, own))
