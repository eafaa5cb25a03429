"""From a network section to Keras models: uint8 images in, float32 logits out.

Every module of ``architectures/`` has a dict ``NETWORKS`` (name -> section and function from pixels to features) that
adds to what a model's file may name: a new architecture is one new file. Backbones with weights of their own stand
below.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.core.config import Section
from pipeline.core.errors import InputError
from pipeline.images.hog import compute_hog
from pipeline.networks import architectures, runtime
from pipeline.networks.backbones.foundation import Foundation
from pipeline.networks.backbones.pretrained import (
    Pretrained,
    build_backbone,
    find_backbone_weights,
    pool_features,
    preprocess_pixels,
    read_layers,
)
from pipeline.networks.backbones.transformers import (
    Transformer,
    build_transformer,
    group_transformer_layers,
    list_transformer_files,
    read_transformer_scaling,
)
from pipeline.networks.backbones.vit import Vit
from pipeline.networks.cutting import Body
from pipeline.networks.head import build_head
from pipeline.networks.inputs import Normalise, make_rgb, normalise_pixels
from pipeline.networks.mlp_hog import MlpHog
from pipeline.networks.runtime import keras, layers

PixelsToFeatures = Callable[["keras.KerasTensor", Any], "keras.KerasTensor"]


def _plain_networks() -> dict[str, tuple[type[Section], PixelsToFeatures]]:
    networks: dict[str, tuple[type[Section], PixelsToFeatures]] = {}
    for module in pkgutil.iter_modules(architectures.__path__):
        networks |= vars(importlib.import_module(f"{architectures.__name__}.{module.name}"))["NETWORKS"]
    return networks


NETWORKS = _plain_networks()

ON_FEATURES = (Pretrained, Vit, Foundation, MlpHog)

if TYPE_CHECKING:
    Network = Section
else:
    _SECTIONS = (*(section for section, _ in NETWORKS.values()), *ON_FEATURES)
    Network = Annotated[Union[_SECTIONS], Field(discriminator="name")]  # noqa: UP007 # from a tuple


@dataclass(frozen=True)
class WeightSource:
    """Where pretrained weights come from.

    Attributes:
        folder: of their files.
        size: side of the input, in pixels, whose file is taken where a backbone has one for each side; all phases of a
            training share the first one's. None for the side of the network that is built.
    """

    folder: Path
    size: int | None = None


@dataclass(frozen=True)
class BuiltNetwork:
    """A network and, where it has them, its parts.

    Attributes:
        model: from images (batch, size, size, channels) in [0, 255] to logits (batch, n_classes); from features where
            no network makes them.
        backbone: layers that came with weights of their own.
        depth: its layers from input to output, in the units that ``unfreeze`` counts: layers as Keras counts them; of a
            transformer the patches, each block, and the final normalisation.
        extract: from a batch of images in [0, 255] to features float32 (batch, width), once and for all.
        head: from features to logits; shares its weights with ``model``.
        fresh_head: builds another head like it, freshly initialised.
        body: what lies below the head, which can be cut in two; None for images that no backbone sees.
    """

    model: keras.Model
    backbone: keras.Model | None = None
    depth: tuple[list[keras.Layer], ...] = ()
    extract: Callable[[NDArray[np.uint8 | np.float32]], NDArray[np.float32]] | None = None
    head: keras.Model | None = None
    fresh_head: Callable[[], keras.Model] | None = None
    body: Body | None = None


def build_network(
    network: Any,
    size: int,
    channels: int,
    n_classes: int,
    normalise: Normalise = "auto",
    source: WeightSource | None = None,
) -> BuiltNetwork:
    """Builds a classifier.

    Args:
        network: the section that describes it.
        size: side of the square input in pixels.
        channels: 1 (grey), 3 (RGB) or any other number.
        n_classes: number of logits.
        normalise: of the input; ``auto`` is the backbone's own, or [-1, 1].
        source: of pretrained weights; None leaves every network randomly initialised.

    Raises:
        InputError: the network does not take this input, or its weights cannot be had.
    """
    images = keras.Input((size, size, channels), name="images")
    if isinstance(network, Pretrained):
        file = find_backbone_weights(network, source.folder, source.size or size) if source else None
        return _on_pretrained(network, images, n_classes, normalise, file)
    if isinstance(network, Transformer):
        return _on_transformer(network, images, n_classes, normalise, source.folder if source else None)
    if isinstance(network, MlpHog):
        return _on_hog(network, size, channels, n_classes)
    features = NETWORKS[network.name][1](normalise_pixels(images, normalise), network)
    logits = layers.Dense(n_classes, dtype="float32", name="logits")(features)
    return BuiltNetwork(keras.Model(images, logits, name=network.name))


def list_weight_files(network: Any, folder: Path, size: int) -> tuple[Path, ...]:
    """Returns the files that a network's weights come from; none for random ones.

    Args:
        network: the section that describes it.
        folder: of files with pretrained weights.
        size: side of its input in pixels.

    Raises:
        InputError: they cannot be had.
    """
    if isinstance(network, Transformer):
        return list_transformer_files(network, folder)
    file = find_backbone_weights(network, folder, size) if isinstance(network, Pretrained) else None
    return (file,) if file else ()


def build_penultimate(net: BuiltNetwork, on_features: bool) -> keras.Model:
    """Builds a model to the input of the layer of logits: from images, or from features where those are at hand."""
    if net.head is None:
        return keras.Model(net.model.inputs[0], _input_of_logits(net.model))
    last = keras.Model(net.head.inputs[0], _input_of_logits(net.head))
    if on_features or net.backbone is None:
        return last
    return keras.Model(net.model.inputs[0], last(net.head._inbound_nodes[0].input_tensors[0]))


def _input_of_logits(model: keras.Model) -> keras.KerasTensor:
    return model.get_layer("logits")._inbound_nodes[0].input_tensors[0]


def _on_pretrained(
    network: Pretrained, images: keras.KerasTensor, n_classes: int, normalise: Normalise, file: Path | None
) -> BuiltNetwork:
    backbone = build_backbone(network, images.shape[1], file)
    if normalise == "auto":
        pixels = preprocess_pixels(network, layers.Rescaling(1.0, dtype="float32", name="pixels")(make_rgb(images)))
    else:
        _require_no_scaling(backbone, normalise)
        pixels = make_rgb(normalise_pixels(images, normalise))
    read = read_layers(network, backbone)
    from pipeline.networks.layers.as_trained import AsTrained

    def run(part: keras.Model, x: keras.KerasTensor) -> Any:
        return AsTrained(part, name="as_trained")(x) if network.norm == "frozen" else part(x)

    body = Body(keras.Model(images, pixels), read, partial(pool_features, network), run)
    depth = tuple([layer] for layer in backbone.layers)
    return _with_head(network, body, n_classes, backbone, depth)


def _require_no_scaling(backbone: keras.Model, normalise: Normalise) -> None:
    """Refuses to normalise twice: EfficientNet, ConvNeXt and others scale grey levels themselves."""
    if any(isinstance(layer, (layers.Rescaling, layers.Normalization)) for layer in backbone.layers):
        raise InputError(
            f"input.normalise: {normalise} does not go with {backbone.name}, which scales its input itself; "
            "set auto, or leave it out"
        )


def _on_transformer(
    network: Transformer, images: keras.KerasTensor, n_classes: int, normalise: Normalise, folder: Path | None
) -> BuiltNetwork:
    backbone = build_transformer(network, images.shape[1], folder)
    if normalise == "auto":
        wanted = read_transformer_scaling(network, folder)
        pixels = layers.Rescaling(list(wanted.scale), list(wanted.offset), dtype="float32", name="pixels")(
            make_rgb(images)
        )
    else:
        pixels = make_rgb(normalise_pixels(images, normalise))
    body = Body(keras.Model(images, pixels), backbone, lambda features: features, lambda part, x: part(x))
    return _with_head(network, body, n_classes, backbone, tuple(group_transformer_layers(backbone)))


def _with_head(
    network: Pretrained | Transformer,
    body: Body,
    n_classes: int,
    backbone: keras.Model,
    depth: tuple[list[keras.Layer], ...],
) -> BuiltNetwork:
    pooled = body.pool(body.run(body.backbone, body.pixels.output))
    features = keras.Model(body.pixels.input, pooled, name="features")
    features.jit_compile = runtime.use_xla()  # nobody compiles it, and Keras would choose XLA

    def fresh_head() -> keras.Model:
        return build_head(network.head, features.output_shape[-1], n_classes)

    head = fresh_head()
    model = keras.Model(features.input, head(features.output), name=backbone.name)
    return BuiltNetwork(model, backbone, depth, runtime.compile_at_rest(features), head, fresh_head, body)


def _on_hog(network: MlpHog, size: int, channels: int, n_classes: int) -> BuiltNetwork:
    def extract(batch: NDArray[np.uint8 | np.float32]) -> NDArray[np.float32]:
        return compute_hog(np.rint(batch).astype(np.uint8), network.hog)

    def fresh_head() -> keras.Model:
        return build_head(network.head, width, n_classes)

    width = extract(np.zeros((1, size, size, channels), dtype=np.uint8)).shape[1]
    head = fresh_head()
    return BuiltNetwork(head, None, (), extract, head, fresh_head)
