"""A trained model as one graph: from uint8 pictures, as the image store keeps them, to the probabilities of its folds.

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
from pipeline.images.views import Views, make_view_transforms
from pipeline.inference.opened_network import Network, open_network
from pipeline.networks.mlp_hog import MlpHog
from pipeline.networks.runtime import keras, layers, ops

Floats = NDArray[np.float32]


class Resized(layers.Layer):  # type: ignore[misc]
    """Resizes square images in [0, 255] as `augmentation.unrounded` does."""

    def __init__(self, before: int, after: int) -> None:
        """Takes the sides in pixels."""
        super().__init__(dtype="float32", name="resized")
        self._matrix = resizing(before, after)

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Returns float32 (batch, after, after, channels)."""
        before, channels = images.shape[1], images.shape[-1]
        after = len(self._matrix)
        rows = ops.matmul(self._matrix[None], ops.reshape(images, (-1, before, before * channels)))
        return ops.clip(ops.matmul(self._matrix[None, None], ops.reshape(rows, (-1, after, before, channels))), 0, 255)


class Seen(layers.Layer):  # type: ignore[misc]
    """Puts all views of a batch one after another: (n_views * batch, size, size, channels)."""

    def __init__(self, views: Views, size: int) -> None:
        """Takes the views and the side in pixels."""
        super().__init__(dtype="float32", name="views")
        self._places = places(views, size)

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the views."""
        seen = [ops.take(ops.take(images, down, axis=1), right, axis=2) for down, right in self._places]
        return ops.concatenate(seen, axis=0)


class Mixed(layers.Layer):  # type: ignore[misc]
    """Takes the logits of all views of a fold to probabilities, as `checkpoints.probs_of` does."""

    def __init__(self, views: Views, weights: dict[str, float], name: str) -> None:
        """Takes the views and, where they are learned, their weights."""
        super().__init__(dtype="float32", name=name)
        self._logits = views.average == "logits" and views.weights == "equal"
        names = list(make_view_transforms(views))
        even = [1 / len(names)] * len(names)
        said = [weights[name] for name in names] if views.weights == "learned" else even
        self._weights = np.array(said, dtype=np.float32)[:, None, None]

    def call(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        """Returns (batch, n_classes)."""
        by_view = ops.reshape(logits, (len(self._weights), -1, logits.shape[-1]))
        if self._logits:
            return ops.softmax(ops.sum(by_view * self._weights, axis=0), axis=-1)
        return ops.sum(ops.softmax(by_view, axis=-1) * self._weights, axis=0)


def whole_graph(
    card: ModelCard, checkpoints: dict[int, Path], stored: int, channels: int, n_classes: int, weights: Path
) -> keras.Model:
    """Builds the graph with trained weights.

    Args:
        card: of the model.
        checkpoints: by fold, those that are averaged.
        stored: side of the stored images in pixels.
        channels: of them.
        n_classes: number of classes.
        weights: folder of the files that a network needs before its checkpoint can be loaded.

    Returns:
        A model from uint8 (batch, stored, stored, channels) to float32 (batch, n_classes).

    Raises:
        InputError: the model does things to images that no graph here can.
    """

    def opened() -> Network:
        network = open_network(card, stored, channels, n_classes, weights, precision="float32")
        if network is None:
            raise InputError(f"{card.model} has no network: export takes those alone; use `python -m pipeline predict`")
        return network

    network = opened()
    _require_exportable(card.model, network)
    views, size = network.recipe.views, network.size
    pictures = keras.Input((stored, stored, channels), dtype="uint8", name="pictures")
    pixels = layers.Rescaling(1.0, dtype="float32", name="as_float")(pictures)
    pixels = Resized(stored, size)(pixels) if size != stored else pixels
    seen = Seen(views, size)(pixels)
    if network.recipe.training.unfreeze == "head":
        logits = _on_one_backbone(network, checkpoints, seen)
    else:
        logits = []
        for number, (fold, path) in enumerate(checkpoints.items()):
            each = network if number == 0 else opened()
            each.load(path)
            logits.append(keras.Model(each.net.model.inputs[0], each.net.model.outputs[0], name=f"fold{fold}")(seen))
    folds = [
        Mixed(views, card.view_weights, f"probabilities_of_fold{fold}")(one)
        for fold, one in zip(checkpoints, logits, strict=True)
    ]
    mean = layers.Average(dtype="float32", name="probabilities")(folds) if len(folds) > 1 else folds[0]
    return keras.Model(pictures, mean, name=card.model.replace("-", "_"))


def resizing(before: int, after: int) -> Floats:
    """Returns what OpenCV's resizing of a row of pixels comes to: (after, before)."""
    method = cv2.INTER_AREA if before > after else cv2.INTER_CUBIC
    unit = np.eye(before, dtype=np.float32)
    return np.asarray(cv2.resize(unit, (before, after), interpolation=method), dtype=np.float32)


def places(views: Views, size: int) -> list[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Returns which rows and columns each view shows of a picture; exact for moved and mirrored ones."""
    rows, columns = np.mgrid[:size, :size].astype(np.uint8 if size <= 256 else np.uint16)
    shown = [
        (change(rows[None, ..., None]), change(columns[None, ..., None]))
        for change in make_view_transforms(views).values()
    ]
    return [(down[0, :, 0, 0].astype(np.int32), right[0, 0, :, 0].astype(np.int32)) for down, right in shown]


def _on_one_backbone(network: Network, checkpoints: dict[int, Path], seen: keras.KerasTensor) -> list[Any]:
    """Computes a frozen backbone once for all folds."""
    net = network.net
    assert net.head is not None  # the recipe refuses to freeze what has no backbone
    assert net.fresh_head is not None
    features = keras.Model(net.model.inputs[0], net.head._inbound_nodes[0].input_tensors[0], name="backbone")
    logits, computed = [], None
    for fold, path in checkpoints.items():
        network.load(path)
        computed = features(seen) if computed is None else computed
        head = net.fresh_head()
        head.set_weights(net.head.get_weights())
        logits.append(keras.Model(head.inputs[0], head.outputs[0], name=f"head_of_fold{fold}")(computed))
    return logits


def _require_exportable(name: str, network: Network) -> None:
    recipe = network.recipe
    reasons: Sequence[str] = [f"input.preprocess {step.name}" for step in recipe.input.preprocess]
    reasons = [*reasons, "gradients of mlp_hog"] if isinstance(recipe.network, MlpHog) else reasons
    if recipe.views.crops or recipe.views.scales:
        reasons = [*reasons, "views that are crops or scales"]
    if reasons:
        raise InputError(
            f"{name} cannot be exported: {some(reasons)} cannot be put into a graph; "
            "use `python -m pipeline predict`, or train a model without"
        )
