"""Contexts of trials: a study's name changes with everything that its scores depend on."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tiny
from support.studies import SEARCH, make_context, set_tune
from support.trainings import settings

from pipeline.core.paths import doubted_path

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"workers": 3, "n_trials": 7, "pruner": "median"}, True),
        ({"folds": [1]}, False),
        ({"seed": 1}, False),
    ],
)
def test_a_study_has_another_name_when_its_scores_would_differ(
    studied_root: Path, tmp_path: Path, change: dict[str, Any], same: bool
) -> None:
    root = tmp_path / "root"
    shutil.copytree(studied_root, root, ignore=shutil.ignore_patterns(".work"))
    set_tune(root, **change)
    assert (make_context(root).study_name == make_context(studied_root).study_name) == same


def test_more_seeds_are_no_other_study_as_tuning_trains_the_first(studied_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(studied_root, root, ignore=shutil.ignore_patterns(".work"))
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings() | {"search": SEARCH, "seeds": 3})
    assert make_context(root).study_name == make_context(studied_root).study_name


@pytest.mark.parametrize("what", ["space", "order", "recipe", "folds", "data", "metric"])
def test_a_changed_space_recipe_fold_or_image_is_another_study(studied_root: Path, tmp_path: Path, what: str) -> None:
    root = tmp_path / "root"
    shutil.copytree(studied_root, root, ignore=shutil.ignore_patterns(".work"))
    model = root / "configs" / "models" / "one.yaml"
    if what == "space":
        more = SEARCH | {"network.units": {"kind": "categorical", "choices": [[8], [16]]}}
        tiny.write_yaml(model, settings() | {"search": more})
    elif what == "order":
        tiny.write_yaml(model, settings() | {"search": dict(reversed(SEARCH.items()))})
    elif what == "recipe":
        tiny.write_yaml(model, settings(label_smoothing=0.1) | {"search": SEARCH})
    elif what == "folds":
        path = root / "folds" / "folds.csv"
        path.write_text(path.read_text().replace(",0\n", ",9\n").replace(",1\n", ",0\n").replace(",9\n", ",1\n"))
    elif what == "data":
        images = np.load(root / "data" / "prepared" / "train_images.npy")
        images[0, 0, 0, 0] ^= 1
        np.save(root / "data" / "prepared" / "train_images.npy", images)
    else:
        path = root / "configs" / "competitions" / "tiny.yaml"
        path.write_text(path.read_text().replace('"accuracy"', '"macro_f1"'))
    assert make_context(root).study_name != make_context(studied_root).study_name


def test_a_study_has_another_name_when_what_its_model_learns_from_changes(
    studied_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = make_context(studied_root).study_name
    monkeypatch.setattr("pipeline.tuning.trial_context.digest_dependencies", lambda *_: {"oof": {"teacher": "another"}})
    assert make_context(studied_root).study_name != before


def test_a_search_over_doubted_labels_is_another_study_when_their_list_changes(
    studied_root: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    shutil.copytree(studied_root, root, ignore=shutil.ignore_patterns(".work"))
    more = SEARCH | {"doubted": {"kind": "categorical", "choices": ["keep", "drop"]}}
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings() | {"search": more})
    names = [make_context(root).study_name]
    path = doubted_path(root, "tiny")
    path.parent.mkdir(parents=True, exist_ok=True)
    for text in ("id\n1\n", "id\n2\n"):
        path.write_text(text)
        names.append(make_context(root).study_name)
    assert len(set(names)) == 3
