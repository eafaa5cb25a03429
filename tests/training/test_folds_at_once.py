"""How many folds the train stage trains at once, where nobody says."""

from pathlib import Path
from typing import Any

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
        return train._count_processes(ModelFolds(root, "one"))

    assert (count(7), count(8)) == (1, len(tables.read_folds(paths.folds_path(root))["fold"].unique()))
    write_params(root, ["one"], train={"workers": 2})
    assert (count(7), count(8)) == (2, 2)


def test_no_process_is_started_to_find_all_folds_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tmp_path)
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings(epochs=2))
    write_params(root, ["one"], train={"workers": 2})
    started = list[list[tuple[str, int, int]]]()
    monkeypatch.setattr(train, "run_side_by_side", lambda make, given, wanted, *_: started.append(wanted))
    folds = ModelFolds(root, "one")
    train._train_folds(root, folds, ahead=True)
    tasks = folds.make_tasks()
    for task in tasks:
        task.folder.mkdir(parents=True)
        (task.folder / "done.json").write_text("{}")
    monkeypatch.setattr(train, "is_finished", lambda task: task.fold != 1)
    train._train_folds(root, folds, ahead=True)
    assert [len(wanted) for wanted in started] == [len(tasks)] * 2
    monkeypatch.setattr(train, "is_finished", lambda task: True)
    assert train._train_folds(root, folds, ahead=True) == tasks
    assert len(started) == 2


def test_what_is_free_trains_the_next_networks_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tmp_path)
    images = len(tables.read_folds(paths.folds_path(root)))
    monkeypatch.setattr(train, "_FEW", 2 * images)
    monkeypatch.setattr(train, "_BRIEF", 4 * images)
    monkeypatch.setattr(train, "count_workers", lambda workers, jobs=1: jobs)
    models = {"one": settings(epochs=2), "brief": settings(epochs=3), "long": settings(epochs=4)}
    models |= {"few": settings(epochs=1), "wrong": {"network": {"name": "plain_cnn"}}}
    models["taught"] = settings(epochs=3) | {
        "training": settings(epochs=3)["training"] | {"pseudo": {"teachers": ["one"]}}
    }
    for name, content in models.items():
        tiny.write_yaml(root / "configs" / "models" / f"{name}.yaml", content)
    write_params(root, list(models))
    given = list[tuple[Any, ...]]()
    monkeypatch.setattr(train, "run_side_by_side", lambda *arguments: given.append(arguments))
    train._train_folds(root, ModelFolds(root, "one"), ahead=True)
    _, _, wanted, count, spare, to_end = given.pop()
    assert {job[0] for job in wanted} == {"one"}
    assert [job[0] for job in spare] == ["brief"] * count + ["long"] * count
    assert to_end == count == len(wanted)
    train._train_folds(root, ModelFolds(root, "one"), ahead=False)
    assert given.pop()[4:] == ([], 0)
    train._train_folds(root, ModelFolds(root, "one"), False, ("brief", "one", "few", "no such model"))
    _, _, _, _, spare, to_end = given.pop()
    assert ([job[0] for job in spare], to_end) == (["brief"] * count, 0)
    train._train_folds(root, ModelFolds(root, "one"), True, ("brief",))
    assert given.pop()[4:] == ([*spare, *(("long", fold, seed) for _, fold, seed in spare)], count)
    write_params(root, list(models), tune=["no section"])  # which is for the stage of tuning to refuse
    train._train_folds(root, ModelFolds(root, "one"), ahead=True)
    assert given.pop()[5] == count
    write_params(root, list(models), tune={"n_trials": 5})
    train._train_folds(root, ModelFolds(root, "one"), ahead=True)
    assert given.pop()[4:] == ([], 0)
