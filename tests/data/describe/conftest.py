"""Fixtures of several files about describing."""

from pathlib import Path

import pytest

MODELS = Path(__file__).parents[3] / "configs" / "models"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the shipped models alone; they are read there, never written."""
    configs = tmp_path / "repo" / "configs"
    configs.mkdir(parents=True)
    (configs / "models").symlink_to(MODELS)
    return tmp_path / "repo"
