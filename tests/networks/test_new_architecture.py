"""An architecture is added in one file: a copy of the package gets one and trains it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import tiny
from support.trainings import repository, settings

PACKAGE = Path(__file__).parents[2] / "pipeline"
FILE = '''
"""One strided convolution."""

from typing import Literal

import keras
from keras import layers

from pipeline.core.config import Section


class Strided(Section):
    """How many filters."""

    name: Literal["strided"]
    filters: int = 4


def strided(pixels: keras.KerasTensor, section: Strided) -> keras.KerasTensor:
    """Returns features (batch, filters)."""
    return layers.GlobalMaxPooling2D()(layers.Conv2D(section.filters, 3, strides=2)(pixels))


NETWORKS = {"strided": (Strided, strided)}
'''


@pytest.mark.slow
def test_a_new_architecture_is_one_new_file(tmp_path: Path) -> None:
    root = repository(tmp_path / "root")
    shutil.copytree(PACKAGE, root / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "pipeline" / "networks" / "architectures" / "strided.py").write_text(FILE, encoding="utf-8")
    network = {"name": "strided", "filters": 3}
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings(epochs=1) | {"network": network})
    ran = subprocess.run(
        [str(Path(sys.executable).absolute()), "-m", "pipeline", "train", "one"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert (root / "folds" / "predictions" / "one" / "oof.parquet").is_file()
    network["filter"] = 3
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings(epochs=1) | {"network": network})
    command = [str(Path(sys.executable).absolute()), "-m", "pipeline", "train", "one"]
    refused = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "unknown key network" in refused.stderr
