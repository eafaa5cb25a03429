"""From a network section to Keras models: uint8 images in, float32 logits out.

Every module of this folder that has a dict ``NETWORKS`` (name -> section and function from pixels to features) adds to
what a model's file may name: a new architecture is one new file. Backbones with weights of their own stand below.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray
from pydantic import Field

from pipeline import runtime
from pipeline.config import Section
from pipeline.networks.head import build_head
from pipeline.networks.inputs import Normalise, coloured, normalised
from pipeline.networks.pretrained import AsTrained, Pretrained, build_backbone, pool, preprocess, weights_file

Features = Callable[[keras.KerasTensor, Any], keras.KerasTensor]


def _plain_networks() -> dict[str, tuple[type[Section], Features]]:
    found: dict[str, tuple[type[Section], Features]] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name != "build":
            found |= vars(importlib.import_module(f"pipeline.networks.{module.name}")).get("NETWORKS", {})
    return found


NETWORKS = _plain_networks()

ON_FEATURES = (Pretrained,)

if TYPE_CHECKING:
    Network = Section
else:
    _SECTIONS = (*(section for section, _ in NETWORKS.values()), Pretrained)
    Network = Annotated[Union[_SECTIONS], Field(discriminator="name")]  # noqa: UP007 # from a tuple


@dataclass(frozen=True)
class Built:
    """A network and, where it has them, its parts.

    Attributes:
        model: from images (batch, size, size, channels) in [0, 255] to logits (batch, n_classes); from features where
            no network makes them.
        backbone: layers that came with weights of their own.
        extract: from a batch of uint8 images to features float32 (batch, width), once and for all.
        head: from features to logits; shares its weights with ``model``.
        fresh_head: builds another head like it, freshly initialised.
    """

    model: keras.Model
    backbone: keras.Model | None = None
    extract: Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None = None
    head: keras.Model | None = None
    fresh_head: Callable[[], keras.Model] | None = None


def build(
    network: Any, size: int, channels: int, n_classes: int, normalise: Normalise = "auto", folder: Path | None = None
) -> Built:
    """Builds a classifier.

    Args:
        network: the section that describes it.
        size: side of the square input in pixels.
        channels: 1 (grey) or 3 (RGB).
        n_classes: number of logits.
        normalise: of the input; ``auto`` is the backbone's own, or [-1, 1].
        folder: of files with pretrained weights; None leaves every network randomly initialised.

    Raises:
        InputError: the network does not take this input, or its weights cannot be had.
    """
    images = keras.Input((size, size, channels), name="images")
    if isinstance(network, Pretrained):
        return _on_backbone(network, images, n_classes, normalise, folder)
    features = NETWORKS[network.name][1](normalised(images, normalise), network)
    logits = layers.Dense(n_classes, dtype="float32", name="logits")(features)
    return Built(keras.Model(images, logits, name=network.name))


def weights_of(network: Any, folder: Path) -> Path | None:
    """Returns the file that a network's weights come from; None for random ones.

    Raises:
        InputError: it cannot be had.
    """
    return weights_file(network, folder) if isinstance(network, Pretrained) else None


def _on_backbone(
    network: Pretrained, images: keras.KerasTensor, n_classes: int, normalise: Normalise, folder: Path | None
) -> Built:
    backbone = build_backbone(network, images.shape[1], weights_file(network, folder) if folder else None)
    if normalise == "auto":
        pixels = preprocess(network, layers.Rescaling(1.0, dtype="float32", name="pixels")(coloured(images)))
    else:
        pixels = coloured(normalised(images, normalise))
    feature_map = AsTrained(backbone, name="as_trained")(pixels) if network.norm == "frozen" else backbone(pixels)
    features = keras.Model(images, pool(network, feature_map), name="features")
    features.jit_compile = runtime.use_xla()  # nobody compiles it, and Keras would choose XLA

    def extract(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(features.predict_on_batch(batch), dtype=np.float32)

    def fresh_head() -> keras.Model:
        return build_head(network.head, features.output_shape[-1], n_classes)

    head = fresh_head()
    model = keras.Model(images, head(features.output), name=network.backbone.lower())
    return Built(model, backbone, extract, head, fresh_head)
