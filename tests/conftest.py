"""Fixtures that several test files share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.kaggle_server import KaggleServer, lead_there, serving
from support.once import make_once


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A repository root with a tiny competition (45 training images, 9 test images, 3 classes), nothing run yet."""
    from support.tiny import build

    build(tmp_path)
    return tmp_path


@pytest.fixture
def prepared(tiny: Path) -> Path:
    """The tiny competition's root after fetch and prepare."""
    from support.tiny import prepare_tiny

    prepare_tiny(tiny)
    return tiny


@pytest.fixture
def kaggle_server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleServer]:
    """A stand-in for Kaggle, to which the real client is led; see `kaggle_server.py`."""
    with serving() as server:
        lead_there(monkeypatch, server, tmp_path_factory.mktemp("home"))
        yield server


@pytest.fixture(scope="session")
def predicting_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with three trained models and their ensemble, read by many tests: copy it before a change."""
    from support import trained  # Keras is not imported for the tests of one room

    dense = {
        "input": {"size": 16},
        "network": {"name": "mlp_pixels", "units": [6]},
        "training": trained.TRAINING,
        "views": {"mirror": True, "shift": 1},
    }
    recipes = {"cnn": trained.CNN, "dense": dense, "hog": trained.HOG}
    return make_once(tmp_path_factory, "predicting", lambda root: trained.run(root, recipes))


@pytest.fixture
def competitions_dir() -> Path:
    """The folder of real competition zips, for the tests that want one; skipped where there is none."""
    folder = os.environ.get("COMPETITIONS_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("COMPETITIONS_DIR names no folder of competition zips")
    return Path(folder)
