"""The order of many folds on many workers."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.fabricated import write_repository

from pipeline.core.paths import measured_recipes_path
from pipeline.planning.order import sort_longest_first
from pipeline.planning.prior import DataSize, measure_size
from pipeline.training.task_list import ListedTask

TABLE = """recipe,competition,side,images,error,seconds,features
quick,a,8,60,0.2,30,0
slow,a,8,60,0.1,300,0
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_repository(tmp_path)
    measured_recipes_path(tmp_path).write_text(TABLE)
    return tmp_path


def list_folds(model: str, *seconds: float) -> list[ListedTask]:
    return [
        ListedTask(model, fold, 0, "done" if taken else "open", epoch=bool(taken), seconds=taken)
        for fold, taken in enumerate(seconds)
    ]


def name_open(tasks: list[ListedTask]) -> list[str]:
    return [task.name for task in tasks if task.status != "done"]


def test_the_size_of_a_competition_is_that_of_its_stored_images(root: Path) -> None:
    assert measure_size(root) == DataSize(8, 60)


def test_folds_of_slow_models_begin_and_of_unknown_ones_before_them(root: Path) -> None:
    tasks = [*list_folds("quick", 0, 0), *list_folds("new", 0), *list_folds("slow", 0, 0)]
    names = ["new fold 0", "slow fold 0", "slow fold 1", "quick fold 0", "quick fold 1"]
    assert name_open(sort_longest_first(root, tasks)) == names


def test_without_measured_recipes_folds_stay_in_their_order(root: Path) -> None:
    measured_recipes_path(root).unlink()
    tasks = [*list_folds("quick", 0), *list_folds("slow", 0)]
    assert sort_longest_first(root, tasks) == tasks


def test_a_fold_that_was_trained_here_says_more_than_the_table(root: Path) -> None:
    tasks = [*list_folds("slow", 2, 0), *list_folds("quick", 3, 0), *list_folds("new", 1, 0)]
    assert name_open(sort_longest_first(root, tasks)) == ["quick fold 1", "slow fold 1", "new fold 1"]


def test_what_is_under_way_takes_the_rest_of_its_epochs(root: Path) -> None:
    quick, begun = list_folds("quick", 0), list_folds("slow", 0)
    begun = [replace(each, status="under way", epoch=39, epochs=40) for each in begun]
    assert name_open(sort_longest_first(root, [*begun, *quick])) == ["quick fold 0", "slow fold 0"]


def test_what_has_all_its_epochs_is_the_last(root: Path) -> None:
    new = [replace(task, status="under way", epoch=3, epochs=3) for task in list_folds("new", 0)]
    tasks = [*new, *list_folds("quick", 0), *list_folds("other", 0), *list_folds("slow", 0)]
    names = ["other fold 0", "slow fold 0", "quick fold 0", "new fold 0"]
    assert name_open(sort_longest_first(root, tasks)) == names


def test_seeds_of_a_model_share_what_the_table_says_of_one(root: Path) -> None:
    """Two seeds of two folds: each fold takes half of what all folds of one seed do."""
    several = [replace(task, seed=seed, seeds=2) for seed in (0, 1) for task in list_folds("quick", 0, 0)]
    alone = list_folds("slow", *([0.0] * 30))  # 10 s each, and 15 s of quick
    assert name_open(sort_longest_first(root, [*alone, *several]))[0] == "quick seed 0 fold 0"
