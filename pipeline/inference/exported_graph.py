"""Graphs of trained models: from grey levels, as they come out of the store, to the mean predictions of the folds.

Resizing to the network's size, the views and the means over views and folds are in it; all in float32. What OpenCV does
to resize is linear, so the graph holds it as two matrices.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.cards import ModelCard
from pipeline.core.errors import InputError, some
from pipeline.core.targets.contract import Target
from pipeline.images.preprocessing import Steps
from pipeline.images.views import Views, make_view_transforms
from pipeline.inference.graph_outputs import AverageSeeds, AverageViews
from pipeline.inference.opened_head import OpenedHead, open_head
from pipeline.inference.opened_network import OpenedNetwork, open_network
from pipeline.inference.task_shape import TaskShape
from pipeline.networks.mlp_hog import MlpHog
from pipeline.networks.runtime import keras, layers, ops
from pipeline.training.classic.recipe import load_classic_model
from pipeline.training.heads.frozen_networks import build_frozen_network
from pipeline.training.heads.recipe import TORCH_NETWORKS, NeighbourHead


class ResizeImages(layers.Layer):  # type: ignore[misc]
    """Resizes square images in [0, 255] as `resizing.resize_unrounded` does."""

    def __init__(self, before: int, after: int, name: str = "resized") -> None:
        """Takes the sides in pixels."""
        super().__init__(dtype="float32", name=name)
        self._matrix = make_resize_matrix(before, after)

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Returns float32 (batch, after, after, channels)."""
        before, channels = images.shape[1], images.shape[-1]
        after = len(self._matrix)
        rows = ops.matmul(self._matrix[None], ops.reshape(images, (-1, before, before * channels)))
        return ops.clip(ops.matmul(self._matrix[None, None], ops.reshape(rows, (-1, after, before, channels))), 0, 255)


class StackViews(layers.Layer):  # type: ignore[misc]
    """Stacks all views of a batch: (n_views * batch, size, size, channels)."""

    def __init__(self, views: Views, size: int, name: str = "views") -> None:
        """Takes the views and the side in pixels."""
        super().__init__(dtype="float32", name=name)
        self._indices = list_view_indices(views, size)

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the views."""
        stacked = [ops.take(ops.take(images, down, axis=1), right, axis=2) for down, right in self._indices]
        return ops.concatenate(stacked, axis=0)


def build_graph(
    card: ModelCard, checkpoints: dict[int, tuple[Path, ...]], shape: TaskShape, target: Target, weights: Path
) -> keras.Model:
    """Builds the graph with trained weights.

    Args:
        card: of the model.
        checkpoints: by fold, of each seed, those that are averaged.
        shape: of its images and outputs.
        target: what is predicted, with the model's own head.
        weights: folder of the files that a network needs before its checkpoint can be loaded.

    Returns:
        A model from uint8 or float32 (batch, size, size, channels) to float32 (batch, n_columns).

    Raises:
        InputError: the model has neither network nor linear head on one, or does what no graph can.
    """
    pictures = keras.Input((shape.stored, shape.stored, shape.channels), dtype=shape.dtype, name="pictures")
    pixels = layers.Rescaling(1.0, dtype="float32", name="as_float")(pictures)
    head = open_head(card, shape, target, weights, "float32")
    trained = {
        f"{fold}_{seed}" if seed else str(fold): path
        for fold, of_seeds in checkpoints.items()
        for seed, path in enumerate(of_seeds)
    }
    if head is not None:
        views, logits = head.recipe.views, _build_on_backbones(card.model, head, trained, (shape, weights), pixels)
    else:
        views, logits = _build_on_network(card, trained, shape, weights, pixels)
    outputs = iter(logits)
    folds = [
        _average_fold(
            [next(outputs) for _ in of_seeds], views, card.view_weights, target, f"probabilities_of_fold{fold}"
        )
        for fold, of_seeds in checkpoints.items()
    ]
    mean = layers.Average(dtype="float32", name="probabilities")(folds) if len(folds) > 1 else folds[0]
    return keras.Model(pictures, mean, name=card.model.replace("-", "_"))


def _average_fold(
    seeds: list[Any], views: Views, weights: dict[str, float], target: Target, name: str
) -> keras.KerasTensor:
    """Averages the views of a fold's model, and the models of its seeds."""
    if len(seeds) == 1:
        return AverageViews(views, weights, target, name)(seeds[0])
    each = [AverageViews(views, weights, target, f"{name}_{number}")(one) for number, one in enumerate(seeds)]
    return AverageSeeds(views, target, name)(each)


