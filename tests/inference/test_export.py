"""`export`: exported models predict what the pipeline predicts, and refusals leave nothing behind."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline import cli
from pipeline.core import paths, predictions
from pipeline.core.candidate_cards import StudentCard
from pipeline.core.cards import ModelCard, read_card, write_card
from pipeline.core.errors import InputError
from pipeline.core.formats import GraphFormat, WeightPrecision
from pipeline.core.paths import card_path
from pipeline.core.targets.prepared import read_target
from pipeline.inference.export_formats import load_exported
from pipeline.stages import export


@pytest.mark.parametrize(
    "kind", ["onnx", *(pytest.param(name, marks=pytest.mark.slow) for name in ("litert", "savedmodel"))]
)
def test_an_exported_model_says_what_the_pipeline_says(
    predicting_root: Path, tmp_path: Path, kind: GraphFormat
) -> None:
    export.run(predicting_root, "dense", kind, "float32", tmp_path / "made", None)
    told = json.loads((tmp_path / "made" / "export.json").read_text())
    assert told["compared_pictures"] == 45  # all there are
    assert told["max_probability_difference"] <= 1e-5
    assert told["bytes"] > 1000
    assert told["milliseconds_per_picture"] > 0
    assert told["input"] == "uint8 (batch, 12, 12, 3), 0..255, RGB"
    assert (tmp_path / "made" / "labels.txt").read_text().split() == ["cat", "dog", "owl"]
    name = {"litert": "model.tflite", "onnx": "model.onnx", "savedmodel": "model"}[kind]
    images = np.load(predicting_root / "data" / "prepared" / "test_images.npy")
    found = load_exported(tmp_path / "made" / name, kind)(images)
    known = predictions.read_predictions(
        paths.predicted_test_path(predicting_root, "dense"), ("cat", "dog", "owl")
    ).probs
    np.testing.assert_allclose(found, known, atol=1e-5)


def test_a_student_takes_what_it_loses_against_its_teacher_along(predicting_root: Path) -> None:
    card = read_card(card_path(predicting_root, "dense"), ModelCard)
    student = StudentCard(teacher="t.parquet", teacher_score=0.9, value=-0.1, interval=(-0.2, 0.0), peeked=True)
    graph = SimpleNamespace(input_shape=(None, 12, 12, 3), inputs=[SimpleNamespace(dtype="uint8")])
    target = read_target(paths.prepared_folder(predicting_root))
    assert "student" not in export._describe_graph(card, target, graph)
    told = export._describe_graph(card.model_copy(update={"student": student}), target, graph)["student"]
    assert (told["teacher"], told["value"], told["interval"]) == ("t.parquet", -0.1, [-0.2, 0.0])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "precision"), [("litert", "int8"), ("onnx", "int8"), ("onnx", "float16")])
def test_one_fold_alone_is_that_fold_also_in_fewer_bits(
    predicting_root: Path, tmp_path: Path, kind: GraphFormat, precision: WeightPrecision
) -> None:
    export.run(predicting_root, "dense", kind, precision, tmp_path / "made", 1)
    images = np.load(predicting_root / "data" / "prepared" / "test_images.npy")
    path = paths.predicted_test_fold_path(predicting_root, "dense", 1)
    known = predictions.read_predictions(path, ("cat", "dog", "owl")).probs
    name = {"litert": "model.tflite", "onnx": "model.onnx"}[kind]
    np.testing.assert_allclose(load_exported(tmp_path / "made" / name, kind)(images), known, atol=0.1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hog"], "hog has no network, and only networks can be exported"),
        (["cnn"], "cnn cannot be exported: input.preprocess clahe cannot be part of a graph"),
        (["ensemble"], "export takes one model, not the ensemble, whose combination is not a graph"),
        (["densse"], "did you mean dense or ensemble?"),
        (["dense", "--fold", "7"], "dense has no fold 7; it has 0, 1, 2"),
        (["dense", "--format", "savedmodel", "--precision", "int8"], "savedmodel supports float32 only, got int8"),
        (["dense", "--to", "folds"], "folds exists already; give another folder with --to"),
        (["dense", "--to", "params.yaml/x"], "--to: params.yaml is no folder; give another place"),
    ],
)
def test_what_cannot_be_exported_is_told_and_leaves_nothing(
    predicting_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(predicting_root)
    assert cli.main(["export", *arguments]) == 1
    assert words in capsys.readouterr().err
    assert not (predicting_root / "export").exists()


def test_without_a_name_it_is_the_best_network(predicting_root: Path, tmp_path: Path) -> None:
    """Whatever else is better: a classical model is no graph, and no ensemble need be there."""
    shutil.copy(predicting_root / "params.yaml", tmp_path)
    shutil.copytree(predicting_root / "configs", tmp_path / "configs")
    for name, pooled in (("cnn", 0.5), ("dense", 0.7), ("hog", 0.9)):
        card = read_card(card_path(predicting_root, name), ModelCard)
        write_card(card_path(tmp_path, name), card.model_copy(update={"pooled": pooled}))
    assert export._find_card(tmp_path, None).model == "dense"
    for name in ("cnn", "dense"):
        card_path(tmp_path, name).unlink()
    with pytest.raises(InputError, match=r"no network of params\.yaml is trained for tiny yet"):
        export._find_card(tmp_path, None)
