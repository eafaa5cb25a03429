"""Exported models say what the pipeline says, and what cannot be exported is told."""

import json
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from support import backbones
from support.fabricated import write_model_card, write_repository
from support.trained import HEAD

from pipeline import cli
from pipeline.core import paths, predictions
from pipeline.core.cards import ModelCard, read_card, write_card
from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.paths import card_path
from pipeline.images.resizing import resize_unrounded
from pipeline.images.views import Views, make_view_transforms
from pipeline.inference.export_formats import GraphFormat, WeightPrecision, check_precision, load_exported, write_graph
from pipeline.inference.exported_graph import build_graph, list_view_indices, make_resize_matrix
from pipeline.inference.opened_network import TaskShape, open_network
from pipeline.networks import runtime
from pipeline.networks.build import build_network
from pipeline.stages import export
from pipeline.training.recipes.recipe import Recipe


def pictures(n: int, size: int, channels: int = 3) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, channels)).astype(np.uint8)


# --- the graph


@pytest.mark.parametrize(("before", "after"), [(12, 16), (32, 64), (64, 96), (160, 96), (160, 80), (160, 40), (64, 60)])
def test_two_matrices_resize_as_opencv_does(before: int, after: int) -> None:
    image = pictures(1, before)[0]
    matrix = make_resize_matrix(before, after)
    made = np.einsum("ir,rcd,jc->ijd", matrix, image.astype(np.float32), matrix, optimize=True)
    np.testing.assert_allclose(np.clip(made, 0, 255), resize_unrounded(image, after), atol=2e-4)


@pytest.mark.parametrize("views", [Views(), Views(mirror=True), Views(mirror=True, shift=2)])
def test_rows_and_columns_say_what_every_view_shows(views: Views) -> None:
    images = pictures(2, 9)
    for change, (down, right) in zip(make_view_transforms(views).values(), list_view_indices(views, 9), strict=True):
        np.testing.assert_array_equal(images[:, down][:, :, right], change(images))


@pytest.mark.parametrize("average", ["logits", "probabilities"])
def test_a_frozen_backbone_stands_in_the_graph_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, average: str
) -> None:
    backbones.install(monkeypatch, tmp_path / "weights")
    config: dict[str, Any] = {
        "network": {"name": "pretrained", "backbone": "Tiny", "weights": "none"},
        "training": HEAD,
        "views": {"mirror": True, "average": average},
        "input": {"size": 16},
    }
    recipe = parse(config, Recipe, "a test")
    write_model_card(write_repository(tmp_path), "one", config=recipe.model_dump(mode="json"))
    card = read_card(card_path(tmp_path, "one"), ModelCard)
    runtime.start_backend("float32")
    checkpoints = {}
    for fold in range(2):
        runtime.seed_everything(0)
        net = build_network(recipe.network, 16, 3, 3)
        assert net.head is not None
        net.head.set_weights([(4 * fold + 1) * weight for weight in net.head.get_weights()])
        checkpoints[fold] = tmp_path / f"fold{fold}.weights.h5"
        net.model.save_weights(checkpoints[fold])
    graph = build_graph(card, checkpoints, TaskShape(12, 3, 3), tmp_path)
    opened = open_network(card, TaskShape(12, 3, 3), tmp_path, precision="float32")
    assert opened is not None
    from pipeline.inference.checkpoints import combine_views

    said = [
        combine_views(one, card)
        for one in opened.predict_logits(list(checkpoints.values()), pictures(5, 12), tmp_path / "work")
    ]
    assert not np.allclose(said[0], said[1])
    np.testing.assert_allclose(graph.predict_on_batch(pictures(5, 12)), np.mean(said, axis=0), atol=1e-6)
    assert sum(layer.name == "backbone" for layer in graph.layers) == 1


# --- the command


@pytest.mark.parametrize("kind", [pytest.param("litert", marks=pytest.mark.slow), "onnx", "savedmodel"])
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


def test_onnx_keeps_weights_as_int8_where_there_are_many_of_an_output(tmp_path: Path) -> None:
    import onnx

    runtime.start_backend("float32")
    runtime.seed_everything(0)
    taken = keras.Input((12, 12, 3), dtype="uint8")
    made = keras.layers.Conv2D(16, 3, activation="relu")(keras.layers.Rescaling(1 / 255)(taken))
    made = keras.layers.DepthwiseConv2D(3, activation="relu")(made)
    made = keras.layers.Flatten()(keras.layers.Conv2D(24, 1, activation="relu")(made))
    model = keras.Model(taken, keras.layers.Dense(3, activation="softmax")(made))
    for precision in ("float32", "int8"):
        write_graph(model, tmp_path / f"{precision}.onnx", "onnx", precision)
    small, whole = (
        load_exported(tmp_path / f"{precision}.onnx", "onnx")(pictures(9, 12)) for precision in ("int8", "float32")
    )
    np.testing.assert_allclose(small, whole, atol=0.02)
    assert not np.array_equal(small, whole)
    kept = {tuple(each.dims) for each in onnx.load(tmp_path / "int8.onnx").graph.initializer if each.data_type == 3}
    assert {(16, 3, 3, 3), (24, 16, 1, 1)} <= kept
    assert len(kept) == 3  # and the dense layer; not the depthwise one
    assert (tmp_path / "int8.onnx").stat().st_size < 0.6 * (tmp_path / "float32.onnx").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hog"], "hog has no network, and only networks can be exported"),
        (["cnn"], "cnn cannot be exported: input.preprocess clahe cannot be part of a graph"),
        (["ensemble"], "export takes one model, not the ensemble, whose combination is not a graph"),
        (["densse"], "did you mean dense or ensemble?"),
        (["dense", "--fold", "7"], "dense has no fold 7; it has 0, 1, 2"),
        (["dense", "--format", "savedmodel", "--precision", "int8"], "savedmodel keeps float32, not int8"),
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


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_a_precision_that_a_format_has_not_is_refused(precision: WeightPrecision) -> None:
    with pytest.raises(InputError, match=f"savedmodel keeps float32, not {precision}"):
        check_precision("savedmodel", precision)
