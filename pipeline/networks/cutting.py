"""A network cut in two behind an inner layer: what lies below is computed once, what lies above can train on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Features
from pipeline.core.errors import InputError, near_names
from pipeline.networks import runtime
from pipeline.networks.runtime import keras

_SHOWN = 2  # cuts that are named on either side of a layer that is none


@dataclass(frozen=True)
class Body:
    """All of a network between its images and its head.

    Attributes:
        pixels: from images in [0, 255] to what the backbone takes.
        backbone: from there to the maps or features that are pooled.
        pool: from its outputs to features (batch, width).
        run: runs a part of the backbone as the whole network does: in inference mode throughout, or as it is.
    """

    pixels: keras.Model
    backbone: keras.Model
    pool: Callable[[Any], keras.KerasTensor]
    run: Callable[[keras.Model, keras.KerasTensor], Any]


@dataclass(frozen=True)
class CutNetwork:
    """Both parts of a network; they share its weights.

    Attributes:
        below: the backbone's layers up to the cut, the last one included.
        extract: from a batch of images in [0, 255] to what the cut lets through, float32 (batch, ...), statistics and
            dropout at rest.
        above: from there to logits (batch, n_classes).
        pooled: from there to the head's features (batch, width).
    """

    below: list[keras.Layer]
    extract: Callable[[NDArray[np.uint8 | np.float32]], Features]
    above: keras.Model
    pooled: keras.Model

    def pool(self, batch: Features) -> Features:
        """Returns the head's features of what the cut lets through, float32 (batch, width), at rest as well."""
        return np.asarray(self.pooled.predict_on_batch(batch), dtype=np.float32)


def cut_network(body: Body, head: keras.Model, after: str, key: str) -> CutNetwork:
    """Cuts a network behind a layer.

    Args:
        body: of the network.
        head: from features to logits.
        after: the layer's name.
        key: of the model's file, for messages.

    Raises:
        InputError: there is no such layer, or the network cannot be cut behind it.
    """
    backbone = body.backbone
    through = _find_cuts(backbone).get(after)
    if through is None:
        raise InputError(f"{key}: {_explain(backbone, after)}")
    lower = keras.Model(backbone.input, through, name="below")
    below = keras.Model(body.pixels.input, lower(body.pixels.output))
    below.jit_compile = runtime.use_xla()  # nobody compiles it, and Keras would choose XLA
    upper = keras.Model(through, backbone.outputs if len(backbone.outputs) > 1 else backbone.output, name="above")
    let_through = keras.Input(through.shape[1:], name="let_through")
    features = body.pool(body.run(upper, let_through))
    pooled = keras.Model(let_through, features)
    pooled.jit_compile = runtime.use_xla()
    above = keras.Model(let_through, head(features), name=backbone.name)
    return CutNetwork(list(lower.layers), runtime.compile_at_rest(below), above, pooled)


def list_cuts(backbone: keras.Model) -> list[str]:
    """Names the layers behind which a backbone can be cut, from input to output: nothing passes them by."""
    return list(_find_cuts(backbone))


def _find_cuts(backbone: keras.Model) -> dict[str, keras.KerasTensor]:
    """Returns what each cut lets through; neither the input nor the output is a cut."""
    by_depth = backbone._nodes_by_depth
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    readers = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    readers.update(id(tensor) for tensor in backbone.outputs)
    cuts, unread = dict[str, keras.KerasTensor](), set[int]()
    for node in nodes:
        readers.subtract(id(tensor) for tensor in node.input_tensors)
        unread = {tensor for tensor in unread if readers[tensor]}
        unread |= {id(tensor) for tensor in node.outputs if readers[id(tensor)]}
        if node.input_tensors and len(node.outputs) == 1 and unread == {id(node.outputs[0])}:
            cuts[node.operation.name] = node.outputs[0]
    ends = {id(tensor) for tensor in backbone.outputs}
    return {name: tensor for name, tensor in cuts.items() if id(tensor) not in ends}


def _explain(backbone: keras.Model, after: str) -> str:
    """Says why a backbone cannot be cut behind a layer, and behind which others it can."""
    cuts, known = list_cuts(backbone), [layer.name for layer in backbone.layers]
    if not cuts:
        return f"{backbone.name} cannot be cut behind any of its layers; leave prefix out"
    if after not in known:
        return f"{backbone.name} has no layer {after!r} to cut behind; {near_names(after, cuts)}"
    at = known.index(after)
    before = [name for name in known[:at] if name in cuts][-_SHOWN:]
    behind = [name for name in known[at:] if name in cuts][:_SHOWN]
    return (
        f"{backbone.name} cannot be cut behind {after}, as it is the input or the output, or a connection passes it "
        f"by; {' or '.join([*before, *behind])} can be taken"
    )
