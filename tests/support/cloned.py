"""A repository as a user has it: the project's code around a tiny competition, an empty home, DVC."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.project_imports import ROOT
from support.tiny import build, write_yaml

MODELS = ("tiny_cnn", "tiny_mlp")
COPIED = ("dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore", ".dvc/plots.html")
OPTIMIZER = {"name": "adam", "learning_rate": 0.005}
TRAINING = {"epochs": 12, "batch_size": 16, "optimizer": OPTIMIZER}
RECIPES = {
    "tiny_cnn": {
        "network": {"name": "plain_cnn", "filters": [8, 8], "kernels": [3, 3], "units": [16], "activation": "elu"},
        "augmentation": {"transforms": [{"HorizontalFlip": {"p": 0.5}}]},
        "training": TRAINING,
    },
    "tiny_mlp": {"network": {"name": "mlp_pixels", "units": [32]}, "training": TRAINING},
}


@dataclass(frozen=True)
class Repository:
    """A clone and the home of its user."""

    root: Path
    home: Path

    def pipeline(self, *arguments: str) -> str:
        return run(self.root, self.home, sys.executable, "-m", "pipeline", *arguments)

    def dvc(self, *arguments: str) -> str:
        return run(self.root, self.home, sys.executable, "-m", "dvc", *arguments)


def make_environment(home: Path) -> dict[str, str]:
    """Returns the environment of a fresh account: no settings, no git identity, this environment's python."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_", "XDG_", "PYTEST"))
    }
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | {"HOME": str(home), "PATH": programs}


def run(root: Path, home: Path, *command: str) -> str:
    """Runs a command as on a fresh account."""
    ran = subprocess.run(
        command,
        cwd=root,
        env=make_environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def list_shared_configs() -> set[str]:
    """Lists what stages read of ``configs/`` whatever the competition and the models."""
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    return set(re.findall(r"^ *- (configs/[\w./]+)$", text, re.M)) - {"configs/models"}


def lay(folder: Path, recipes: Mapping[str, Mapping[str, object]] = RECIPES) -> Repository:
    """Lays the project's code around a tiny competition and models by their names; nothing has run."""
    root, home = folder / "clone", folder / "home"
    root.mkdir()
    home.mkdir()
    build(root, per_class=30, n_test=12, models=tuple(recipes))
    for name, recipe in recipes.items():
        write_yaml(root / "configs" / "models" / f"{name}.yaml", dict(recipe))
    for name in ("pipeline", *COPIED, *list_shared_configs()):
        (root / name).parent.mkdir(exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, root / name)
    run(root, home, "git", "init", "--quiet")
    return Repository(root, home)