def _build_on_network(
    card: ModelCard, checkpoints: dict[str, Path], shape: TaskShape, weights: Path, pixels: keras.KerasTensor
) -> tuple[Views, list[Any]]:
    """Returns the views of a network of its own, and the outputs of each fold for all of them."""

    def open_for_export() -> OpenedNetwork:
        network = open_network(card, shape, weights, precision="float32")
        if network is None:
            raise InputError(
                f"{card.model} has no network, and only networks can be exported; use `python -m pipeline predict`"
            )
        return network

    network = open_for_export()
    recipe, size = network.recipe, network.size
    reasons = ["gradients of mlp_hog"] if isinstance(recipe.network, MlpHog) else []
    _require_exportable(card.model, recipe.views, [recipe.input.preprocess], reasons)
    pixels = ResizeImages(shape.stored, size)(pixels) if size != shape.stored else pixels
    stacked = StackViews(recipe.views, size)(pixels)
    if recipe.training.unfreeze == "head":
        return recipe.views, _build_on_one_backbone(network, checkpoints, stacked)
    logits = []
    for number, (fold, path) in enumerate(checkpoints.items()):
        each = network if number == 0 else open_for_export()
        each.load(path)
        logits.append(keras.Model(each.net.model.inputs[0], each.net.model.outputs[0], name=f"fold{fold}")(stacked))
    return recipe.views, logits


def _build_on_backbones(
    name: str,
    head: OpenedHead,
    checkpoints: dict[str, Path],
    place: tuple[TaskShape, Path],
    pixels: keras.KerasTensor,
) -> list[Any]:
    """Computes the features of frozen backbones once for all folds, side by side, and each fold's head on them."""
    (shape, weights), recipe = place, head.recipe
    reasons = [f"head {recipe.head.name}"] if isinstance(recipe.head, NeighbourHead) else []
    named = [str(each.network.get("name")) for each in recipe.backbones]
    reasons += [f"a network of {each}" for each in named if each in TORCH_NETWORKS]
    _require_exportable(name, recipe.views, [each.input.preprocess for each in recipe.backbones], reasons)
    parts = []
    for number, (section, size) in enumerate(zip(recipe.backbones, head.sizes, strict=True)):
        net = build_frozen_network(section, (size, shape.channels, shape.n_classes), weights, "float32")
        sized = ResizeImages(shape.stored, size, f"resized{number}")(pixels) if size != shape.stored else pixels
        features = keras.Model(net.model.inputs[0], net.head._inbound_nodes[0].input_tensors[0], name=f"part{number}")
        parts.append(features(StackViews(recipe.views, size, f"views{number}")(sized)))
    joined = layers.Concatenate(dtype="float32", name="features")(parts) if len(parts) > 1 else parts[0]
    logits = []
    for fold, path in checkpoints.items():
        linear = layers.Dense(shape.n_classes, dtype="float32", name=f"head_of_fold{fold}")
        logits.append(linear(joined))
        linear.set_weights(list(load_classic_model(path).fold_scaling()))
    return logits


def make_resize_matrix(before: int, after: int) -> NDArray[np.float32]:
    """Returns the matrix (after, before) that resizes a row of pixels as OpenCV does."""
    method = cv2.INTER_AREA if before > after else cv2.INTER_CUBIC
    unit = np.eye(before, dtype=np.float32)
    return np.asarray(cv2.resize(unit, (before, after), interpolation=method), dtype=np.float32)


def list_view_indices(views: Views, size: int) -> list[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Returns the rows and columns of an image that each view takes; exact for shifted and mirrored views."""
    rows, columns = np.mgrid[:size, :size].astype(np.uint8 if size <= 256 else np.uint16)
    taken = [
        (change(rows[None, ..., None]), change(columns[None, ..., None]))
        for change in make_view_transforms(views).values()
    ]
    return [(down[0, :, 0, 0].astype(np.int32), right[0, 0, :, 0].astype(np.int32)) for down, right in taken]


def _build_on_one_backbone(network: OpenedNetwork, checkpoints: dict[str, Path], views: keras.KerasTensor) -> list[Any]:
    """Computes a frozen backbone once for all folds."""
    net = network.net
    assert net.head is not None  # the recipe refuses to freeze what has no backbone
    assert net.fresh_head is not None
    features = keras.Model(net.model.inputs[0], net.head._inbound_nodes[0].input_tensors[0], name="backbone")
    logits, computed = [], None
    for fold, path in checkpoints.items():
        network.load(path)
        computed = features(views) if computed is None else computed
        head = net.fresh_head()
        head.set_weights(net.head.get_weights())
        logits.append(keras.Model(head.inputs[0], head.outputs[0], name=f"head_of_fold{fold}")(computed))
    return logits


def _require_exportable(name: str, views: Views, steps: Sequence[Steps], reasons: list[str]) -> None:
    reasons = [*(f"input.preprocess {step.name}" for each in steps for step in each), *reasons]
    if views.crops or views.scales:
        reasons.append("views that are crops or scales")
    if reasons:
        raise InputError(
            f"{name} cannot be exported: {some(reasons)} cannot be part of a graph; "
            "use `python -m pipeline predict`, or train a model without it"
        )
