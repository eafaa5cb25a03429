"""Presets of foundation models: what they describe, how their input is normalised, the weights they hold.

A preset is KerasHub's (config.json, model.weights.h5, image_converter.json) or Hugging Face's (config.json,
model.safetensors, preprocessor_config.json).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.networks.backbones.foundation_tensors import load_foundation_tensors
from pipeline.networks.backbones.preset_files import find_preset_file, find_preset_folder
from pipeline.networks.backbones.vit_preset import JsonPart, PixelScaling, Preset, read_json_mapping
from pipeline.networks.runtime import keras

FoundationName = Literal["dinov2", "dinov3", "siglip"]

_IMAGENET = PixelScaling(
    tuple(1 / 255 / deviation for deviation in (0.229, 0.224, 0.225)),
    tuple(-mean / deviation for mean, deviation in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)),
)
# What a folder that says nothing of it was trained with.
SCALINGS = {"dinov2": _IMAGENET, "dinov3": _IMAGENET, "siglip": PixelScaling()}
# What config.json calls them: KerasHub's classes and Hugging Face's types.
_KINDS = {
    "dinov2": ("DINOV2Backbone", ("dinov2", "dinov2_with_registers")),
    "dinov3": ("DINOV3Backbone", ("dinov3_vit",)),
    "siglip": ("SigLIPBackbone", ("siglip", "siglip_vision_model")),
}


class _Common(JsonPart):
    """What KerasHub's descriptions have in common."""

    patch_size: int
    num_layers: int
    num_heads: int
    hidden_dim: int
    intermediate_dim: int
    image_shape: tuple[int | None, int | None, int]


class _KerasDino(_Common):
    """What KerasHub's descriptions of DINOv2 and DINOv3 have in common."""

    layer_scale_init_value: float = 1.0
    num_register_tokens: int = 0
    use_mask_token: bool = True


class _KerasDino2(_KerasDino):
    """KerasHub's description of DINOv2."""

    use_swiglu_ffn: bool = False
    dropout_rate: float = 0.0
    position_embedding_shape: tuple[int, ...] = (518, 518)
    antialias_in_interpolation: bool = False


class _KerasDino3(_KerasDino):
    """KerasHub's description of DINOv3."""

    hidden_activation: str = "gelu"
    use_gated_mlp: bool = False
    use_query_bias: bool = True
    use_key_bias: bool = True
    use_value_bias: bool = True
    use_proj_bias: bool = True
    use_mlp_bias: bool = True
    attention_dropout: float = 0.0
    layer_norm_eps: float = 1e-5
    rope_theta: float = 100.0


class _KerasSiglip(_Common):
    """KerasHub's description of SigLIP's vision encoder."""

    intermediate_activation: Literal["gelu_approximate"] = "gelu_approximate"
    layer_norm_epsilon: float = 1e-6


class _HuggingSiglip(JsonPart):
    """Hugging Face's description of SigLIP's vision encoder, with all of its defaults: files leave them out."""

    image_size: int = 224
    patch_size: int = 16
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    hidden_size: int = 768
    intermediate_size: int = 3072
    num_channels: Literal[3] = 3
    hidden_act: Literal["gelu_pytorch_tanh"] = "gelu_pytorch_tanh"
    layer_norm_eps: float = 1e-6

    def name_alike(self) -> dict[str, Any]:
        """Returns the same under KerasHub's names."""
        return {
            "patch_size": self.patch_size,
            "num_layers": self.num_hidden_layers,
            "num_heads": self.num_attention_heads,
            "hidden_dim": self.hidden_size,
            "intermediate_dim": self.intermediate_size,
            "layer_norm_epsilon": self.layer_norm_eps,
            "image_shape": (self.image_size, self.image_size, self.num_channels),
        }


_SECTIONS: dict[str, type[_Common]] = {"dinov2": _KerasDino2, "dinov3": _KerasDino3, "siglip": _KerasSiglip}


