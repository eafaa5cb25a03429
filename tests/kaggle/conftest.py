"""Repositories with submissions, made once."""

import shutil
from pathlib import Path

import pytest
from support.fabricated import LABELS, PROBABILITIES
from support.kaggle_server import KaggleServer
from support.submissions import make_submissions
from support.warm_client import warm


@pytest.fixture(scope="session")
def labels_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_submissions(tmp_path_factory.mktemp("labels"), LABELS)


@pytest.fixture(scope="session")
def probabilities_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_submissions(tmp_path_factory.mktemp("probabilities"), PROBABILITIES)


@pytest.fixture
def root(labels_once: Path, tmp_path: Path, kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three submissions of class names, ready to be uploaded to the stand-in for Kaggle."""
    warm(monkeypatch, tmp_path)
    return Path(shutil.copytree(labels_once, tmp_path / "copy"))
