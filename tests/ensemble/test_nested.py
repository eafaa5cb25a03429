"""Nested scores tell the truth, and the tests of it are able to fail."""

import re

import numpy as np
import pytest
from support.members import number_classes, sample, simulate

from pipeline.core.arrays import Probs
from pipeline.core.errors import InputError
from pipeline.core.metrics import get_metric
from pipeline.ensemble.combiners.catalogue import COMBINERS
from pipeline.ensemble.combiners.contract import OofRows, Rule
from pipeline.ensemble.nested import Candidate, assign_parts, choose_candidate, score_candidates

FITTED = (
    "convex",
    "greedy",
    "greedy_bagged",
    "greedy_metric",
    "metric_weights",
    "class_weights",
    "stack_logistic",
    "stack_boosting",
)
ACCURACY, FOUR = get_metric("accuracy"), number_classes(4)


def accuracy(given: OofRows, probs: Probs) -> float:
    return float((probs.argmax(axis=1) == given.truth).mean())


def test_with_permuted_labels_every_combiner_scores_at_chance() -> None:
    given = sample((1.0, 1.5, 2.0), rows=400)
    labels = np.random.default_rng(3).permutation(given.truth)
    permuted = OofRows(given.stacked, labels, given.folds, ACCURACY, FOUR)
    for candidate in score_candidates(permuted, tuple(COMBINERS), (False, True))[0]:
        assert accuracy(permuted, candidate.nested) == pytest.approx(0.25, abs=0.075), candidate.name


def test_a_part_is_predicted_by_fits_that_did_not_see_it() -> None:
    given = sample((0.5, 1.0), rows=200)
    spoiled = given.truth.copy()
    held = given.folds == 2
    spoiled[held] = (spoiled[held] + 1) % 4
    for one, two in zip(
        score_candidates(given, FITTED, (True,))[0],
        score_candidates(OofRows(given.stacked, spoiled, given.folds, ACCURACY, FOUR), FITTED, (True,))[0],
        strict=True,
    ):
        np.testing.assert_array_equal(one.nested[held], two.nested[held], err_msg=one.name)
        assert (one.nested[~held] != two.nested[~held]).any()


@pytest.mark.parametrize(
    ("name", "useless"),
    [
        ("convex", 200),
        ("greedy", 200),
        pytest.param("greedy_bagged", 60, marks=pytest.mark.slow),
        ("metric_weights", 40),
    ],
)
def test_random_members_do_not_raise_the_nested_score(name: str, useless: int) -> None:
    stacked, labels = simulate([1.0, 1.2] + [0.0] * useless, 300, 4, seed=2)
    few, many = (OofRows(stacked[:count], labels, np.arange(300) % 5, ACCURACY, FOUR) for count in (2, useless + 2))
    alone, among = (score_candidates(given, (name,), (False,))[0][0] for given in (few, many))
    assert accuracy(many, among.nested) <= accuracy(few, alone.nested) + 0.02


def test_in_sample_random_members_do_raise_it_so_that_the_test_above_can_fail() -> None:
    stacked, labels = simulate([1.0, 1.2] + [0.0] * 40, 300, 4, seed=2)
    given = OofRows(stacked, labels, np.arange(300) % 5, ACCURACY, FOUR)
    (candidate,) = score_candidates(given, ("metric_weights",), (False,))[0]
    assert accuracy(given, candidate(given.stacked)) > accuracy(given, candidate.nested) + 0.015


def test_a_memoriser_of_the_training_rows_gets_no_weight() -> None:
    random = np.random.default_rng(0)
    given = sample((1.0, 1.5), rows=400)
    # It knows every training row by heart; of a row it did not train on, as all OOF rows are, it knows nothing.
    memoriser = random.dirichlet(np.full(4, 0.05), 400).astype(np.float32)
    given = OofRows(
        np.concatenate([given.stacked, memoriser[None]]), given.truth, given.folds, ACCURACY, number_classes(4)
    )
    for candidate in score_candidates(given, ("convex", "greedy"), (False,))[0]:
        assert candidate.fitted is not None
        assert candidate.fitted.weights is not None
        assert candidate.fitted.weights[2] < 0.02


