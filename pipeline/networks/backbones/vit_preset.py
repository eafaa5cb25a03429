"""Presets of Vision Transformers: what they describe, how their input is normalised, the weights they hold.

A preset is KerasHub's (config.json, model.weights.h5, image_converter.json) or Hugging Face's (config.json,
model.safetensors, preprocessor_config.json).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict

from pipeline.core.config import Section, parse
from pipeline.core.errors import InputError, one_line
from pipeline.networks.backbones.preset_files import find_preset_file, find_preset_folder
from pipeline.networks.backbones.vit_tensors import load_tensors
from pipeline.networks.runtime import keras


@dataclass(frozen=True)
class PixelScaling:
    """What turns a channel in [0, 255] into what a backbone was trained on: ``value * scale + offset``.

    Attributes:
        scale: of each channel.
        offset: of each channel.
    """

    scale: tuple[float, ...] = (1 / 127.5,) * 3
    offset: tuple[float, ...] = (-1.0,) * 3


class JsonPart(Section):
    """A part of somebody else's JSON: keys that nobody asks for are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _KerasHub(JsonPart):
    """KerasHub's description: the arguments of its ViTBackbone."""

    image_shape: tuple[int, int, int]
    patch_size: int | tuple[int, int]
    num_layers: int
    num_heads: int
    hidden_dim: int
    mlp_dim: int
    dropout_rate: float = 0.0
    attention_dropout: float = 0.0
    layer_norm_epsilon: float = 1e-6
    use_mha_bias: bool = True
    use_mlp_bias: bool = True
    use_class_token: bool = True
    use_patch_bias: bool = True


class _HuggingFace(JsonPart):
    """Hugging Face's description, with its own defaults."""

    image_size: int
    patch_size: int
    num_hidden_layers: int
    num_attention_heads: int
    hidden_size: int
    intermediate_size: int
    num_channels: int = 3
    hidden_act: Literal["gelu"] = "gelu"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    layer_norm_eps: float = 1e-12
    qkv_bias: Literal[True] = True

    def keras_hub(self) -> _KerasHub:
        """Returns the same under KerasHub's names; its own converter would take another epsilon."""
        return _KerasHub(
            image_shape=(self.image_size, self.image_size, self.num_channels),
            patch_size=self.patch_size,
            num_layers=self.num_hidden_layers,
            num_heads=self.num_attention_heads,
            hidden_dim=self.hidden_size,
            mlp_dim=self.intermediate_size,
            dropout_rate=self.hidden_dropout_prob,
            attention_dropout=self.attention_probs_dropout_prob,
            layer_norm_epsilon=self.layer_norm_eps,
        )


class _Converter(JsonPart):
    scale: float | tuple[float, ...] | None = None
    offset: float | tuple[float, ...] | None = None


