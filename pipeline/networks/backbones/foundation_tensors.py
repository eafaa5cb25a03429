"""Hugging Face's tensors of foundation models, brought into KerasHub's: its converters for DINO, our names for SigLIP.

KerasHub 0.29 has no converter for SigLIP.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError, one_line, some
from pipeline.networks.backbones.vit_tensors import order_tensor
from pipeline.networks.runtime import keras

# A name that every file of the kind holds; what stands before it is the prefix of all.
_ANCHORS = {
    "dinov2": "embeddings.cls_token",
    "dinov3": "embeddings.cls_token",
    "siglip": "embeddings.patch_embedding.weight",
}
_BLOCK = re.compile(r"layers?\.\d+\.")


class TensorFile:
    """An open safetensors file, as KerasHub's converters read it."""

    def __init__(self, file: Any, path: Path, anchor: str) -> None:
        """Takes the open file, its path, and a name that every such file holds."""
        self._file, self._path, self._used = file, path, set[str]()
        self._held = set(file.keys())
        anchored = sorted(name for name in self._held if name.endswith(anchor))
        if not anchored:
            raise InputError(f"{path} lacks {anchor}; it holds another network than config.json says")
        self._prefix = anchored[-1].removesuffix(anchor)

    def read_tensor(self, name: str) -> NDArray[np.float32]:
        """Returns a tensor by its name without the prefix.

        Raises:
            InputError: the file lacks it.
        """
        name = self._prefix + name
        if name not in self._held:
            raise InputError(f"{self._path} lacks {name}; it holds another network than config.json says")
        self._used.add(name)
        return np.asarray(self._file.get_tensor(name), dtype=np.float32)

    def port_weight(
        self,
        keras_variable: keras.Variable,
        hf_weight_key: str,
        hook_fn: Callable[[NDArray[np.float32], list[int]], NDArray[np.float32]] | None = None,
    ) -> None:
        """Copies a tensor into a variable; named as KerasHub's converters call it.

        Raises:
            InputError: the file lacks it, or has it in another shape.
        """
        tensor, wanted = self.read_tensor(hf_weight_key), tuple(keras_variable.shape)
        try:
            made = hook_fn(tensor, list(wanted)) if hook_fn else tensor
        except ValueError:
            made = np.zeros(0, dtype=np.float32)
        if made.shape != wanted:
            raise InputError(
                f"{self._path}: {self._prefix}{hf_weight_key} has shape {tensor.shape}, config.json next to it says "
                f"{wanted} in Keras's order"
            )
        keras_variable.assign(made)

    def check_rest(self) -> None:
        """Refuses a file with blocks that nobody asked for.

        Raises:
            InputError: it has such.
        """
        rest = [name for name in self._held - self._used if name.startswith(self._prefix) and _BLOCK.search(name)]
        rest = [name for name in rest if not name.startswith(f"{self._prefix}text_model.")]
        if rest:
            raise InputError(f"{self._path} holds {some(sorted(rest), 3)} in addition to what config.json describes")


def load_foundation_tensors(network: str, original: keras.Model, path: Path, arguments: dict[str, Any]) -> None:
    """Loads a safetensors file into KerasHub's model of the same shape.

    Args:
        network: ``dinov2``, ``dinov3`` or ``siglip``.
        original: KerasHub's model.
        path: of the file.
        arguments: of the model's class.

    Raises:
        InputError: the file is truncated, of another kind, or holds another network.
    """
    import safetensors
    from keras_hub.src.utils.transformers import convert_dinov2, convert_dinov3

    try:
        with safetensors.safe_open(path, framework="np") as file:
            tensors = TensorFile(file, path, _ANCHORS[network])
            if network == "siglip":
                _load_siglip(original, tensors)
            else:
                (convert_dinov2 if network == "dinov2" else convert_dinov3).convert_weights(
                    original, tensors, arguments
                )
            tensors.check_rest()
    except (OSError, TypeError, safetensors.SafetensorError) as error:
        raise InputError(
            f"{path} cannot be read as safetensors ({one_line(error)}); it is truncated or of another kind: fetch it "
            "again"
        ) from error


def _load_siglip(encoder: keras.Model, tensors: TensorFile) -> None:
    head, hidden = encoder.head, encoder.hidden_dim
    dense = {"embeddings.patch_embedding": encoder.embedding.patch_embedding}
    norms = {"post_layernorm": encoder.post_layer_norm, "head.layernorm": head.layer_norm}
    for number, block in enumerate(encoder.encoder_layers):
        place, attention = f"encoder.layers.{number}", block.self_attn
        dense |= {
            f"{place}.self_attn.q_proj": attention.query_dense,
            f"{place}.self_attn.k_proj": attention.key_dense,
            f"{place}.self_attn.v_proj": attention.value_dense,
            f"{place}.self_attn.out_proj": attention.output_dense,
            f"{place}.mlp.fc1": block.mlp.fc1,
            f"{place}.mlp.fc2": block.mlp.fc2,
        }
        norms |= {f"{place}.layer_norm1": block.layer_norm1, f"{place}.layer_norm2": block.layer_norm2}
    dense |= {"head.attention.out_proj": head.attention.output_dense}
    dense |= {"head.mlp.fc1": head.mlp.fc1, "head.mlp.fc2": head.mlp.fc2}
    for name, layer in dense.items():
        tensors.port_weight(layer.kernel, f"{name}.weight", order_tensor)
        tensors.port_weight(layer.bias, f"{name}.bias", order_tensor)
    for name, layer in norms.items():
        tensors.port_weight(layer.gamma, f"{name}.weight")
        tensors.port_weight(layer.beta, f"{name}.bias")
    tensors.port_weight(encoder.embedding.position_embedding.embeddings, "embeddings.position_embedding.weight")
    tensors.port_weight(head.probe, "head.probe")
    parts = (head.attention.query_dense, head.attention.key_dense, head.attention.value_dense)
    for part, layer in enumerate(parts):  # PyTorch keeps the three in one tensor

        def cut(tensor: NDArray[np.float32], shape: list[int], start: int = part * hidden) -> NDArray[np.float32]:
            return order_tensor(tensor[start : start + hidden], shape)

        tensors.port_weight(layer.kernel, "head.attention.in_proj_weight", cut)
        tensors.port_weight(layer.bias, "head.attention.in_proj_bias", cut)
