"""Averages of epochs: the mean of the last or the best weights, normalised by statistics of its own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.trainings import recipe, repository, session, settings, task

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.networks.normalisation import list_batch_norms
from pipeline.training.callback import StateCallback
from pipeline.training.phases import copy_variables
from pipeline.training.recipes.averaging import EpochAverage, add_weights, hold_rates, keep_best_weights, mean_of_kept
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.trainer import _fit


def test_the_mean_is_that_of_all_epochs_added() -> None:
    drawn = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
    mean: list[Any] = []
    for count, weights in enumerate(drawn, start=1):
        add_weights(mean, list(weights), count)
    np.testing.assert_allclose(mean, drawn.mean(axis=0, dtype=np.float64), rtol=1e-12)


def test_the_rate_is_held_while_weights_are_averaged() -> None:
    rates = np.linspace(1, 0.1, 8, dtype=np.float32)
    held = hold_rates(rates, EpochAverage(epochs=2, learning_rate=0.5), 2)
    assert held.tolist() == [*rates[:4].tolist(), 0.5, 0.5, 0.5, 0.5]
    assert hold_rates(rates, EpochAverage(epochs=2), 2) is rates


def test_the_weights_of_the_lowest_losses_are_kept_and_of_equal_ones_the_earlier() -> None:
    losses, kept = list[float](), list[Any]()
    for epoch, loss in enumerate([0.9, 0.5, 0.7, 0.7, 0.5, 0.4]):
        weights = [np.full((2, 2), epoch, np.float32), np.full(1, -epoch, np.float32)]
        keep_best_weights(kept, losses, weights, loss, 3)
    assert sorted(losses) == [0.4, 0.5, 0.5]
    assert sorted(each[0, 0] for each in kept[::2]) == [1, 4, 5]
    matrix, vector = mean_of_kept(kept, 3)
    assert matrix == pytest.approx(np.full((2, 2), 10 / 3))
    assert vector == pytest.approx([-10 / 3])
    before = [each.copy() for each in kept]
    keep_best_weights(kept, losses, [np.zeros((2, 2)), np.zeros(1)], 0.5, 3)
    assert all((one == other).all() for one, other in zip(before, kept, strict=True))


def test_a_choice_of_epochs_is_a_use_of_the_fold_whose_score_is_reported() -> None:
    assert recipe(average={"best": 2}).peeked == ("epochs chosen on the validation fold",)
    assert recipe(average={"epochs": 2}).peeked == ()
    dumped = recipe(average={"epochs": 2}).model_dump(mode="json")["training"]["average"]
    assert dumped == {"epochs": 2, "learning_rate": None}  # what was trained before does not train again


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"average": {"epochs": 1}}, "average.epochs: Input should be greater than or equal to 2, got 1"),
        ({"average": {"epochs": 9}}, r"average.epochs must be at most epochs \(4\), got 9"),
        ({"average": {"best": 9}}, r"average.best must be at most epochs \(4\), got 9"),
        ({"average": {}}, r"average takes epochs \(the last ones\) or best"),
        ({"average": {"epochs": 2, "best": 2}}, r"average takes epochs \(the last ones\) or best"),
        ({"average": {"best": 2, "learning_rate": 0.1}}, "is of the last epochs; it does not go with best"),
        ({"average": {"best": 2}, "validate_every": 2}, "average.best and schedule plateau need validate_every: 1"),
        ({"average": {"epochs": 2}, "select": "best"}, "leave out select: best, optimizer.ema and schedule plateau"),
        ({"average": {"epochs": 2, "learning_rate": 0.0}}, "average.learning_rate: Input should be greater than 0"),
    ],
)
def test_averages_that_cannot_be_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        recipe(**changes)


@pytest.mark.slow
def test_a_fold_ends_with_the_mean_of_its_best_epochs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = repository(tmp_path)
    wanted = recipe(average={"best": 2}, optimizer={"name": "adam", "learning_rate": 0.2})
    opened, one = session(root, wanted), task(root, wanted, "work")
    one.folder.mkdir(parents=True)
    training, seen = opened.begin(0, 0), list[tuple[float, Any]]()

    def note(row: dict[str, float]) -> None:
        seen.append((row["valid_loss"], copy_variables(training.phase.model.trainable_variables)))

    callback = StateCallback(training, one, note)
    callback.restore()
    numbers = sum(weight.size for weight in copy_variables(training.phase.model.trainable_variables))
    assert f"its 2 best epochs, {8 * numbers / 1e6:,.1f} MB in memory" in capsys.readouterr().out
    _fit(training, callback)
    callback.use_chosen_weights()
    best = sorted(seen, key=lambda pair: pair[0])[:2]
    assert [loss for loss, _ in best] != [loss for loss, _ in seen[-2:]]  # else the last epochs would do as well
    for found, *chosen in zip(
        copy_variables(training.phase.model.trainable_variables), *(weights for _, weights in best), strict=True
    ):
        np.testing.assert_allclose(found, np.mean(chosen, axis=0), rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_a_fold_ends_with_the_mean_of_its_last_epochs_and_statistics_of_its_own(tmp_path: Path) -> None:
    network = {"name": "deep_elu_cnn", "widths": [4], "blocks": [1]}
    data = settings(epochs=3, average={"epochs": 2}) | {"network": network}
    wanted = parse(data, Recipe, "a test")
    root = repository(tmp_path)
    opened, one = session(root, wanted), task(root, wanted, "work")
    one.folder.mkdir(parents=True)
    training, seen = opened.begin(0, 0), list[Any]()
    callback = StateCallback(
        training, one, lambda row: seen.append(copy_variables(training.phase.model.trainable_variables))
    )
    callback.restore()
    _fit(training, callback)
    callback.use_chosen_weights()
    for found, *last in zip(copy_variables(training.phase.model.trainable_variables), *seen[1:], strict=True):
        np.testing.assert_allclose(found, np.mean(last, axis=0), rtol=1e-5, atol=1e-7)
    norms = list_batch_norms(training.phase.net.model)
    before = [copy_variables(layer.non_trainable_variables) for layer in norms]
    training.reestimate_statistics()
    assert len(norms) > 0
    for layer, old in zip(norms, before, strict=True):
        assert not np.allclose(copy_variables(layer.non_trainable_variables)[0], old[0])