class _Processor(JsonPart):
    do_rescale: bool = True
    rescale_factor: float = 1 / 255
    do_normalize: bool = True
    image_mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    image_std: tuple[float, float, float] = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Preset:
    """An opened preset; its files are fetched when they are needed.

    Attributes:
        name: as in ``network.preset``.
        local: its folder; None on a hub.
        kind: whose files they are.
        arguments: of KerasHub's class; ``patch_size`` is one number.
        scaling: its input normalisation where a local folder does not say.
    """

    name: str
    local: Path | None
    kind: Literal["KerasHub", "Hugging Face"]
    arguments: dict[str, Any]
    scaling: PixelScaling = PixelScaling()

    @property
    def size(self) -> int:
        """Side of its input in pixels."""
        return int(self.arguments["image_shape"][0])

    def list_files(self) -> tuple[Path, ...]:
        """Returns the files that determine what it computes, for fingerprints.

        Raises:
            InputError: one of them cannot be had.
        """
        paths = (find_preset_file(self.name, self.local, "config.json"), self.find_weights_file(), self._scaling_file())
        return tuple(each for each in paths if each is not None)

    def read_scaling(self) -> PixelScaling:
        """Returns its input normalisation.

        Raises:
            InputError: the file cannot be had or read.
        """
        path = self._scaling_file()
        if path is None:
            return self.scaling
        data = read_json_mapping(path)
        if self.kind == "KerasHub":
            converter = parse(data.get("config") or {}, _Converter, str(path))
            return PixelScaling(_per_channel(converter.scale, 1.0), _per_channel(converter.offset, 0.0))
        made = parse(data, _Processor, str(path))
        factor = made.rescale_factor if made.do_rescale else 1.0
        mean, deviation = (made.image_mean, made.image_std) if made.do_normalize else ((0.0,) * 3, (1.0,) * 3)
        return PixelScaling(
            tuple(factor / one for one in deviation),
            tuple(-one / other for one, other in zip(mean, deviation, strict=True)),
        )

    def load(self, backbone: keras.Model) -> None:
        """Loads its weights into KerasHub's model of its own size.

        Raises:
            InputError: the file cannot be had, is truncated or of another kind, or holds another network.
        """
        path = self.find_weights_file()
        if self.kind == "Hugging Face":
            return load_tensors(backbone, path)
        try:
            backbone.load_weights(path)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{path} does not hold the weights that config.json next to it describes ({one_line(error)}); it is "
                "truncated, of another kind or of another network: fetch the preset again"
            ) from error

    def find_weights_file(self) -> Path:
        """Returns the path of its weights; InputError if it cannot be had."""
        name = "model.weights.h5" if self.kind == "KerasHub" else "model.safetensors"
        return find_preset_file(self.name, self.local, name)

    def _scaling_file(self) -> Path | None:
        name = "image_converter.json" if self.kind == "KerasHub" else "preprocessor_config.json"
        if self.local is not None and not (self.local / name).is_file():
            return None
        return find_preset_file(self.name, self.local, name)


def open_preset(name: str, folder: Path | None) -> Preset:
    """Finds a preset and reads its description.

    Args:
        name: path of a folder, or a hub name.
        folder: of pretrained weights; a subfolder of the preset's own name there goes before the hub.

    Raises:
        InputError: no such preset, no network for a hub name, or another architecture.
    """
    local = find_preset_folder(name, folder, "ViTBackbone")
    path = find_preset_file(name, local, "config.json")
    data = read_json_mapping(path)
    kind = str(data.get("registered_name") or data.get("model_type") or "something else")
    if kind == "keras_hub>ViTBackbone":
        description = parse(data.get("config") or {}, _KerasHub, str(path))
    elif kind == "vit":
        description = parse(data, _HuggingFace, str(path)).keras_hub()
    else:
        raise InputError(
            f"network.preset {name} is no Vision Transformer: {path} describes {kind}; give a preset of KerasHub's "
            "ViTBackbone or a Hugging Face model of type vit"
        )
    height, width, _ = description.image_shape
    side = description.patch_size
    patch = side if isinstance(side, tuple) else (side, side)
    if height != width or patch[0] != patch[1]:
        raise InputError(f"{path}: images {height}x{width} and patches {patch[0]}x{patch[1]} must be square")
    arguments = description.model_dump() | {"patch_size": patch[0]}
    return Preset(name, local, "Hugging Face" if kind == "vit" else "KerasHub", arguments)


def read_json_mapping(path: Path) -> dict[str, Any]:
    """Reads a JSON file that holds a mapping.

    Raises:
        InputError: it holds something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({one_line(error)}); fetch the preset again") from error
    if not isinstance(data, dict):
        raise InputError(f"{path} must hold a mapping, got {type(data).__name__}; fetch the preset again")
    return data


def _per_channel(value: float | tuple[float, ...] | None, default: float) -> tuple[float, ...]:
    if isinstance(value, tuple):
        return value
    return (default if value is None else value,) * 3
