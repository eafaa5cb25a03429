"""How many folds the train stage trains at once, where nobody says."""

from pathlib import Path

import pytest
from support import tiny
from support.fabricated import write_params
from support.trainings import repository, settings

from pipeline.core import paths, tables
from pipeline.stages import train
from pipeline.training.model_folds import ModelFolds


def test_folds_train_at_once_where_each_sees_enough_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tmp_path)
    images = len(tables.read_folds(paths.folds_path(root)))
    monkeypatch.setattr(train, "_FEW", 8 * images)
    monkeypatch.setattr(train, "count_workers", lambda workers, jobs=1: workers or jobs)

    def count(epochs: int) -> int:
        tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings(epochs=epochs))
        return train._count_processes(ModelFolds(root, "one"), 3)

    assert (count(7), count(8)) == (1, 3)
    write_params(root, ["one"], train={"workers": 2})
    assert (count(7), count(8)) == (2, 2)
