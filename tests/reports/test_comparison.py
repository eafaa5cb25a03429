"""Two models compared on the same rows."""

import shutil
from pathlib import Path

import pytest
from support.fabricated import CLASSES, train_fake, write_model_card, write_repository

from pipeline.core.errors import InputError
from pipeline.core.paths import oof_path, oof_seed_path
from pipeline.core.predictions import read_predictions, write_predictions
from pipeline.reports.comparison import compare_models


def test_a_gain_is_the_difference_of_the_scores_with_an_interval_around_it(tmp_path: Path) -> None:
    root = write_repository(tmp_path)
    train_fake(root, "one", 0)
    train_fake(root, "two", 2, skill=0.2)
    words = compare_models(root, "one", "two").sentence.split()
    assert words[:4] == ["one", "against", "two:", "accuracy"]
    first, second = float(words[4]), float(words[6])
    assert float(words[10]) == pytest.approx(abs(first - second), abs=2e-4)
    assert first > second
    assert "higher (better)" in " ".join(words)
    assert "lower (worse)" in compare_models(root, "two", "one").sentence


def test_models_of_several_seeds_are_compared_over_the_seeds_that_both_have(tmp_path: Path) -> None:
    root = write_repository(tmp_path)
    for name, skill, seeds in (("one", 0.5, (0, 1, 2)), ("two", 0.2, (1, 2, 3))):
        for seed in seeds:
            train_fake(root, name, seed, skill=skill)
            path = oof_seed_path(root, name, seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(oof_path(root, name), path)
        scores = {str(seed): 0.5 for seed in seeds}
        write_model_card(root, name, seed=seeds[0], seeds={"scores": scores, "mean": 0.5, "std": 0.0})
    first, second = compare_models(root, "one", "two").sentence.splitlines()
    assert first.startswith("one against two: accuracy")
    assert second.startswith("one training of each, over 2 seeds and all rows: ")
    assert "higher (better), beyond chance" in second


def test_what_was_made_on_other_folds_is_refused(tmp_path: Path) -> None:
    root = write_repository(tmp_path)
    train_fake(root, "one", 0)
    train_fake(root, "two", 2)
    made = read_predictions(oof_path(root, "two"), CLASSES)
    write_predictions(oof_path(root, "two"), type(made)(made.ids, made.probs, made.classes, "other"))
    with pytest.raises(InputError, match=r"two was made on other folds than folds/folds\.csv"):
        compare_models(root, "one", "two")


def test_names_that_are_no_two_trained_models_are_refused(tmp_path: Path) -> None:
    root = write_repository(tmp_path)
    train_fake(root, "one", 0)
    with pytest.raises(InputError, match="one is compared with itself"):
        compare_models(root, "one", "one")
    with pytest.raises(InputError, match="dvc repro train@two"):
        compare_models(root, "one", "two")
