"""A study that the tests of tuning share."""

from pathlib import Path

import pytest
from support.studies import run_search, write_repository


@pytest.fixture(scope="session")
def studied_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose study has four trials, read by many tests: copy it before a change."""
    root = write_repository(tmp_path_factory.mktemp("studied"))
    run_search(root)
    return root
