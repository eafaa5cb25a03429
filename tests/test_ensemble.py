"""Combiners, alignment of members, and the ensemble stage."""

from pathlib import Path

import numpy as np
import pytest
from fabricated import CLASSES, random_probs, shuffle_predictions, train_fake, write_params, write_repository

from pipeline import cards, ensemble, tables
from pipeline.errors import InputError
from pipeline.files import write_text
from pipeline.stages import ensemble as stage

PATHS = {"oof": tables.oof_path, "test": tables.test_path}
OUTPUTS = ("folds/ensemble/oof.parquet", "folds/ensemble/test.parquet", "folds/ensemble/metrics.json")


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """Two models with predictions for every fold."""
    root = write_repository(tmp_path)
    train_fake(root, "one", seed=1)
    train_fake(root, "two", seed=3)
    return root


def outputs(root: Path) -> list[bytes]:
    stage.run(root)
    return [(root / name).read_bytes() for name in (*OUTPUTS, "reports/ensemble.json", "reports/confusion.png")]


@pytest.mark.parametrize("name", ensemble.COMBINERS)
@pytest.mark.parametrize("members", [1, 2, 5])
def test_weights_are_not_negative_and_sum_to_one(name: str, members: int) -> None:
    weights = ensemble.COMBINERS[name](np.stack([random_probs(20, 4, seed) for seed in range(members)]))
    assert weights.shape == (members,)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)


def test_the_mean_equals_the_value_worked_by_hand() -> None:
    stacked = np.array([[[0.2, 0.8]], [[0.6, 0.4]]], dtype=np.float32)
    combined = ensemble.combine(stacked, ensemble.mean(stacked))
    np.testing.assert_allclose(combined, [[0.4, 0.6]], atol=1e-7)


def test_a_weighted_mean_equals_the_value_worked_by_hand() -> None:
    stacked = np.array([[[0.2, 0.8]], [[0.6, 0.4]]], dtype=np.float32)
    np.testing.assert_allclose(ensemble.combine(stacked, np.array([0.25, 0.75])), [[0.5, 0.5]], atol=1e-7)


def test_combined_rows_are_probabilities() -> None:
    stacked = np.stack([random_probs(1000, 120, seed) for seed in range(3)])
    combined = ensemble.combine(stacked, ensemble.mean(stacked))
    assert combined.dtype == np.float32
    np.testing.assert_allclose(combined.sum(axis=1), 1, atol=1e-6)


def test_the_stage_writes_the_mean_by_id(trained: Path) -> None:
    stage.run(trained)
    for part in ("oof", "test"):
        one, two, both = (
            tables.read_predictions(PATHS[part](trained, name), CLASSES) for name in ("one", "two", "ensemble")
        )
        wanted = (one.aligned(both.ids, "one") + two.aligned(both.ids, "two")) / 2
        np.testing.assert_allclose(both.probs, wanted, atol=1e-6)


def test_the_card_says_what_was_combined_and_scores_it(trained: Path) -> None:
    stage.run(trained)
    card = cards.read_card(tables.card_path(trained, "ensemble"), cards.EnsembleCard)
    oof = tables.read_predictions(tables.oof_path(trained, "ensemble"), CLASSES)
    folds = tables.read_folds(tables.folds_path(trained))
    assert card.members == ("one", "two")
    assert card.weights == {"one": 0.5, "two": 0.5}
    labels = folds.set_index("id")["label"].loc[list(oof.ids)].to_numpy()
    assert card.pooled == pytest.approx((oof.probs.argmax(axis=1) == labels).mean())
    assert set(card.fold_scores) == {"0", "1", "2"}


def test_the_metrics_are_those_of_the_card(trained: Path) -> None:
    stage.run(trained)
    card = cards.read_card(tables.card_path(trained, "ensemble"), cards.EnsembleCard)
    numbers = tables.read_json(trained / "folds" / "ensemble" / "metrics.json", "")
    assert (numbers["pooled"], numbers["log_loss"]) == (card.pooled, card.scores["log_loss"])


def test_a_model_card_is_never_read(trained: Path) -> None:
    write_text(tables.card_path(trained, "one"), "not a card")
    stage.run(trained)


def test_the_row_order_of_the_members_changes_nothing(trained: Path) -> None:
    before = outputs(trained)
    for seed, name in enumerate(("one", "two")):
        shuffle_predictions(tables.oof_path(trained, name), CLASSES, seed)
        shuffle_predictions(tables.test_path(trained, name), CLASSES, seed + 7)
    assert outputs(trained) == before