def nearest(features: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> Probs:
    """Out-of-fold predictions of a one-nearest-neighbour classifier."""
    probs = np.zeros((len(labels), 4), dtype=np.float32)
    for fold in np.unique(folds):
        held = folds == fold
        distances = ((features[held][:, None] - features[~held][None]) ** 2).sum(axis=2)
        probs[held, labels[~held][distances.argmin(axis=1)]] = 1
    return probs


def test_rows_duplicated_across_folds_raise_the_score_and_grouping_brings_it_back() -> None:
    random = np.random.default_rng(4)
    features = np.repeat(random.normal(size=(150, 5)), 2, axis=0)  # knows nothing of the class
    labels = np.repeat(random.integers(0, 4, 150), 2)
    across, grouped = np.arange(300) % 5, np.arange(300) // 2 % 5
    leaking, honest = (
        OofRows(nearest(features, labels, folds)[None], labels, folds, ACCURACY, FOUR) for folds in (across, grouped)
    )
    score = {
        name: accuracy(given, score_candidates(given, ("mean",), (False,))[0][0].nested)
        for name, given in (("leaking", leaking), ("honest", honest))
    }
    assert score["leaking"] > 0.9
    assert score["honest"] == pytest.approx(0.25, abs=0.1)


def test_the_simplest_within_one_standard_error_is_chosen() -> None:
    given = sample((1.5, 1.5), rows=400)
    mean = given.stacked.mean(axis=0)
    worse = np.roll(mean, 1, axis=1)
    hardly_better = mean.copy()
    right = mean.argmax(axis=1) == given.truth
    mended, spoiled = np.flatnonzero(~right)[:3], np.flatnonzero(right)[:2]
    hardly_better[mended] = np.eye(4, dtype=np.float32)[given.truth[mended]]
    hardly_better[spoiled] = np.roll(mean[spoiled], 1, axis=1)
    candidates = [
        Candidate(name, False, probs) for name, probs in (("worse", worse), ("mean", mean), ("best", hardly_better))
    ]
    choice = choose_candidate(candidates, given, np.arange(400))
    assert candidates[choice.index].combiner == "mean"
    assert choice.standing.behind[1] == pytest.approx(1 / 400)


def test_a_candidate_that_is_clearly_better_is_chosen() -> None:
    given = sample((2.5, 0.0, 0.0, 0.0), rows=400)
    candidates, _ = score_candidates(given, ("mean", "convex"), (False,))
    assert candidates[choose_candidate(candidates, given, np.arange(400)).index].combiner == "convex"


def test_the_choice_for_a_part_does_not_see_it() -> None:
    given = sample((1.0, 1.0), rows=100)
    truth = np.eye(4, dtype=np.float32)[given.truth] * 0.9 + 0.025
    held = given.folds == 0
    only_there, elsewhere = np.full_like(truth, 0.25), truth.copy()
    only_there[held], elsewhere[held] = truth[held], 0.25
    candidates = [Candidate("one", False, only_there), Candidate("two", False, elsewhere)]
    choice = choose_candidate(candidates, given, np.arange(100))
    assert choice.by_part[0] == 1
    np.testing.assert_array_equal(choice.nested[held], elsewhere[held])


def test_a_single_fold_is_cut_into_parts_of_whole_groups_and_of_every_class() -> None:
    groups = np.repeat(np.arange(40), 3)
    labels = groups % 4
    parts = assign_parts(np.zeros(120, dtype=np.int64), groups, labels, number_classes(4))
    assert all(len(np.unique(parts[groups == group])) == 1 for group in range(40))
    assert all(set(labels[parts == part]) == {0, 1, 2, 3} for part in range(5))


def test_trees_that_are_far_behind_on_the_first_part_are_fitted_to_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = []

    def fit_wrong(given: OofRows) -> Rule:
        fitted.append(len(given.truth))
        return Rule(lambda stacked: np.roll(stacked[0], 1, axis=1))

    monkeypatch.setitem(COMBINERS, "stack_boosting", fit_wrong)
    given = sample((2.0, 1.0), rows=300)
    candidates, skipped = score_candidates(given, ("mean", "stack_boosting"), (False,))
    assert [candidate.name for candidate in candidates] == ["mean"]
    assert fitted == [240]
    assert re.fullmatch(
        r"to the end: .* first part its accuracy was 0\.\d{4} worse than that of mean", skipped["stack_boosting"]
    )
    assert not score_candidates(sample((2.0, 1.0), rows=300, metric="macro_f1"), ("mean", "stack_boosting"), (False,))[
        1
    ]


@pytest.mark.parametrize(("each", "dropped"), [(20, False), (1, True)])
def test_rows_of_one_group_are_one_sign_of_being_behind(
    monkeypatch: pytest.MonkeyPatch, each: int, dropped: bool
) -> None:
    monkeypatch.setitem(COMBINERS, "stack_boosting", lambda given: Rule(lambda stacked: stacked[2]))
    labels = np.repeat(np.arange(60) % 4, 20)
    right = np.eye(4, dtype=np.float32)[labels] * 0.9 + 0.025
    wrong = right.copy()
    wrong[:200] = np.roll(wrong[:200], 1, axis=1)  # two of twelve groups in each part
    groups = np.arange(1200) // 20
    given = OofRows(np.stack([right, right, wrong]), labels, groups % 5, ACCURACY, FOUR)
    skipped = score_candidates(given, ("mean", "stack_boosting"), (False,), np.arange(1200) // each)[1]
    assert ("stack_boosting" in skipped) == dropped
    alone = score_candidates(given, ("mean", "stack_boosting"), (False,), groups % 5)[1]
    assert not alone  # one group in a part gives no error


def test_trees_that_alone_see_how_members_belong_together_stay() -> None:
    random = np.random.default_rng(0)
    says = random.random((2, 600)) < 0.5
    sure = np.where(says, 0.9, 0.1) + random.uniform(-0.05, 0.05, says.shape)
    stacked = np.stack([sure, 1 - sure], axis=2).astype(np.float32)
    given = OofRows(stacked, (says[0] ^ says[1]).astype(np.int64), np.arange(600) % 5, ACCURACY, number_classes(2))
    candidates, skipped = score_candidates(given, ("mean", "stack_boosting"), (False,))
    assert [candidate.name for candidate in candidates] == ["mean", "stack_boosting"]
    assert not skipped
    assert accuracy(given, candidates[1].nested) > 0.9


def test_where_nothing_can_be_left_out_the_mean_is_all_there_is() -> None:
    given = sample((1.0, 2.0), rows=20)
    alone = OofRows(given.stacked, given.truth, np.zeros(20, dtype=np.int64), ACCURACY, FOUR)
    candidates, skipped = score_candidates(alone, tuple(COMBINERS), (False, True))
    assert [candidate.name for candidate in candidates] == ["mean"]
    assert "nothing to leave out" in skipped["convex"]


def test_one_member_is_taken_as_it_is_whatever_combiners_are_named() -> None:
    assert [candidate.name for candidate in score_candidates(sample((1.0,)), ("convex",), (False,))[0]] == ["mean"]


def test_combiners_of_which_none_is_left_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"ensemble.combiners leaves nothing to try \(greedy_metric: the metric is log"
    ):
        score_candidates(sample((1.0, 2.0), metric="log_loss"), ("greedy_metric",), (False,))


def test_of_a_metric_that_is_no_mean_over_rows_all_parts_come_from_one_candidate() -> None:
    given = sample((1.0, 1.0), rows=200, metric="roc_auc")
    mean = given.stacked.mean(axis=0)
    held = given.folds == 0
    other = np.where(held[:, None], np.float32(0.25), np.eye(4, dtype=np.float32)[given.truth])
    choice = choose_candidate([Candidate("one", False, mean), Candidate("two", False, other)], given, np.arange(200))
    np.testing.assert_array_equal(choice.nested, (mean, other)[choice.index])


@pytest.mark.parametrize(("cooling", "names"), [
    ((False,), ["mean", "rank_mean"]),
    ((True,), ["mean+temperature", "rank_mean"]),
    ((False, True), ["mean", "mean+temperature", "rank_mean"]),
])  # fmt: skip
def test_temperatures_are_tried_where_they_can_matter(cooling: tuple[bool, ...], names: list[str]) -> None:
    candidates, _ = score_candidates(sample((1.0, 1.0), rows=50), ("rank_mean", "mean"), cooling)
    assert [candidate.name for candidate in candidates] == names


def test_what_becomes_of_candidates_at_the_end_may_decide() -> None:
    given = sample((1.5, 1.5), rows=200, metric="log_loss")
    candidates, _ = score_candidates(given, ("mean", "convex"), (False,))
    truth = np.eye(4, dtype=np.float32)[given.truth] * 0.9 + 0.025
    choice = choose_candidate(candidates, given, np.arange(200), [candidates[0].nested, truth])
    assert choice.index == 1
    np.testing.assert_array_equal(choice.nested, candidates[1].nested)
    assert choice.finished is not None
    np.testing.assert_array_equal(choice.finished, truth)
