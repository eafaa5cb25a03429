"""A study that the tests of tuning share."""

from pathlib import Path

import pytest
from support.once import make_once
from support.studies import run_search, write_repository


@pytest.fixture(scope="session")
def studied_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose study has four trials, read by many tests: copy it before a change."""
    return make_once(tmp_path_factory, "studied", lambda root: run_search(write_repository(root)))