@dataclass(frozen=True)
class FoundationPreset(Preset):
    """An opened preset of a foundation model.

    Attributes:
        network: whose architecture it is.
        description: all of config.json.
    """

    network: FoundationName = "dinov2"
    description: dict[str, Any] | None = None

    def load_original(self) -> keras.Model:
        """Builds KerasHub's own model at the preset's size, with the preset's weights.

        Raises:
            InputError: the file cannot be had, is truncated or of another kind, or holds another network.
        """
        if self.kind == "Hugging Face":
            original = make_original(self.network, self.arguments, self.size)
            load_foundation_tensors(self.network, original, self.find_weights_file(), self.arguments)
            return original
        if self.network == "siglip":
            # The file holds the text encoder as well, which no image needs.
            whole = keras.saving.deserialize_keras_object(self.description)
            self.load(whole)
            return whole.vision_encoder
        original = make_original(self.network, self.arguments, self.size)
        self.load(original)
        return original


def make_original(network: str, arguments: dict[str, Any], size: int) -> keras.Model:
    """Builds KerasHub's own model, randomly initialised; stochastic depth, which it has wrong, is left out.

    Args:
        network: ``dinov2``, ``dinov3`` or ``siglip``.
        arguments: of its class.
        size: side of the input in pixels.
    """
    import keras_hub
    from keras_hub.src.models.siglip.siglip_vision_encoder import SigLIPVisionEncoder  # has no public name

    shape: dict[str, Any] = {"image_shape": (size, size, 3)}
    if network == "siglip":
        return SigLIPVisionEncoder(**(arguments | shape))
    settings = {"use_mask_token": False} | arguments | shape
    if network == "dinov3":
        return keras_hub.models.DINOV3Backbone(**settings)
    return keras_hub.models.DINOV2Backbone(**(settings | {"position_embedding_shape": (size, size)}))


def open_foundation_preset(network: FoundationName, name: str, folder: Path | None) -> FoundationPreset:
    """Finds a preset and reads its description.

    Args:
        network: whose architecture it must be.
        name: path of a folder, or a hub name.
        folder: of pretrained weights; a subfolder of the preset's own name there goes before the hub.

    Raises:
        InputError: no such preset, no network for a hub name, or another architecture.
    """
    class_of, types = _KINDS[network]
    local = find_preset_folder(name, folder, class_of)
    path = find_preset_file(name, local, "config.json")
    data = read_json_mapping(path)
    kind = str(data.get("registered_name") or data.get("model_type") or "something else")
    if kind not in (f"keras_hub>{class_of}", *types):
        raise InputError(
            f"network.preset {name} is no {network}: {path} describes {kind}; give a preset of KerasHub's {class_of} "
            f"or a Hugging Face model of type {' or '.join(types)}, or correct network.name"
        )
    hugging = kind in types
    arguments = parse(
        _from_hugging(network, data, path) if hugging else _from_keras(network, data), _SECTIONS[network], str(path)
    ).model_dump()
    height, width, _ = arguments["image_shape"]
    if height != width or height is None:
        raise InputError(f"{path}: images {height}x{width} must be square and of a known size")
    whose: Literal["KerasHub", "Hugging Face"] = "Hugging Face" if hugging else "KerasHub"
    return FoundationPreset(name, local, whose, arguments, SCALINGS[network], network, data)


def _from_keras(network: str, data: dict[str, Any]) -> Any:
    if network != "siglip":
        return data.get("config") or {}
    try:
        return data["config"]["vision_encoder"]["config"]
    except (KeyError, TypeError):
        return {}


def _from_hugging(network: str, data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Returns the same under KerasHub's names."""
    if network == "siglip":
        inner = data.get("vision_config") or {} if data["model_type"] == "siglip" else data
        return parse(inner, _HuggingSiglip, str(path)).name_alike()
    from keras_hub.src.utils.transformers import convert_dinov2, convert_dinov3

    if network == "dinov2" and (data.get("layer_norm_eps", 1e-6) != 1e-6 or not data.get("qkv_bias", True)):
        raise InputError(f"{path}: DINOv2 has layer_norm_eps 1e-6 and qkv_bias true; this is a variant of it")
    try:
        convert = convert_dinov2 if network == "dinov2" else convert_dinov3
        made: dict[str, Any] = convert.convert_backbone_config(data)
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: {error} is missing or of another kind; fetch the preset again") from error
    # The file holds a token that masks patches in pre-training; no image has one masked.
    return made | {"use_mask_token": False}
