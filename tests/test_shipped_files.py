"""Every file under configs/models, made small: all its stages train, and its checkpoint predicts what training did."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import backbones, tiny, trained

from pipeline.core import paths, predictions, tables
from pipeline.core.cards import ModelCard, read_card
from pipeline.core.targets.prepared import read_target
from pipeline.images.store import open_store
from pipeline.inference.checkpoints import InferenceInput, predict_images
from pipeline.inference.selection import list_checkpoints
from pipeline.networks import runtime
from pipeline.stages import train

FILES = Path(__file__).parents[1] / "configs" / "models"
MODELS = sorted(path.stem for path in FILES.glob("*.yaml"))
SHAPE = {"patch_size": 16, "layers": 2, "heads": 2, "hidden": 16, "mlp": 32}
TRANSFORMERS = ("vit", "dinov2", "dinov3", "siglip")
# One of each family has its own backbone, the others bring their settings to one of three layers.
DEEP = ("convnext_tiny", "efficientnet_v2_b0", "mobilenet_v2", "resnet50", "vgg16", "xception")


def small(name: str) -> dict[str, Any]:
    """Returns a file's settings: one epoch of each stage, small images, no pretrained weights."""
    recipe: dict[str, Any] = tiny.read_yaml(FILES / f"{name}.yaml")
    if "classifier" in recipe:
        return recipe
    if "backbones" in recipe:
        for place, backbone in enumerate(recipe["backbones"]):  # no two alike
            least = find_least_size(backbone["network"])
            backbone["input"] = {**backbone.get("input", {}), "size": least + place}
            backbone["network"]["weights"] = "none"
        return recipe
    network, training = recipe["network"], recipe["training"]
    recipe["input"] = {**recipe.get("input", {}), "size": find_least_size(network)}
    if network["name"] == "pretrained":
        network |= {"weights": "none", "backbone": network["backbone"] if name in DEEP else "Tiny"}
    if network.get("backbone") == "Tiny" and "prefix" in training:
        training["prefix"]["after"] = "relu"
    if network["name"] in TRANSFORMERS:
        network |= {"weights": "none", "preset": None, "shape": SHAPE}
    for stage in (training, *training.get("before", [])):
        stage |= {"epochs": 1, "batch_size": 8}
        stage.get("schedule", {}).pop("warmup_epochs", None)
    return {key: value for key, value in recipe.items() if key != "search"}


def test_every_family_of_backbones_is_trained_as_it_is() -> None:
    networks = {name: tiny.read_yaml(FILES / f"{name}.yaml").get("network", {}) for name in MODELS}
    families = {
        name: re.match(r"[A-Za-z]+", str(network["backbone"]))[0]  # type: ignore[index]
        for name, network in networks.items()
        if network.get("name") == "pretrained"
    }
    assert {families[name] for name in DEEP} == set(families.values())


def teachers_of(recipe: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns what must be trained before it."""
    return {name: small(name) for name in recipe.get("training", {}).get("pseudo", {}).get("teachers", [])}


def find_least_size(network: dict[str, Any]) -> int:
    return 71 if network.get("backbone") == "Xception" else 32


def build(root: Path, recipes: dict[str, dict[str, Any]], channels: int = 3) -> None:
    """Lays a repository around images of 32 pixels, of which one fold trains."""
    trained.build(root, recipes, size=32, channels=channels)
    params = tiny.read_yaml(root / "params.yaml")
    tiny.write_yaml(root / "params.yaml", params | {"train": {**params["train"], "folds": [0]}})


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("model", MODELS)
def test_a_shipped_file_trains_to_the_same_bits_twice_and_its_checkpoint_says_the_same(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbones.install(monkeypatch, tmp_path / "keras")
    recipe = small(model)
    teachers = teachers_of(recipe)
    # Grey images for every second file, as networks that want colour have to bear them.
    build(tmp_path, {**teachers, model: recipe}, channels=1 if MODELS.index(model) % 2 else 3)
    for name in (*teachers, model):
        train.run(tmp_path, name)
    check_outputs(tmp_path, model, recipe)
    made = read_outputs(tmp_path, model)
    shutil.rmtree(tmp_path / ".work")
    runtime.forget_names()
    train.run(tmp_path, model)
    assert read_outputs(tmp_path, model) == made


def read_outputs(root: Path, model: str) -> list[bytes]:
    return [path(root, model).read_bytes() for path in (paths.oof_path, paths.predicted_test_path)]


def check_outputs(root: Path, model: str, recipe: dict[str, Any]) -> None:
    """Compares what training wrote with the rules of predictions, and with what its checkpoint predicts."""
    card = read_card(paths.card_path(root, model), ModelCard)
    assert set(card.fold_scores) == {"0"}
    oof = predictions.read_predictions(paths.oof_path(root, model), trained_classes(root))
    assert np.isfinite(oof.probs).all()
    np.testing.assert_allclose(oof.probs.sum(axis=1), 1, atol=1e-5)
    if "backbones" in recipe:
        return  # heads on features predict no further images: `predict` refuses them
    again = predicted(root, card)
    assert np.array_equal(
        again, predictions.read_predictions(paths.predicted_test_path(root, model), oof.classes).probs
    )


def trained_classes(root: Path) -> tuple[str, ...]:
    return tables.read_classes(root / "data" / "prepared" / "classes.json")


def predicted(root: Path, card: ModelCard) -> Any:
    images = open_store(root / "data" / "prepared" / "test_images.npy")
    unseen = InferenceInput(images, read_target(root / "data" / "prepared"), root / "weights", root / "unseen")
    return predict_images(card, list_checkpoints(root, card), unseen)