def test_the_order_of_the_members_changes_nothing(trained: Path) -> None:
    before = outputs(trained)
    write_params(trained, ["two", "one"])
    assert outputs(trained) == before


def test_a_model_that_params_do_not_name_is_left_out(trained: Path) -> None:
    before = outputs(trained)
    train_fake(trained, "three", seed=9)
    assert outputs(trained) == before


def test_one_member_is_its_own_ensemble(trained: Path) -> None:
    write_params(trained, ["one"])
    stage.run(trained)
    one, both = (tables.read_predictions(tables.oof_path(trained, name), CLASSES) for name in ("one", "ensemble"))
    np.testing.assert_allclose(one.aligned(both.ids, "one"), both.probs, atol=1e-7)


def test_a_quick_look_at_one_fold_is_scored_on_its_rows(trained: Path) -> None:
    train_fake(trained, "one", seed=1, scored=[1])
    train_fake(trained, "two", seed=3, scored=[1])
    stage.run(trained)
    folds = tables.read_folds(tables.folds_path(trained))
    oof = tables.read_predictions(tables.oof_path(trained, "ensemble"), CLASSES)
    assert list(oof.ids) == folds.loc[folds["fold"] == 1, "id"].tolist()
    card = cards.read_card(tables.card_path(trained, "ensemble"), cards.EnsembleCard)
    assert set(card.fold_scores) == {"1"}


def test_members_of_other_folds_are_refused(trained: Path) -> None:
    train_fake(trained, "two", seed=3, scored=[0, 2])
    with pytest.raises(InputError, match=r"two.oof.parquet scored the folds 0, 2, .*one.oof.parquet the folds 0, 1, 2"):
        stage.run(trained)
    assert not (trained / "folds" / "ensemble").exists()
    assert not (trained / "reports").exists()


def rewrite(root: Path, part: str, rows: slice, rename: dict[str, str] | None = None) -> None:
    path = PATHS[part](root, "two")
    kept = tables.read_predictions(path, CLASSES)
    ids = tuple((rename or {}).get(name, name) for name in kept.ids[rows])
    tables.write_predictions(path, tables.Predictions(ids, kept.probs[rows], CLASSES))


def test_a_part_of_a_fold_is_refused(trained: Path) -> None:
    rewrite(trained, "oof", slice(0, -1))
    with pytest.raises(InputError, match=r"two.oof.parquet lacks 1 ids of the folds it scored: 59; train it again"):
        stage.run(trained)


def test_ids_that_the_fold_table_lacks_are_refused(trained: Path) -> None:
    rewrite(trained, "oof", slice(None), {"7": "seven"})
    with pytest.raises(InputError, match=r"two.oof.parquet has 1 ids that folds/folds.csv lacks: seven"):
        stage.run(trained)


def test_test_ids_that_are_missing_are_refused(trained: Path) -> None:
    rewrite(trained, "test", slice(1, None))
    with pytest.raises(InputError, match=r"two.test.parquet lacks 1 ids: t0"):
        stage.run(trained)


def test_a_member_that_was_not_trained_is_refused(trained: Path) -> None:
    tables.test_path(trained, "two").unlink()
    with pytest.raises(InputError, match=r"two.test.parquet does not exist; run `dvc repro` to train that model"):
        stage.run(trained)
    assert not (trained / "folds" / "ensemble").exists()


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([], r"must list files under configs/models, got \[\]"),
        (["one", "one"], "lists one more than once"),
        (["one", "tow"], "'tow', configs/models has no such file; did you mean two"),
        (["one", "ensemble"], "'ensemble' cannot name a model"),
        ([1], r"got \[1\]"),
    ],
)
def test_models_that_cannot_be_members_are_refused(trained: Path, models: list[str], message: str) -> None:
    write_params(trained, models)
    with pytest.raises(InputError, match=message):
        stage.run(trained)


def test_permuted_predictions_score_at_chance(tmp_path: Path) -> None:
    root = write_repository(tmp_path)
    for name, seed in (("one", 1), ("two", 3)):
        train_fake(root, name, seed, skill=1.0)
        path = tables.oof_path(root, name)
        kept = tables.read_predictions(path, CLASSES)
        order = np.random.default_rng(0).permutation(len(kept.ids))
        tables.write_predictions(path, tables.Predictions(kept.ids, kept.probs[order], CLASSES))
    stage.run(root)
    card = cards.read_card(tables.card_path(root, "ensemble"), cards.EnsembleCard)
    assert card.pooled == pytest.approx(1 / 3, abs=0.17)  # 60 rows: almost three standard errors
