"""Fixtures of several files about trainings."""

from pathlib import Path

import pytest
from support.trainings import recipe, repository, teach, train

from pipeline.training import callback


@pytest.fixture(autouse=True)
def _every_epoch_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Epochs of less than a second are kept here, too, as tests break trainings off between them."""
    monkeypatch.setattr(callback, "_KEEP_EVERY", 0.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository root that the trainings of this file only read; each has a working folder of its own."""
    root = repository(tmp_path_factory.mktemp("trainer"))
    teach(root)
    return root


@pytest.fixture(scope="module")
def usual(root: Path) -> Path:
    """The usual recipe's fold 0, trained without a break."""
    return train(root, recipe(), "usual")
