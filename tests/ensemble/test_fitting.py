"""The ensemble stage: alignment of members, what is written and what is refused."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.fabricated import CLASSES, shuffle_predictions, train_fake, write_params, write_repository

from pipeline.core import cards, files, paths, predictions, tables
from pipeline.core.errors import InputError
from pipeline.core.files import write_text
from pipeline.stages import ensemble as stage
from pipeline.training.recipes.distillation import find_oof_file

PATHS = {"oof": paths.oof_path, "test": paths.predicted_test_path}
OUTPUTS = (
    "folds/ensemble/oof.parquet",
    "folds/ensemble/test.parquet",
    "folds/ensemble/metrics.json",
    "reports/confusion.png",
    "reports/calibration.png",
)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """Two models with predictions for every fold."""
    root = write_repository(tmp_path)
    train_fake(root, "one", seed=1)
    train_fake(root, "two", seed=3)
    return root


def outputs(root: Path) -> list[object]:
    """Runs the stage; returns all it wrote, without the seconds that fits took."""
    stage.run(root)
    card = read_card(root).model_dump()
    for candidate in card["candidates"]:
        candidate["seconds"] = 0
    return [card, *((root / name).read_bytes() for name in OUTPUTS)]


def read_card(root: Path) -> cards.EnsembleCard:
    return cards.read_card(paths.card_path(root, "ensemble"), cards.EnsembleCard)


def only_the_mean(root: Path, models: Sequence[str] = ("one", "two")) -> None:
    write_params(root, models, ensemble={"combiners": ["mean"], "temperature": "never"})


def test_the_stage_writes_the_mean_by_id(trained: Path) -> None:
    only_the_mean(trained)
    stage.run(trained)
    for part in ("oof", "test"):
        one, two, both = (
            predictions.read_predictions(PATHS[part](trained, name), CLASSES) for name in ("one", "two", "ensemble")
        )
        wanted = (one.aligned(both.ids, "one") + two.aligned(both.ids, "two")) / 2
        np.testing.assert_allclose(both.probs, wanted, atol=1e-6)


def test_the_card_says_what_was_combined_and_scores_it(trained: Path) -> None:
    only_the_mean(trained)
    stage.run(trained)
    card = read_card(trained)
    oof = predictions.read_predictions(paths.oof_path(trained, "ensemble"), CLASSES)
    folds = tables.read_folds(paths.folds_path(trained))
    assert card.members == ("one", "two")
    assert card.weights == {"one": 0.5, "two": 0.5}
    labels = folds.set_index("id")["label"].loc[list(oof.ids)].to_numpy()
    assert card.pooled == pytest.approx((oof.probs.argmax(axis=1) == labels).mean())
    assert set(card.fold_scores) == {"0", "1", "2"}


def test_the_metrics_are_one_score_a_member_and_that_of_the_ensemble(trained: Path) -> None:
    stage.run(trained)
    card = read_card(trained)
    numbers = files.read_json(trained / "folds" / "ensemble" / "metrics.json", "")
    assert numbers == {"ensemble": card.pooled, "one": card.alone["one"], "two": card.alone["two"]}


def test_a_model_card_is_never_read(trained: Path) -> None:
    write_text(paths.card_path(trained, "one"), "not a card")
    stage.run(trained)


def test_the_row_order_of_the_members_changes_nothing(trained: Path) -> None:
    before = outputs(trained)
    for seed, name in enumerate(("one", "two")):
        shuffle_predictions(paths.oof_path(trained, name), CLASSES, seed)
        shuffle_predictions(paths.predicted_test_path(trained, name), CLASSES, seed + 7)
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
    only_the_mean(trained, ["one"])
    stage.run(trained)
    one, both = (predictions.read_predictions(paths.oof_path(trained, name), CLASSES) for name in ("one", "ensemble"))
    np.testing.assert_allclose(one.aligned(both.ids, "one"), both.probs, atol=1e-7)


def test_a_quick_look_at_one_fold_is_scored_on_its_rows(trained: Path) -> None:
    train_fake(trained, "one", seed=1, scored=[1])
    train_fake(trained, "two", seed=3, scored=[1])
    stage.run(trained)
    folds = tables.read_folds(paths.folds_path(trained))
    oof = predictions.read_predictions(paths.oof_path(trained, "ensemble"), CLASSES)
    assert list(oof.ids) == folds.loc[folds["fold"] == 1, "id"].tolist()
    card = read_card(trained)
    assert set(card.fold_scores) == {"1"}


def test_members_of_other_folds_are_refused(trained: Path) -> None:
    train_fake(trained, "two", seed=3, scored=[0, 2])
    with pytest.raises(InputError, match=r"two.oof.parquet scored the folds 0, 2, .*one.oof.parquet the folds 0, 1, 2"):
        stage.run(trained)
    assert not (trained / "folds" / "ensemble").exists()
    assert not (trained / "reports").exists()


def rewrite(root: Path, part: str, rows: slice, rename: dict[str, str] | None = None) -> None:
    path = PATHS[part](root, "two")
    kept = predictions.read_predictions(path, CLASSES)
    ids = tuple((rename or {}).get(name, name) for name in kept.ids[rows])
    predictions.write_predictions(path, replace(kept, ids=ids, probs=kept.probs[rows]))


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
    paths.predicted_test_path(trained, "two").unlink()
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
        path = paths.oof_path(root, name)
        kept = predictions.read_predictions(path, CLASSES)
        order = np.random.default_rng(0).permutation(len(kept.ids))
        predictions.write_predictions(path, replace(kept, probs=kept.probs[order]))
    stage.run(root)
    card = read_card(root)
    assert card.pooled == pytest.approx(1 / 3, abs=0.17)  # 60 rows: almost three standard errors


def test_a_member_that_peeked_is_refused(trained: Path) -> None:
    train_fake(trained, "two", seed=3, peeked=("the best epoch was chosen on the validation fold",))
    with pytest.raises(InputError, match=r"score of two may be optimistic: the best epoch.*allow_peeked"):
        stage.run(trained)


@pytest.mark.slow
def test_a_member_that_peeked_is_taken_on_request_and_marked(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_fake(trained, "two", seed=3, peeked=("the best epoch",))
    write_params(trained, ["one", "two"], ensemble={"allow_peeked": True})
    stage.run(trained)
    assert read_card(trained).peeked == {"two": ("the best epoch",)}
    assert predictions.read_predictions(paths.oof_path(trained, "ensemble"), CLASSES).peeked == ("the best epoch",)
    assert "note: two: the score above may be optimistic: the best epoch" in capsys.readouterr().out


def test_a_member_of_other_folds_is_refused_by_their_digest(trained: Path) -> None:
    path = paths.oof_path(trained, "two")
    predictions.write_predictions(path, replace(predictions.read_predictions(path, CLASSES), folds="0" * 64))
    with pytest.raises(InputError, match=r"two.oof.parquet was made on other folds than folds/folds.csv; train"):
        stage.run(trained)


def test_a_member_whose_folds_nothing_shows_is_refused(trained: Path) -> None:
    path = paths.oof_path(trained, "two")
    predictions.write_predictions(path, replace(predictions.read_predictions(path, CLASSES), folds=None))
    with pytest.raises(InputError, match="nothing shows on which folds it was trained"):
        stage.run(trained)


def test_columns_in_another_order_are_aligned_by_name(trained: Path) -> None:
    before = outputs(trained)
    path = paths.oof_path(trained, "two")
    kept = predictions.read_predictions(path, CLASSES)
    predictions.write_predictions(path, replace(kept, probs=kept.probs[:, ::-1], classes=CLASSES[::-1]))
    assert outputs(trained) == before


def test_members_of_other_classes_are_refused(trained: Path) -> None:
    path = paths.oof_path(trained, "two")
    kept = predictions.read_predictions(path, CLASSES)
    predictions.write_predictions(path, replace(kept, classes=("ant", "bee", "cow")))
    with pytest.raises(InputError, match=r"two.oof.parquet has the columns id, ant, bee, cow"):
        stage.run(trained)


def test_equal_members_are_reported(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_fake(trained, "two", seed=1)
    stage.run(trained)
    assert read_card(trained).same == (("one", "two"),)
    assert "one and two have the same predictions" in capsys.readouterr().out


def test_a_name_that_no_member_made_elsewhere_can_have_is_refused(trained: Path) -> None:
    write_params(trained, ["one", "two"], ensemble={"external": ["my nb"]})
    with pytest.raises(InputError, match=r"ensemble.external: 'my nb' cannot name a member"):
        stage.run(trained)


def test_an_unknown_combiner_is_refused_with_the_near_names(trained: Path) -> None:
    write_params(trained, ["one", "two"], ensemble={"combiners": ["greedi"]})
    with pytest.raises(InputError, match=r"params.yaml: ensemble: .*'greedi' is unknown; did you mean greedy"):
        stage.run(trained)


def test_a_student_may_learn_from_what_the_ensemble_says_out_of_fold(trained: Path) -> None:
    stage.run(trained)
    digest = tables.folds_digest(tables.read_folds(paths.folds_path(trained)))
    found = find_oof_file(trained, "folds/ensemble/oof.parquet", "training.distill.oof", CLASSES, digest)
    assert found == paths.oof_path(trained, "ensemble")
