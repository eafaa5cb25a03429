"""Other class shares in the test set: alarm, re-weighted score, correction, and what stays as it is."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.fabricated import CLASSES, write_params, write_repository
from support.members import number_classes, simulate

from benchmarks.ensembling_shift import draw_once, summarise_draws
from benchmarks.simulated_members import as_members
from pipeline.core import cards, paths, predictions, tables
from pipeline.core.metrics import get_metric
from pipeline.core.scores import LabelledRows
from pipeline.core.shift_cards import ShiftCard
from pipeline.core.targets.classes import Grades
from pipeline.ensemble.class_shares import draw_by_class
from pipeline.ensemble.fitting import EnsembleParams, fit_ensemble
from pipeline.ensemble.recombining import check_combination
from pipeline.ensemble.shift import JudgedRows, correct_ensemble, measure_shift
from pipeline.stages import ensemble as stage

SHARES = np.array([0.7, 0.2, 0.06, 0.04])
COUNTS = {"other": (19, 1, 0), "even": (7, 7, 6)}


def judge(seed: int, shares: NDArray[np.float64] | None = SHARES, metric: str = "accuracy") -> tuple[JudgedRows, float]:
    """Returns rows with as many of each class, a test set of other shares, and its hidden score."""
    stacked, labels = simulate([1.5], 6000, 4, seed)
    probs, random = stacked[0], np.random.default_rng(seed)
    test = np.arange(5000, 6000)
    if shares is not None:
        test = 1000 + draw_by_class(labels[1000:], shares, 1000, random)
    judged = JudgedRows(
        rows=LabelledRows(labels[:1000], np.arange(1000)),
        parts=np.arange(1000) % 5,
        plain=probs[:1000],
        used=probs[:1000],
        test=probs[test],
        metric=get_metric(metric),
        target=number_classes(4),
    )
    return judged, judged.metric.score(labels[test], probs[test])


def test_a_test_set_of_the_same_shares_has_no_alarm_and_no_correction() -> None:
    measured = measure_shift(judge(0, None)[0])
    assert measured.factors is None
    assert measured.card.shares == {}
    assert measured.card.reweighted is None


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "macro_f1"])
def test_the_score_is_reweighted_to_the_shares_of_the_test_set(metric: str) -> None:
    judged, hidden = judge(1, metric=metric)
    card = measure_shift(judged, correct=False).card
    assert card.chance < 1e-6
    assert [share.test for share in card.shares.values()] == pytest.approx(SHARES, abs=0.04)
    assert card.reweighted is not None
    assert card.reweighted.interval[0] <= hidden <= card.reweighted.interval[1]
    assert not card.reweighted.applied
    assert card.reweighted.score == card.reweighted.uncorrected


def test_the_correction_is_applied_where_it_gains() -> None:
    judged, _ = judge(2)
    measured = measure_shift(judged)
    assert measured.factors is not None
    assert measured.card.reweighted is not None
    assert measured.card.reweighted.corrected > measured.card.reweighted.uncorrected
    np.testing.assert_allclose(measured.factors, SHARES / (np.bincount(judged.rows.labels) / 1000), rtol=0.5)


def test_a_correction_that_does_not_gain_is_left_out() -> None:
    judged, _ = judge(3)
    sure = np.where(judged.plain > 0.5, np.float32(1), np.float32(0)) + np.float32(1e-6)
    decided = sure / sure.sum(axis=1, keepdims=True)  # nothing is left for factors to change
    measured = measure_shift(replace(judged, used=decided))
    assert measured.factors is None
    assert measured.card.reweighted is not None
    assert not measured.card.reweighted.applied


@pytest.mark.slow
def test_simulated_shifts_are_covered_and_none_is_alarmed_without() -> None:
    still = [measure_shift(judge(seed, None)[0]).card for seed in range(20)]
    assert sum(bool(card.shares) for card in still) <= 1
    covered = 0
    for seed in range(10):
        judged, hidden = judge(seed, np.random.default_rng(seed).dirichlet(np.full(4, 3.0)))
        low, high = interval(measure_shift(judged, 1.0, correct=False).card)
        covered += low <= hidden <= high
    assert covered >= 9


def interval(card: ShiftCard) -> tuple[float, float]:
    assert card.reweighted is not None
    return card.reweighted.interval


def test_a_draw_of_the_benchmark_counts_what_is_covered() -> None:
    def source(random: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return simulate([1.5, 1.0], 1000, 4, int(random.integers(1 << 30)))

    draw = draw_once(source, (300, 200), "accuracy", 1.0, 0)
    assert draw.alarm
    assert draw.reweighted is not None
    counted = summarise_draws([draw])
    assert counted["reweighted_covers"] == draw.reweighted[1]
    assert counted["alarms"] == 1


def shifted_repository(root: Path, counts: tuple[int, ...]) -> Path:
    """Lays two models whose test predictions are of these many images of each class."""
    write_repository(root)
    write_params(root, ("one", "two"), ensemble={"combiners": ["mean"], "temperature": "never"})
    table = tables.read_folds(paths.folds_path(root))
    ids = tuple(tables.read_index(paths.index_path(root, "test"))["id"])
    digest = tables.folds_digest(table)
    for seed, name in enumerate(("one", "two")):
        random = np.random.default_rng(seed)
        for path, labels, keys in (
            (paths.oof_path(root, name), table["label"].to_numpy(), tuple(table["id"])),
            (paths.predicted_test_path(root, name), np.repeat(np.arange(3), counts), ids),
        ):
            logits = random.normal(size=(len(labels), 3))
            logits[np.arange(len(labels)), labels] += 2
            probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            made = predictions.Predictions(keys, probs.astype(np.float32), CLASSES, digest)
            predictions.write_predictions(path, made if "oof" in path.name else replace(made, folds=None))
    return root


def read_card(root: Path) -> cards.EnsembleCard:
    return cards.read_card(paths.card_path(root, paths.ENSEMBLE), cards.EnsembleCard)


def test_the_stage_corrects_test_predictions_alone_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, even = (shifted_repository(tmp_path / name, counts) for name, counts in COUNTS.items())
    stage.run(even)
    assert "class shares" not in capsys.readouterr().out
    each = [predictions.read_predictions(paths.predicted_test_path(even, name), CLASSES) for name in ("one", "two")]
    both = predictions.read_predictions(paths.predicted_test_path(even, "ensemble"), CLASSES)
    np.testing.assert_allclose(both.probs, (each[0].probs + each[1].probs) / 2, atol=1e-6)

    stage.run(root)
    card = read_card(root)
    assert card.shift is not None
    assert card.shift.shares["ant"].test > 0.7
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "other class shares" in line]
    assert re.search(r"ant \d+\.\d% \[.* instead of 33\.3%", line)
    assert f"instead of {card.pooled:.4f}" in line
    check_combination(root, get_metric("accuracy"))  # what is predicted later is corrected alike
    assert paths.oof_path(root, "ensemble").read_bytes() == paths.oof_path(even, "ensemble").read_bytes()
    assert read_card(even).pooled == card.pooled


def test_grades_are_left_alone() -> None:
    stacked, labels = simulate([1.5], 200, 4, 0)
    members = replace(as_members(stacked, labels), target=Grades(columns=("0", "1", "2", "3"), numbers=(0, 1, 2, 3)))
    fitted = fit_ensemble(members, get_metric("accuracy"), EnsembleParams(combiners=("mean",)))
    assert correct_ensemble(fitted, stacked) == (fitted, None)
