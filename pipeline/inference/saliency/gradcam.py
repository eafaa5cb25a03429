"""Grad-CAM: the places of its last feature map on which a convolutional network's logit of a class depends.

Reference: Selvaraju et al. 2017, Grad-CAM: Visual explanations from deep networks via gradient-based localization,
https://arxiv.org/abs/1610.02391
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError, near_names
from pipeline.networks import runtime
from pipeline.networks.layers.as_trained import AsTrained
from pipeline.networks.runtime import keras, layers

# Layers that only thin out or blur a map: the convolution before them is more precise.
_PASSED_OVER = (layers.MaxPooling2D, layers.AveragePooling2D, layers.Dropout, layers.SpatialDropout2D)
_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)


@dataclass(frozen=True)
class SplitNetwork:
    """A network cut in two at a feature map; both share its weights.

    Attributes:
        maps: from images (batch, size, size, channels) to feature maps (batch, rows, columns, filters).
        rest: from feature maps to logits (batch, n_classes).
    """

    maps: keras.Model
    rest: keras.Model


def split_network(model: keras.Model, layer: str | None = None) -> SplitNetwork | None:
    """Cuts a network at its last convolutional feature map of more than one place; backbones inside it are opened.

    Args:
        model: from images to logits.
        layer: the name of another layer whose output to take.

    Returns:
        None where no convolution is found.

    Raises:
        InputError: no layer has that name, or its output is no feature map that all paths lead through.
    """
    parts = _cut(model, layer)
    if parts is None and layer is not None:
        raise InputError(f"{model.name} has no layer {layer!r}; {near_names(layer, _names(model))}")
    return SplitNetwork(_chain(parts[0]), _chain(parts[1])) if parts else None


def compute_grad_cam(
    cut: SplitNetwork, images: NDArray[np.uint8 | np.float32], classes: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Computes the heat of one class for each image, in one pass forward and one back through the second half.

    Args:
        cut: the network.
        images: (batch, size, size, channels) in [0, 255], resized and preprocessed as the network takes them.
        classes: int64 (batch,), the class of each map.

    Returns:
        float32 (batch, rows, columns), >= 0, in the places of the feature map; all 0 without evidence for it.
    """
    maps = np.asarray(cut.maps.predict_on_batch(images), dtype=np.float32)
    targets = np.eye(cut.rest.output_shape[-1], dtype=np.float32)[classes]
    gradient = runtime.compute_gradient(lambda point: cut.rest(point, training=False), maps, targets)
    weights = gradient.mean(axis=(1, 2))  # equation 1
    heat: NDArray[np.float32] = np.maximum(np.einsum("nrcf,nf->nrc", maps, weights), 0)  # equation 2
    return heat


def _cut(model: keras.Model, layer: str | None) -> tuple[list[keras.Model], list[keras.Model]] | None:
    """Returns models that lead one after another to the map, and those that lead on from there."""
    first = next((place for place, one in enumerate(model.layers) if isinstance(one, _CONVOLUTIONS)), None)
    for place, one in reversed(list(enumerate(model.layers))):
        inner = _inside(one)
        parts = _cut(inner, layer) if inner is not None else None
        if parts is not None:
            before, after = parts
        elif one.name == layer if layer is not None else first is not None and place >= first and _is_map(one):
            before = after = []
        else:
            continue
        into, out = _call_tensors(one)
        start = into if parts is not None else out
        return [*_between(model.inputs[0], start), *before], [*after, *_between(out, model.outputs[0])]
    return None


def _inside(layer: keras.Layer) -> keras.Model | None:
    if isinstance(layer, AsTrained):
        return layer.backbone
    return layer if isinstance(layer, keras.Model) else None


def _is_map(layer: keras.Layer) -> bool:
    shape = _call_tensors(layer)[1].shape
    return len(shape) == 4 and shape[1] * shape[2] > 1 and not isinstance(layer, _PASSED_OVER)


def _call_tensors(layer: keras.Layer) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Returns the input and output of a layer when its network was built; `input` of a nested model is its own."""
    node = layer._inbound_nodes[0]
    return node.input_tensors[0] if node.input_tensors else node.output_tensors[0], node.output_tensors[0]


def _between(start: keras.KerasTensor, end: keras.KerasTensor) -> list[keras.Model]:
    if start is end:
        return []
    try:
        return [keras.Model(start, end)]
    except ValueError as error:
        raise InputError("not all paths lead through that layer; name one that joins them") from error


def _chain(parts: Sequence[keras.Model]) -> keras.Model:
    start = x = keras.Input(parts[0].input_shape[1:])
    for part in parts:
        x = part(x)
    whole = keras.Model(start, x)
    whole.jit_compile = runtime.use_xla()  # it is never compiled, and Keras would choose XLA
    return whole


def _names(model: keras.Model) -> Iterator[str]:
    for one in model.layers:
        yield one.name
        inner = _inside(one)
        if inner is not None:
            yield from _names(inner)
