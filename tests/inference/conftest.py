"""Fixtures of the tests about packs: a repository to be packed."""

import shutil
from pathlib import Path

import pytest
from support import trained
from support.once import make_once
from support.packs import RECIPES


@pytest.fixture(scope="session")
def packable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose two models and their ensemble are trained: copy it before a change."""
    return make_once(tmp_path_factory, "pack", lambda root: trained.run(root, RECIPES, submission="probabilities"))


@pytest.fixture
def root(packable: Path, tmp_path: Path) -> Path:
    """A copy of it, to be packed."""
    return Path(shutil.copytree(packable, tmp_path / "repository"))
