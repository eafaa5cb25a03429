"""Tiny foundation models as Hugging Face keeps them, and what `transformers` makes of them.

`PYTHONPATH=tests python -m support.foundation_files` in an environment with transformers and PyTorch writes
tests/networks/foundation_features.json anew: the tokens of each network for one picture, at two sizes.
"""

import importlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

COMMON: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_channels": 3}
DINO2 = COMMON | {"image_size": 56, "patch_size": 14, "mlp_ratio": 2, "layerscale_value": 1.0, "hidden_act": "gelu"}
DINO2 |= {"layer_norm_eps": 1e-6, "qkv_bias": True, "use_swiglu_ffn": False, "drop_path_rate": 0.0}
DINO2 |= {"hidden_dropout_prob": 0.0}
DINO3 = COMMON | {"image_size": 64, "patch_size": 16, "intermediate_size": 32, "num_register_tokens": 4}
DINO3 |= {"layerscale_value": 1.0, "hidden_act": "gelu", "use_gated_mlp": False, "query_bias": True, "key_bias": False}
DINO3 |= {"value_bias": True, "proj_bias": True, "mlp_bias": True, "attention_dropout": 0.0, "drop_path_rate": 0.0}
DINO3 |= {"layer_norm_eps": 1e-5, "rope_theta": 100.0}
CONFIGS: dict[str, dict[str, Any]] = {
    "dinov2": DINO2 | {"model_type": "dinov2"},
    "dinov2_with_registers": DINO2 | {"model_type": "dinov2_with_registers", "num_register_tokens": 4},
    "dinov3": DINO3 | {"model_type": "dinov3_vit"},
    "siglip": COMMON
    | {"model_type": "siglip_vision_model", "image_size": 64, "patch_size": 16, "intermediate_size": 32},
}
CLASSES = {
    "dinov2": "Dinov2Model",
    "dinov2_with_registers": "Dinov2WithRegistersModel",
    "dinov3": "DINOv3ViTModel",
    "siglip": "SiglipVisionModel",
}
SIZES = {"dinov2": (56, 84), "dinov2_with_registers": (56, 42), "dinov3": (64, 96), "siglip": (64, 48)}
FEATURES = Path(__file__).parents[1] / "networks" / "foundation_features.json"


def _dense(name: str, outs: int, ins: int, bias: bool = True) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outs, ins)} | ({f"{name}.bias": (outs,)} if bias else {})


def _norm(name: str) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (16,), f"{name}.bias": (16,)}


def shapes(kind: str) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor under Hugging Face's names, outputs first."""
    patch = CONFIGS[kind]["patch_size"]
    if kind == "siglip":
        found = {"embeddings.patch_embedding.weight": (16, 3, patch, patch), "embeddings.patch_embedding.bias": (16,)}
        found |= {"embeddings.position_embedding.weight": (16, 16), "head.probe": (1, 1, 16)}
        found |= {"head.attention.in_proj_weight": (48, 16), "head.attention.in_proj_bias": (48,)}
        found |= _dense("head.attention.out_proj", 16, 16) | _dense("head.mlp.fc1", 32, 16)
        found |= _dense("head.mlp.fc2", 16, 32) | _norm("head.layernorm") | _norm("post_layernorm")
        for block in ("encoder.layers.0", "encoder.layers.1"):
            for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                found |= _dense(f"{block}.self_attn.{part}", 16, 16)
            found |= _dense(f"{block}.mlp.fc1", 32, 16) | _dense(f"{block}.mlp.fc2", 16, 32)
            found |= _norm(f"{block}.layer_norm1") | _norm(f"{block}.layer_norm2")
        return found
    place = "embeddings.patch_embeddings" + (".projection" if kind != "dinov3" else "")
    found = {"embeddings.cls_token": (1, 1, 16), f"{place}.weight": (16, 3, patch, patch), f"{place}.bias": (16,)}
    found |= {"embeddings.mask_token": (1, 1, 16) if kind == "dinov3" else (1, 16)}
    if kind != "dinov2":
        found |= {"embeddings.register_tokens": (1, 4, 16)}
    if kind != "dinov3":
        found |= {"embeddings.position_embeddings": (1, 17, 16)}
    for block in ("layer.0", "layer.1") if kind == "dinov3" else ("encoder.layer.0", "encoder.layer.1"):
        found |= _norm(f"{block}.norm1") | _norm(f"{block}.norm2")
        found |= {f"{block}.layer_scale1.lambda1": (16,), f"{block}.layer_scale2.lambda1": (16,)}
        if kind == "dinov3":
            for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
                found |= _dense(f"{block}.attention.{part}", 16, 16, part != "k_proj")
            found |= _dense(f"{block}.mlp.up_proj", 32, 16) | _dense(f"{block}.mlp.down_proj", 16, 32)
            continue
        for part in ("attention.query", "attention.key", "attention.value", "output.dense"):
            found |= _dense(f"{block}.attention.{part}", 16, 16)
        found |= _dense(f"{block}.mlp.fc1", 32, 16) | _dense(f"{block}.mlp.fc2", 16, 32)
    return found | _norm("norm" if kind == "dinov3" else "layernorm")


def save_network(folder: Path, kind: str, prefix: str = "", **changes: Any) -> Path:
    """Writes config.json and random tensors; returns the folder."""
    rng = np.random.default_rng(7)
    tensors = {prefix + name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes(kind).items()}
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIGS[kind] | changes))
    safetensors.numpy.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def make_pixels(size: int) -> NDArray[np.float32]:
    """One picture as the networks take it, (1, size, size, 3)."""
    return np.random.default_rng(size).normal(0, 1, (1, size, size, 3)).astype(np.float32)


def compute_reference(folder: Path, kind: str, size: int) -> dict[str, list[float]]:
    """Returns by transformers the token that stands for all, and the mean of the patches."""
    torch, library = importlib.import_module("torch"), importlib.import_module("transformers")
    network = getattr(library, CLASSES[kind]).from_pretrained(folder).eval()
    settings = {"interpolate_pos_encoding": True} if kind == "siglip" else {}
    with torch.no_grad():
        found = network(torch.from_numpy(make_pixels(size)).permute(0, 3, 1, 2), **settings)
    tokens = found.last_hidden_state[0].numpy()
    others = len(tokens) - (size // CONFIGS[kind]["patch_size"]) ** 2
    token = found.pooler_output[0].numpy() if kind == "siglip" else tokens[0]
    return {"token": token.tolist(), "average": tokens[others:].mean(axis=0).tolist()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        made = {kind: save_network(Path(temporary) / kind, kind) for kind in CONFIGS}
        features = {
            kind: {str(size): compute_reference(folder, kind, size) for size in SIZES[kind]}
            for kind, folder in made.items()
        }
    FEATURES.write_text(json.dumps(features, indent=1) + "\n")
