"""Backbones that PyTorch computes: stand-ins for its libraries, which no lock has, show what each is asked."""

import importlib.metadata
import json
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import trained

from pipeline.core import paths, predictions
from pipeline.core.cards import ModelCard, read_card
from pipeline.core.errors import InputError
from pipeline.core.targets.prepared import read_target
from pipeline.images.store import open_store
from pipeline.inference.checkpoints import InferenceInput, predict_images
from pipeline.inference.exported_graph import build_graph
from pipeline.inference.selection import list_checkpoints
from pipeline.inference.task_shape import TaskShape
from pipeline.stages import train
from pipeline.training.heads import backbones, torch_backbones
from pipeline.training.heads.recipe import FrozenBackbone
from pipeline.training.heads.torch_backbones import open_torch_model, parse_torch_backbone

TIMM: dict[str, Any] = {
    "input": {"size": 16},
    "network": {"name": "timm", "model": "vit_tiny", "weights": "vit.safetensors"},
}
FACE: dict[str, Any] = {"network": {"name": "huggingface", "folder": "dino"}}
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)


class Tensor:
    """What the code asks of a tensor."""

    def __init__(self, values: NDArray[np.float32]) -> None:
        self.values, self.ndim = values, values.ndim

    def numpy(self) -> NDArray[np.float32]:
        return self.values

    def mean(self, dim: Any) -> "Tensor":
        return Tensor(self.values.mean(axis=dim))

    def __getitem__(self, place: Any) -> "Tensor":
        return Tensor(self.values[place])


class Model:
    """Averages of the four quarters of each channel as tokens, or as features."""

    def __init__(self, pooled: bool, size: int | None = None) -> None:
        self.pooled, self.size, self.seen = pooled, size, list[NDArray[np.float32]]()

    def eval(self) -> None:
        pass

    def forward(self, pixel_values: Tensor) -> Any:
        return self(pixel_values)

    def __call__(self, pixel_values: Tensor) -> Any:
        pixels = pixel_values.values
        self.seen.append(pixels)
        n, channels, height, width = pixels.shape
        if self.size is not None and height != self.size:
            raise AssertionError(f"Input height ({height}) doesn't match model ({self.size})")
        quarters = pixels.reshape(n, channels, 2, height // 2, 2, width // 2).mean(axis=(3, 5)).reshape(n, channels, 4)
        tokens = quarters.transpose(0, 2, 1)
        if self.pooled:
            return Tensor(np.ascontiguousarray(tokens.reshape(n, -1)))
        return SimpleNamespace(last_hidden_state=Tensor(tokens))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Installs the stand-ins; lists what was asked of them."""
    asked: list[Any] = []

    def create_model(name: str, **settings: Any) -> Model:
        if name.startswith("resnet") and "img_size" in settings:
            raise TypeError("ResNet.__init__() got an unexpected keyword argument 'img_size'")
        if name == "unknown":
            raise RuntimeError("Unknown model (unknown)")
        asked.append((name, settings))
        return Model(True, settings.get("img_size"))

    def from_pretrained(folder: str, **settings: Any) -> Model:
        asked.append((folder, settings))
        return Model(False)

    stand_ins: dict[str, dict[str, Any]] = {
        "torch": {"inference_mode": nullcontext, "from_numpy": Tensor},
        "timm": {
            "create_model": create_model,
            "data": SimpleNamespace(resolve_model_data_config=lambda model: {"mean": MEAN, "std": STD}),
        },
        "transformers": {"AutoModel": SimpleNamespace(from_pretrained=from_pretrained)},
    }
    for name, members in stand_ins.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    versions = {"torch": "2.9", "timm": "1.0", "transformers": "5.0"}
    known = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: versions.get(name) or known(name))
    return asked


def lay_files(folder: Path) -> Path:
    (folder / "dino").mkdir(parents=True)
    for path in (folder / "vit.safetensors", folder / "dino" / "model.safetensors", folder / "dino" / "config.json"):
        path.write_bytes(b"weights")
    known = {"image_mean": MEAN, "image_std": STD}
    (folder / "dino" / "preprocessor_config.json").write_text(json.dumps(known))
    return folder


def open_extract(settings: dict[str, Any], folder: Path, size: int = 16) -> torch_backbones.Extract:
    network = parse_torch_backbone(FrozenBackbone(**settings), "backbones")
    assert network is not None
    return open_torch_model(network, (size, 1, 3), folder)


def quarters(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns the tokens (n, 4, 3) of grey images, normalised as the files say."""
    n, size = batch.shape[:2]
    grey = batch.reshape(n, 2, size // 2, 2, size // 2).mean(axis=(2, 4)).reshape(n, 4) / 255
    return np.stack([(grey - mean) / std for mean, std in zip(MEAN, STD, strict=True)], axis=2).astype(np.float32)


def test_timm_sees_normalised_images_of_three_channels_and_its_own_file(made: list[Any], tmp_path: Path) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 1)).astype(np.uint8)
    features = open_extract(TIMM, lay_files(tmp_path))(batch)
    assert features.dtype == np.float32
    assert np.allclose(features, quarters(batch).reshape(5, -1), atol=1e-5)
    own = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(tmp_path / "vit.safetensors")}, "num_classes": 0}
    assert made == [("vit_tiny", own | {"img_size": 16})]
    resnet = TIMM | {"network": TIMM["network"] | {"model": "resnet18"}}
    open_extract(resnet, tmp_path)
    assert made[1] == ("resnet18", own)


