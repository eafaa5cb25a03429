"""A tiny competition that the pipeline really ran on: trained models, an ensemble, submissions."""

from pathlib import Path
from typing import Any

from support import tiny

from pipeline.stages import ensemble, split, submission, train

TRAINING: dict[str, Any] = {"epochs": 2, "batch_size": 16, "optimizer": {"name": "adam", "learning_rate": 0.01}}
HEAD: dict[str, Any] = TRAINING | {"unfreeze": "head"}
# Views, another size and preprocessing: all that a test image goes through.
CNN: dict[str, Any] = {
    "input": {"size": 16, "preprocess": [{"name": "clahe", "grid": 2}]},
    "network": {"name": "plain_cnn", "filters": [4, 4], "kernels": [3, 3], "units": [8]},
    "training": TRAINING,
    "views": {"mirror": True, "shift": 1},
}
HOG: dict[str, Any] = {
    "features": {"name": "hog", "pixels_per_cell": 4},
    "classifier": {"C": 0.1, "max_iter": 60},
    "views": {"mirror": True},
}


def build(root: Path, recipes: dict[str, dict[str, Any]], **competition: Any) -> Path:
    """Lays a repository around a tiny competition and runs it as far as the folds; returns ``root``.

    Args:
        root: an empty folder.
        recipes: the models' files, by name.
        competition: what `tiny.build` takes beside.
    """
    tiny.build(root, models=tuple(recipes), per_class=12, **competition)
    for name, recipe in recipes.items():
        tiny.write_yaml(root / "configs" / "models" / f"{name}.yaml", recipe)
    params = tiny.read_yaml(root / "params.yaml")
    tiny.write_yaml(root / "params.yaml", {**params, "ensemble": {"combiners": ["mean"]}})
    tiny.prepare_tiny(root)
    split.run(root)
    return root


def run(root: Path, recipes: dict[str, dict[str, Any]], **competition: Any) -> Path:
    """Builds and runs everything; returns ``root``."""
    build(root, recipes, **competition)
    for name in recipes:
        train.run(root, name)
    ensemble.run(root)
    for name in (*recipes, "ensemble"):
        submission.run(root, name)
    return root
