"""Predictors: any images are predicted as the pipeline predicts its test images, with heat maps and p-values."""

import errno
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.core import paths, predictions
from pipeline.core.cards import SubmissionCard, read_card, write_card
from pipeline.ensemble.decisions import read_decision
from pipeline.images.store import open_store
from pipeline.inference.predictor import Predictor, open_predictor


@pytest.fixture(scope="module")
def root(predicting_root: Path) -> Path:
    return predicting_root


@pytest.fixture(scope="module")
def ensemble(root: Path) -> Predictor:
    return open_predictor(root, "ensemble", keep=True)


@pytest.mark.parametrize("name", ["cnn", "dense", "hog"])
def test_a_models_pictures_are_predicted_as_its_test_images_were(root: Path, name: str) -> None:
    images = open_store(root / "data" / "prepared" / "test_images.npy")
    predictor = open_predictor(root, name)
    known = predictions.read_predictions(paths.predicted_test_path(root, name), predictor.target.columns)
    said = predictor.predict(images)
    assert said.p_known is not None
    np.testing.assert_allclose(said.probs, known.probs, atol=1e-6)
    assert ((said.p_known > 0) & (said.p_known <= 1)).all()
    np.testing.assert_allclose(predictor.predict(images).probs, said.probs, atol=1e-6)  # and again


def test_the_ensembles_pictures_are_predicted_as_its_test_images_were(root: Path, ensemble: Predictor) -> None:
    images = open_store(root / "data" / "prepared" / "test_images.npy")
    known = predictions.read_predictions(paths.predicted_test_path(root, "ensemble"), ensemble.target.columns)
    np.testing.assert_allclose(ensemble.predict(images).probs, known.probs, atol=1e-6)
    assert ensemble.detecting_model is None  # too few pictures to choose by: the simplest


def test_a_single_models_pictures_are_decided_by_the_rule_of_its_submission(root: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(root, copied)
    images = open_store(root / "data" / "prepared" / "test_images.npy")
    path = paths.submission_path(copied, "hog").with_suffix(".json")
    card = read_card(path, SubmissionCard)
    decision = dict(zip(open_predictor(root, "hog").target.columns, (0.2, 1.0, 3.0), strict=True))
    write_card(path, card.model_copy(update={"rule": "class_factors", "decision": decision}))
    plain, decided = (open_predictor(each, "hog") for each in (root, copied))
    rule = read_decision("class_factors", plain.target, decision)
    assert rule is not None
    wanted = rule(plain.predict(images).probs)
    np.testing.assert_array_equal(decided.predict(images).probs, wanted)
    assert (wanted.argmax(1) != plain.predict(images).probs.argmax(1)).any()
    write_card(path, card.model_copy(update={"rule": "class_factors", "decision": decision, "competition": "other"}))
    np.testing.assert_array_equal(open_predictor(copied, "hog").predict(images).probs, plain.predict(images).probs)


def test_no_pictures_are_no_predictions(ensemble: Predictor) -> None:
    assert ensemble.predict(np.zeros((0, 12, 12, 3), np.uint8)).probs.shape == (0, 3)


def test_heat_is_the_mean_of_those_that_look(root: Path, ensemble: Predictor) -> None:
    images = np.ascontiguousarray(open_store(root / "data" / "prepared" / "test_images.npy")[:4])
    heat = ensemble.compute_heat(images, np.array([0, 1, 2, 0]))
    assert heat.shape == (4, 12, 12)
    assert heat.max() == 1
    cnn = open_predictor(root, "cnn")
    np.testing.assert_allclose(
        cnn.compute_heat(images, np.array([0, 1, 2, 0])), heat, atol=1e-5
    )  # no other has convolutions


def test_the_heat_of_a_fold_comes_by_its_own_weights(root: Path) -> None:
    model = open_predictor(root, "cnn").models["cnn"]
    images = np.ascontiguousarray(open_store(root / "data" / "prepared" / "test_images.npy")[:4])
    assert model.attribution is not None
    first, second = (
        model.attribution.compute_heat(path, images, np.zeros(4, np.int64))
        for (path,) in list(model.checkpoints.values())[:2]
    )
    assert not np.allclose(first, second)


@pytest.mark.parametrize("name", ["hog", "ensemble"])
def test_a_folder_that_cannot_be_written_ends_no_prediction(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    copied = tmp_path / "copied"
    shutil.copytree(root, copied, ignore=shutil.ignore_patterns("unknown"))
    monkeypatch.setattr("pipeline.inference.unknown.detector._write", refuse)
    images = open_store(root / "data" / "prepared" / "test_images.npy")
    said, wanted = open_predictor(copied, name).predict(images), open_predictor(root, name).predict(images)
    assert "is not kept for later predictions" in capsys.readouterr().out
    assert said.p_known is not None
    assert wanted.p_known is not None
    np.testing.assert_array_equal(said.p_known, wanted.p_known)


def test_what_was_fitted_for_unknown_pictures_is_found_again(root: Path) -> None:
    open_predictor(root, "cnn")
    kept = next((root / ".work" / "unknown").glob("cnn-*.npz"))
    before = kept.stat().st_mtime_ns
    open_predictor(root, "cnn")
    assert kept.stat().st_mtime_ns == before