@pytest.mark.parametrize("pooling", ["class_token", "mean"])
def test_a_folder_of_hugging_face_is_read_offline_and_pooled(made: list[Any], tmp_path: Path, pooling: str) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 1)).astype(np.uint8)
    features = open_extract({"network": FACE["network"] | {"pooling": pooling}}, lay_files(tmp_path))(batch)
    tokens = quarters(batch)
    assert np.allclose(features, tokens[:, 0] if pooling == "class_token" else tokens.mean(axis=1), atol=1e-5)
    assert made == [(str(tmp_path / "dino"), {"local_files_only": True, "use_safetensors": True})]


def test_what_cannot_be_opened_is_one_line(made: list[Any], tmp_path: Path) -> None:
    lay_files(tmp_path)
    batch = np.zeros((2, 12, 12, 1), dtype=np.uint8)
    with pytest.raises(InputError, match=r"timm vit_tiny does not take 12 x 12 pixels \(Input height.*; set input"):
        open_extract(TIMM, tmp_path)(batch)
    with pytest.raises(InputError, match=r"timm unknown cannot be loaded \(Unknown model \(unknown\)\); see network"):
        open_extract(TIMM | {"network": TIMM["network"] | {"model": "unknown"}}, tmp_path)
    (tmp_path / "dino" / "preprocessor_config.json").write_text("{")
    with pytest.raises(InputError, match="huggingface dino cannot be loaded"):
        open_extract(FACE, tmp_path)
    (tmp_path / "vit.safetensors").unlink()
    with pytest.raises(InputError, match=r"network.weights vit.safetensors: .* does not exist; copy it there, or set"):
        open_extract(TIMM, tmp_path)
    with pytest.raises(InputError, match=r"input.normalise: unit does not go with network.name: timm"):
        open_extract(TIMM | {"input": {"normalise": "unit"}}, tmp_path)


def test_without_pytorch_a_line_says_what_to_install(tmp_path: Path) -> None:
    if "torch" in sys.modules:
        pytest.skip("PyTorch is installed here")
    with pytest.raises(InputError, match="needs PyTorch, and torch is not installed; install torch and timm in"):
        open_extract(TIMM, lay_files(tmp_path))


@pytest.mark.slow
def test_a_head_on_such_features_is_a_member_like_any_other(
    made: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = {name: {"backbones": [TIMM], "head": {"name": name}} for name in ("logistic", "ridge", "discriminant")}
    root = trained.build(tmp_path, recipes)
    lay_files(root / "data" / "weights")
    for name in ("logistic", "ridge"):
        train.run(root, name)
    made_of = ("torch", "timm", "transformers")
    with monkeypatch.context() as patch:  # PyTorch is gone, the features are there
        for name in made_of:
            patch.setitem(sys.modules, name, None)
        known = backbones._read_version
        patch.setattr(backbones, "_read_version", lambda name: "" if name in made_of else known(name))
        patch.setattr(backbones, "_resolve", None)
        train.run(root, "discriminant")
    assert [name for name, _ in made] == ["vit_tiny"]  # the second head found the features
    card = read_card(paths.card_path(root, "ridge"), ModelCard)
    assert list(card.backbones) == ["vit.safetensors"]
    target, weights = read_target(root / "data" / "prepared"), root / "data" / "weights"
    images = open_store(root / "data" / "prepared" / "test_images.npy")
    probs = predict_images(
        card, list_checkpoints(root, card), InferenceInput(images, target, weights, tmp_path / "work")
    )
    kept = predictions.read_predictions(paths.predicted_test_path(root, "ridge"), target).probs
    assert np.array_equal(probs, kept)
    shape = TaskShape(images.shape[1], images.shape[-1], target.n_outputs)
    with pytest.raises(InputError, match="ridge cannot be exported: a network of timm cannot be part of a graph"):
        build_graph(card, list_checkpoints(root, card), shape, target, weights)
    shutil.rmtree(root / ".work")
    (weights / "vit.safetensors").write_bytes(b"others")
    with pytest.raises(InputError, match=r"vit.safetensors holds other weights than ridge was trained on"):
        predict_images(card, list_checkpoints(root, card), InferenceInput(images, target, weights, tmp_path / "again"))
