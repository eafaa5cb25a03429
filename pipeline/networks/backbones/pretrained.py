"""Any backbone of `keras.applications`, with its own input preprocessing and its published weights.

Reference: https://keras.io/api/applications; Kornblith et al. 2019, Do better ImageNet models transfer better?,
https://arxiv.org/abs/1805.08974
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from pipeline.core.config import Section
from pipeline.core.errors import InputError, near_names
from pipeline.networks.backbones.published import PublishedWeights, list_published
from pipeline.networks.backbones.weights import build_unloaded, find_weights, load_weights
from pipeline.networks.head import Head
from pipeline.networks.normalisation import list_batch_norms
from pipeline.networks.runtime import keras, layers

# Of a backbone's function, what is not for `arguments`.
_OURS = {"weights", "include_top", "input_shape", "input_tensor", "pooling", "classes", "classifier_activation"} | {
    "include_preprocessing",
    "name",
}


class Pretrained(Section):
    """A backbone, how its features are pooled, and the head on them.

    Attributes:
        backbone: a name of `keras.applications`: ``Xception``, ``VGG19``, ``EfficientNetV2B0``...
        weights: ``imagenet``, ``none`` or the path of a .h5 file without top.
        arguments: more for the backbone's function: ``{alpha: 0.35}``.
        pooling: of the feature map: ``average``, ``max`` or ``flatten``.
        layers: names of inner layers, as Keras has them, whose averages join the pooled features. What the last
            layer threw away, as ImageNet's classes do not need it, may tell others apart: Evci et al. 2022, Head2Toe,
            https://arxiv.org/abs/2201.03529 (which also chooses among them).
        head: the layers on the pooled features.
        norm: batch-normalisation statistics: ``frozen`` as they came; ``adapted`` by running averages of
            ``norm_momentum``; ``reestimated``: adapted, and measured afresh on training images at the end. Keras ships
            MobileNetV2 with a momentum of 0.999, which a short fine-tuning never catches up with.
        norm_momentum: of the running averages; ignored where frozen.
    """

    name: Literal["pretrained"]
    backbone: str
    weights: str = "imagenet"
    arguments: dict[str, float | int | str | bool] = Field(default_factory=dict)
    pooling: Literal["average", "max", "flatten"] = "average"
    layers: tuple[str, ...] = ()
    head: Head = Head()
    norm: Literal["frozen", "adapted", "reestimated"] = "frozen"
    norm_momentum: float = Field(default=0.9, gt=0.0, lt=1.0)

    @field_validator("arguments")
    @classmethod
    def _not_ours(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        taken = sorted(arguments.keys() & _OURS)
        if taken:
            raise ValueError(f"{', '.join(taken)} is set elsewhere: see weights, pooling and input in this file")
        return arguments

    @field_validator("backbone")
    @classmethod
    def _known(cls, backbone: str) -> str:
        if backbone not in list_backbones():
            raise ValueError(f"unknown backbone {backbone!r}; {near_names(backbone, list_backbones())}")
        return backbone


def list_backbones() -> list[str]:
    """Names what `keras.applications` has."""
    return sorted(name for name, value in vars(keras.applications).items() if name[0].isupper() and callable(value))


def build_backbone(section: Pretrained, size: int, weights: Path | None) -> keras.Model:
    """Builds a backbone without top.

    Args:
        section: which one.
        size: side of the square input in pixels.
        weights: file to load; None leaves it as initialised.

    Returns:
        A model from images that `preprocess_pixels` made (batch, size, size, 3) to a feature map.

    Raises:
        InputError: the input is too small, an argument is unknown, or the file holds other weights.
    """
    try:
        backbone = _built(section, size)
    except (ValueError, TypeError) as error:
        problem = " ".join(str(error).split())
        raise InputError(
            f"{section.backbone} cannot be built for {size}x{size} pixels with {section.arguments}: {problem[:200]}; "
            "see input.size and network.arguments in the model's file"
        ) from error
    if min(backbone.output_shape[1:3]) < 1:
        raise InputError(f"{section.backbone} shrinks {size}x{size} pixels to nothing; raise input.size")
    if weights is not None:
        load_weights(backbone, weights)
    if section.norm != "frozen":
        for layer in list_batch_norms(backbone):
            layer.momentum = section.norm_momentum
    return backbone


def _built(section: Pretrained, size: int) -> keras.Model:
    """Builds around the weights that the section asks for, be they at hand or come with a checkpoint later on."""
    make = getattr(keras.applications, section.backbone)
    if section.weights != "none":
        try:
            return build_unloaded(make, size, tuple(section.arguments.items()))
        except (ValueError, TypeError, KeyError):
            pass  # a file of one's own may be of a shape that Keras publishes nothing for
    return make(weights=None, include_top=False, input_shape=(size, size, 3), **section.arguments)


def find_backbone_weights(section: Pretrained, folder: Path, size: int) -> Path | None:
    """Returns the file of the weights that the section asks for; None for random ones.

    Raises:
        InputError: it cannot be had; the message names what was looked for.
    """
    if section.weights == "none":
        return None
    make = getattr(keras.applications, section.backbone)
    return find_weights(section.weights, folder, make, tuple(section.arguments.items()), size)


def list_wanted_weights(section: Pretrained, size: int) -> list[PublishedWeights]:
    """Lists the published files, any of which serves a section at a side in pixels; none where it names its own."""
    if section.weights != "imagenet":
        return []
    return list_published(getattr(keras.applications, section.backbone), tuple(section.arguments.items()), size)


def preprocess_pixels(section: Pretrained, images: keras.KerasTensor) -> keras.KerasTensor:
    """Turns RGB images in [0, 255] into what the backbone was trained on, in float32, as the library says it."""
    module = getattr(keras.applications, section.backbone).__module__.rsplit(".", 1)[-1]
    function: Callable[[Any], Any] = getattr(keras.applications, module).preprocess_input
    return function(images)


def read_layers(section: Pretrained, backbone: keras.Model) -> keras.Model:
    """Returns the backbone with the outputs of inner layers beside its own; itself where the section names none.

    Raises:
        InputError: there is no such layer, or its output is no feature map.
    """
    if not section.layers:
        return backbone
    known = {layer.name: layer.output for layer in backbone.layers if len(getattr(layer.output, "shape", ())) == 4}
    for name in section.layers:
        if name not in known:
            raise InputError(
                f"network.layers: {section.backbone} has no layer {name!r} with a feature map; "
                f"{near_names(name, list(known))}"
            )
    return keras.Model(backbone.input, [backbone.output, *(known[name] for name in section.layers)], name=backbone.name)


def pool_features(section: Pretrained, maps: keras.KerasTensor | list[keras.KerasTensor]) -> keras.KerasTensor:
    """Returns features (batch, width): of the backbone's own map first, then the averages of `read_layers`."""
    pools = {"average": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D, "flatten": layers.Flatten}
    own, *inner = maps if isinstance(maps, list) else [maps]
    pooled = pools[section.pooling](name="pool")(own)
    if not inner:
        return pooled
    averages = [layers.GlobalAveragePooling2D(name=f"pool_{number}")(each) for number, each in enumerate(inner, 1)]
    return layers.Concatenate(name="joined")([pooled, *averages])
