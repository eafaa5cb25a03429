"""Fixtures of several files about describing."""

from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    models = tmp_path / "repo" / "configs" / "models"
    models.mkdir(parents=True)
    for file in (Path(__file__).parents[3] / "configs" / "models").glob("*.yaml"):
        (models / file.name).write_text("")
    return tmp_path / "repo"
