"""Exported graphs: resizing, views and a shared backbone inside the graph."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import backbones
from support.fabricated import CLASSES, write_model_card, write_repository
from support.trained import HEAD

from pipeline.core.cards import ModelCard, read_card
from pipeline.core.config import parse
from pipeline.core.paths import card_path
from pipeline.core.targets.classes import OneClass
from pipeline.images.resizing import resize_unrounded
from pipeline.images.views import Views, make_view_transforms
from pipeline.inference.exported_graph import build_graph, list_view_indices, make_resize_matrix
from pipeline.inference.opened_network import open_network
from pipeline.inference.task_shape import TaskShape
from pipeline.networks import runtime
from pipeline.networks.build import build_network
from pipeline.training.recipes.recipe import Recipe


def pictures(n: int, size: int, channels: int = 3) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, channels)).astype(np.uint8)


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


@pytest.mark.slow
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
    graph = build_graph(
        card,
        {fold: (path,) for fold, path in checkpoints.items()},
        TaskShape(12, 3, 3),
        OneClass(columns=CLASSES),
        tmp_path,
    )
    opened = open_network(card, TaskShape(12, 3, 3), tmp_path, precision="float32")
    assert opened is not None
    from pipeline.inference.checkpoints import combine_views

    said = [
        combine_views(one, card, OneClass(columns=CLASSES))
        for one in opened.predict_logits(list(checkpoints.values()), pictures(5, 12), tmp_path / "work")
    ]
    assert not np.allclose(said[0], said[1])
    # The pipeline keeps features in half the bytes; the graph hands them on as they are.
    np.testing.assert_allclose(graph.predict_on_batch(pictures(5, 12)), np.mean(said, axis=0), atol=1e-4)
    assert sum(layer.name == "backbone" for layer in graph.layers) == 1
