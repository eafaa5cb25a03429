"""Confirmation: on folds or a seed that the search did not use."""

import pytest

from pipeline.tuning import (
    confirmation,
)

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.mark.parametrize(
    ("searched_folds", "wanted"), [([0], ((1, 2), 5)), ([2, 0], ((1,), 5)), ([0, 1, 2], ((0, 1, 2), 6))]
)
def test_the_best_trial_is_confirmed_on_folds_or_a_seed_the_search_did_not_use(
    searched_folds: list[int], wanted: tuple[tuple[int, ...], int]
) -> None:
    assert confirmation.choose_unseen_folds(searched_folds, 3, 5) == wanted
