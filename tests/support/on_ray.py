"""A repository of three small models whose folds are trained on Ray, and what comes of them."""

from pathlib import Path
from typing import Any

from support import tiny
from support.fabricated import write_params
from support.trainings import repository, settings

MODELS = ("one", "two", "three")


def make_root(root: Path, **changes: Any) -> Path:
    """Makes the repository; ``changes`` are settings of both trainings."""
    repository(root)
    for name, units in zip(MODELS, (8, 6, 5), strict=True):
        tiny.write_yaml(root / "configs" / "models" / f"{name}.yaml", settings(units=units, **changes))
    write_params(root, list(MODELS), train={"precision": "float32", "executor": "ray"})
    return root


def read_outputs(root: Path) -> dict[str, bytes]:
    """Reads what `train` made, but for cards and metrics, which hold seconds."""
    found = [path for path in (root / "folds").rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in found if path.suffix != ".json"}
