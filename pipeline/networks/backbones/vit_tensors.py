"""Hugging Face's tensors of a Vision Transformer, brought into KerasHub's.

KerasHub's own converter wants every name to begin with ``vit.``, which google/vit-base-patch16-224-in21k, a bare
ViTModel, does not have.
Reference: https://github.com/keras-team/keras-hub/pull/1989 ("layer name mismatch from model.safetensors")
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError, one_line, some
from pipeline.networks.runtime import keras


def load_tensors(backbone: keras.Model, path: Path) -> None:
    """Loads a safetensors file into a ViTBackbone of the same shape.

    Raises:
        InputError: the file is truncated, of another kind, or holds another network.
    """
    import safetensors

    try:
        with safetensors.safe_open(path, framework="np") as file:
            held = set(file.keys())
            prefix = "vit." if any(name.startswith("vit.") for name in held) else ""
            wanted = {prefix + name: variable for name, variable in _hugging_face_names(backbone).items()}
            missing = sorted(set(wanted) - held)
            if missing:
                raise InputError(f"{path} lacks {some(missing, 3)}; it holds another network than config.json says")
            for name, variable in wanted.items():
                variable.assign(_as_keras(file.get_tensor(name), variable, f"{path}: {name}"))
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(
            f"{path} cannot be read as safetensors ({one_line(error)}); it is truncated or of another kind: fetch it "
            "again"
        ) from error


def _hugging_face_names(backbone: keras.Model) -> dict[str, keras.Variable]:
    """Maps Hugging Face's tensor names to the variables of a ViTBackbone."""
    patching, encoder = backbone.get_layer("vit_patching_and_embedding"), backbone.get_layer("vit_encoder")
    names = {
        "embeddings.cls_token": patching.class_token,
        "embeddings.position_embeddings": patching.position_embedding.embeddings,
    }
    layers = {"embeddings.patch_embeddings.projection": patching.patch_embedding}
    norms = {"layernorm": encoder.layer_norm}
    for number, block in enumerate(encoder.encoder_layers):
        place = f"encoder.layer.{number}"
        layers |= {
            f"{place}.attention.attention.query": block.mha.query_dense,
            f"{place}.attention.attention.key": block.mha.key_dense,
            f"{place}.attention.attention.value": block.mha.value_dense,
            f"{place}.attention.output.dense": block.mha.output_dense,
            f"{place}.intermediate.dense": block.mlp.dense_1,
            f"{place}.output.dense": block.mlp.dense_2,
        }
        norms |= {f"{place}.layernorm_before": block.layer_norm_1, f"{place}.layernorm_after": block.layer_norm_2}
    names |= {f"{name}.weight": layer.kernel for name, layer in layers.items()}
    names |= {f"{name}.weight": layer.gamma for name, layer in norms.items()}
    names |= {f"{name}.bias": layer.bias for name, layer in layers.items()}
    return names | {f"{name}.bias": layer.beta for name, layer in norms.items()}


def _as_keras(tensor: NDArray[Any], variable: keras.Variable, place: str) -> NDArray[np.float32]:
    if tensor.size != np.prod(variable.shape):
        raise InputError(f"{place} has shape {tensor.shape}, config.json next to it says {tuple(variable.shape)}")
    return order_tensor(tensor, list(variable.shape))


def order_tensor(tensor: NDArray[Any], shape: list[int]) -> NDArray[np.float32]:
    """Reorders a tensor: Hugging Face has outputs first, Keras last, and splits the attention heads by reshaping.

    Args:
        tensor: of any dtype; its size is that of ``shape``.
        shape: of the variable in Keras.

    Raises:
        ValueError: the sizes differ.
    """
    ordered = {4: (2, 3, 1, 0), 2: (1, 0)}.get(tensor.ndim)
    return (tensor.transpose(ordered) if ordered else tensor).astype(np.float32).reshape(shape)
