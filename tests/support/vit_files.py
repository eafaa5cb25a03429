"""A tiny ViT as Hugging Face keeps one: a configuration and random tensors under its names."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

CONFIG: dict[str, Any] = {
    "architectures": ["ViTModel"],
    "model_type": "vit",
    "image_size": 32,
    "patch_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 16,
    "intermediate_size": 32,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
}


def tensors(prefix: str = "") -> dict[str, NDArray[np.float32]]:
    """Random tensors of a tiny ViT under Hugging Face's names, outputs first."""
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.cls_token": (1, 1, 16),
        "embeddings.position_embeddings": (1, 17, 16),
        "embeddings.patch_embeddings.projection.weight": (16, 3, 8, 8),
        "embeddings.patch_embeddings.projection.bias": (16,),
        "layernorm.weight": (16,),
        "layernorm.bias": (16,),
    }
    for block in ("encoder.layer.0", "encoder.layer.1"):
        for dense, outs, ins in (
            ("attention.attention.query", 16, 16),
            ("attention.attention.key", 16, 16),
            ("attention.attention.value", 16, 16),
            ("attention.output.dense", 16, 16),
            ("intermediate.dense", 32, 16),
            ("output.dense", 16, 32),
        ):
            shapes |= {f"{block}.{dense}.weight": (outs, ins), f"{block}.{dense}.bias": (outs,)}
        for norm in ("layernorm_before", "layernorm_after"):
            shapes |= {f"{block}.{norm}.weight": (16,), f"{block}.{norm}.bias": (16,)}
    rng = np.random.default_rng(7)
    return {prefix + name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}


def hugging_face(folder: Path, prefix: str = "", **changes: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    safetensors.numpy.save_file(tensors(prefix), folder / "model.safetensors")
    return folder
