"""Learned weights of views: fitted on other folds than they are used on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import tiny
from support.fabricated import CLASSES, write_params
from support.trainings import recipe, repository, settings, task

from pipeline.core import cards, predictions, tables
from pipeline.core.paths import card_path, folds_path, oof_path, predicted_test_fold_path, predicted_test_path
from pipeline.core.simplex import fit_log_loss_weights
from pipeline.core.targets.classes import OneClass
from pipeline.images.views import Views, average_views
from pipeline.stages import train
from pipeline.training.context import read_context
from pipeline.training.fold_predictions import read_fold_predictions
from pipeline.training.view_weights import ViewedRows, collect_views, fit_view_weights, weigh_views

TARGET = OneClass(columns=CLASSES)
VIEWS = Views(mirror=True, average="probabilities", weights="learned")
SETTINGS = {"mirror": True, "crops": 0.75, "average": "probabilities", "weights": "learned"}


def kept(folder: Path, fold: int, rows: int = 6, seed: int = 0) -> Path:
    """Writes what two views say of the rows of a fold."""
    logits = np.random.default_rng([seed, fold]).normal(size=(2, rows, 3)).astype(np.float32)
    collect_views([logits], ViewedRows(rows, TARGET, VIEWS), folder / f"{fold}.npy")
    return folder / f"{fold}.npy"


def labels(fold: int, rows: int = 6) -> NDArray[np.int64]:
    return np.random.default_rng([9, fold]).integers(0, 3, rows)


def test_views_are_averaged_batch_by_batch_and_kept(tmp_path: Path) -> None:
    logits = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    found = collect_views([logits[:, :2], logits[:, 2:]], ViewedRows(5, TARGET, VIEWS), tmp_path / "kept.npy")
    assert found.tobytes() == average_views(logits, VIEWS, TARGET).tobytes()
    softmax = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    assert np.load(tmp_path / "kept.npy") == pytest.approx(softmax, abs=1e-6)


def test_views_that_count_the_same_are_not_kept(tmp_path: Path) -> None:
    logits = np.zeros((2, 5, 3), dtype=np.float32)
    collect_views([logits], ViewedRows(5, TARGET, Views(mirror=True)), tmp_path / "kept.npy")
    assert not list(tmp_path.iterdir())


def test_no_rows_are_no_error(tmp_path: Path) -> None:
    found = collect_views([], ViewedRows(0, TARGET, VIEWS), tmp_path / "kept.npy")
    assert found.shape == weigh_views(tmp_path / "kept.npy", np.array([0.5, 0.5])).shape == (0, 3)


def test_weights_mix_the_probabilities_of_views(tmp_path: Path) -> None:
    probs = np.array([[[0.8, 0.1, 0.1]], [[0.4, 0.5, 0.1]]])
    collect_views([np.log(probs).astype(np.float32)], ViewedRows(1, TARGET, VIEWS), tmp_path / "kept.npy")
    found = weigh_views(tmp_path / "kept.npy", np.array([0.25, 0.75]))
    assert found == pytest.approx(np.array([[0.5, 0.4, 0.1]]), abs=1e-6)


def test_the_weights_of_a_fold_come_from_the_other_folds(tmp_path: Path) -> None:
    paths, true = [kept(tmp_path, fold) for fold in range(3)], [labels(fold) for fold in range(3)]
    found = fit_view_weights([[path] for path in paths], true, TARGET)
    probs = [np.load(path)[:, np.arange(6), of] for path, of in zip(paths, true, strict=True)]
    assert found.nested[1] == pytest.approx(fit_log_loss_weights(np.concatenate([probs[0], probs[2]], axis=1)))
    assert found.whole == pytest.approx(fit_log_loss_weights(np.concatenate(probs, axis=1)))
    moved = [true[0], (true[1] + 1) % 3, true[2]]
    other = fit_view_weights([[paths[0]], [kept(tmp_path, 1, seed=5)], [paths[2]]], moved, TARGET)
    assert other.nested[1].tobytes() == found.nested[1].tobytes()
    assert other.nested[0].tobytes() != found.nested[0].tobytes()


def test_a_fold_alone_weighs_all_views_the_same(tmp_path: Path) -> None:
    found = fit_view_weights([[kept(tmp_path, 0)]], [labels(0)], TARGET)
    assert found.nested[0].tolist() == found.whole.tolist() == [0.5, 0.5]


def run(root: Path, folds: list[int] | None, **changes: Any) -> cards.ModelCard:
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings() | {"views": SETTINGS} | changes)
    write_params(root, ["one"], train={"seed": 0, "folds": folds, "precision": "float32"})
    train.run(root, "one")
    return cards.read_card(card_path(root, "one"), cards.ModelCard)


@pytest.mark.slow
def test_a_model_is_scored_with_weights_of_other_folds(tmp_path: Path) -> None:
    root = repository(tmp_path)
    card = run(root, None)
    folds = sorted((root / ".work" / "train").glob("one-*/fold[0-9]"))
    table = tables.read_folds(folds_path(root)).set_index("id")["label"]
    valid = [predictions.read_predictions(place / "valid.parquet", CLASSES) for place in folds]
    found = fit_view_weights(
        [[place / "valid_views.npy"] for place in folds], [table[list(part.ids)].to_numpy() for part in valid], TARGET
    )
    oof, by_id = predictions.read_predictions(oof_path(root, "one"), CLASSES), dict[str, NDArray[np.float32]]()
    for place, part, weights in zip(folds, valid, found.nested, strict=True):
        by_id |= dict(zip(part.ids, weigh_views(place / "valid_views.npy", weights), strict=True))
        alone = predictions.read_predictions(predicted_test_fold_path(root, "one", int(place.name[-1])), CLASSES)
        assert alone.probs == pytest.approx(weigh_views(place / "test_views.npy", weights), abs=1e-7)
    assert oof.probs == pytest.approx(np.stack([by_id[name] for name in oof.ids]), abs=1e-7)
    test = np.mean([weigh_views(place / "test_views.npy", found.whole) for place in folds], axis=0)
    assert predictions.read_predictions(predicted_test_path(root, "one"), CLASSES).probs == pytest.approx(
        test, abs=1e-6
    )
    assert list(card.view_weights.values()) == pytest.approx(found.whole.tolist())
    assert list(card.view_weights)[:3] == ["plain", "plain-mirrored", "crop0.75-top-left"]
    assert len(set(map(tuple, found.nested))) == 3


def test_what_a_seed_predicts_alone_does_not_change_when_another_is_added(tmp_path: Path) -> None:
    root = repository(tmp_path)
    data = read_context(root).data
    wanted = recipe().model_copy(update={"views": VIEWS})
    tasks = [
        replace(task(root, wanted, "work", fold, seed), fingerprint=str(seed) * 64)
        for seed in (3, 4)
        for fold in range(3)
    ]
    for each in tasks:
        each.folder.mkdir(parents=True)
        for part, ids in (("valid", [data.ids[row] for row in data.rows(each.fold)[1]]), ("test", data.test_ids)):
            views = kept(each.folder, each.fold, len(ids), each.seed).rename(each.folder / f"{part}_views.npy")
            made = predictions.Predictions(tuple(ids), weigh_views(views, np.full(2, 0.5)), CLASSES)
            predictions.write_predictions(each.folder / f"{part}.parquet", made)
    (alone, both), first = (read_fold_predictions(of, data) for of in (tasks[:3], tasks)), range(3)
    assert all((alone.by_seed[3][fold].probs == alone.valid[fold].probs).all() for fold in first)
    assert all((alone.by_seed[3][fold].probs == both.by_seed[3][fold].probs).all() for fold in first)
    assert alone.view_weights != both.view_weights


def test_one_scored_fold_weighs_all_views_the_same_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = run(repository(tmp_path), [1], training=settings()["training"] | {"epochs": 1})
    assert "one: one fold is scored, so its views all count the same" in capsys.readouterr().out
    assert set(card.view_weights.values()) == {1 / 12}


def test_a_classic_model_may_learn_the_weight_of_its_mirror_image(tmp_path: Path) -> None:
    root = repository(tmp_path)
    classic = {"features": {"name": "hog", "pixels_per_cell": 4}, "classifier": {"C": 0.1}}
    learned = {"mirror": True, "average": "probabilities", "weights": "learned"}
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", classic | {"views": learned})
    train.run(root, "one")
    card = cards.read_card(card_path(root, "one"), cards.ModelCard)
    assert list(card.view_weights) == ["plain", "plain-mirrored"]
    assert sum(card.view_weights.values()) == pytest.approx(1)
