"""Every file under configs/models, made small: all its stages train, and its checkpoint predicts what training did."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tiny, trained

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
# Trained once: made small, files for photographs are their stems, and 513 layers take minutes to build.
ONCE = ("_224", "efficientnet_v2_s")
BIG = ("pretrained", "deep_elu_cnn", *TRANSFORMERS)


def small(name: str) -> dict[str, Any]:
    """Returns a file's settings: one epoch of each stage, small images, no pretrained weights."""
    recipe: dict[str, Any] = tiny.read_yaml(FILES / f"{name}.yaml")
    if "classifier" in recipe:
        return recipe
    if "backbones" in recipe:
        for backbone in recipe["backbones"]:
            backbone["input"] = {**backbone.get("input", {}), "size": 32}
            backbone["network"]["weights"] = "none"
        return recipe
    network, training = recipe["network"], recipe["training"]
    recipe["input"] = {**recipe.get("input", {}), "size": 71 if network.get("backbone") == "Xception" else 32}
    if network["name"] == "pretrained":
        network["weights"] = "none"
    if network["name"] in TRANSFORMERS:
        network |= {"weights": "none", "preset": None, "shape": SHAPE}
    for stage in (training, *training.get("before", [])):
        stage |= {"epochs": 1, "batch_size": 8}
        stage.get("schedule", {}).pop("warmup_epochs", None)
    return {key: value for key, value in recipe.items() if key != "search"}


def teachers_of(recipe: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns what must be trained before it."""
    return {name: small(name) for name in recipe.get("training", {}).get("pseudo", {}).get("teachers", [])}


def kinds() -> list[Any]:
    """Names all files, those of big networks as slow."""
    found = []
    for name in MODELS:
        recipe = tiny.read_yaml(FILES / f"{name}.yaml")
        big = "backbones" in recipe or recipe.get("network", {}).get("name") in BIG
        found.append(pytest.param(name, marks=[pytest.mark.slow] if big else []))
    return found


def build(root: Path, recipes: dict[str, dict[str, Any]], channels: int = 3) -> None:
    """Lays a repository around images of 32 pixels, of which one fold trains."""
    trained.build(root, recipes, size=32, channels=channels)
    params = tiny.read_yaml(root / "params.yaml")
    tiny.write_yaml(root / "params.yaml", params | {"train": {**params["train"], "folds": [0]}})


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("model", kinds())
def test_a_shipped_file_trains_and_its_checkpoint_says_the_same(model: str, tmp_path: Path) -> None:
    recipe = small(model)
    teachers = teachers_of(recipe)
    # Grey images, as networks that want colour have to bear them.
    build(tmp_path, {**teachers, model: recipe}, channels=1)
    for name in (*teachers, model):
        train.run(tmp_path, name)
    card = read_card(paths.card_path(tmp_path, model), ModelCard)
    assert set(card.fold_scores) == {"0"}
    oof = predictions.read_predictions(paths.oof_path(tmp_path, model), trained_classes(tmp_path))
    assert np.isfinite(oof.probs).all()
    np.testing.assert_allclose(oof.probs.sum(axis=1), 1, atol=1e-5)
    if "backbones" in recipe:
        return  # heads on features predict no further images: `predict` refuses them
    again = predicted(tmp_path, card)
    assert np.array_equal(
        again, predictions.read_predictions(paths.predicted_test_path(tmp_path, model), oof.classes).probs
    )


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("model", [name for name in MODELS if not name.endswith(ONCE)])
def test_a_shipped_file_trains_to_the_same_bits_twice(model: str, tmp_path: Path) -> None:
    recipe = small(model)
    teachers = teachers_of(recipe)
    build(tmp_path, {**teachers, model: recipe})
    for name in teachers:
        train.run(tmp_path, name)
    made = []
    for _ in range(2):
        train.run(tmp_path, model)
        made.append(
            (paths.oof_path(tmp_path, model).read_bytes(), paths.predicted_test_path(tmp_path, model).read_bytes())
        )
        shutil.rmtree(tmp_path / ".work")
        runtime.forget_names()
    assert made[0] == made[1]


def trained_classes(root: Path) -> tuple[str, ...]:
    return tables.read_classes(root / "data" / "prepared" / "classes.json")


def predicted(root: Path, card: ModelCard) -> Any:
    images = open_store(root / "data" / "prepared" / "test_images.npy")
    unseen = InferenceInput(images, read_target(root / "data" / "prepared"), root / "weights", root / "unseen")
    return predict_images(card, list_checkpoints(root, card), unseen)
