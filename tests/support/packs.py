"""Repositories that are packed, and helpers around them."""

import hashlib
from pathlib import Path
from typing import Any

from support import tiny
from support.trained import CNN, HOG

from pipeline.stages import pack
from pipeline.stages.pack import PackOptions

RECIPES = {"tiny_cnn": CNN, "tiny_hog": HOG}


def make_pack(root: Path, name: str = "ensemble", **options: Any) -> Path:
    pack.run(root, name, root / "pack" / name, PackOptions(**options))
    return root / "pack" / name


def read_submission(root: Path, name: str) -> bytes:
    return (root / "submissions" / f"{name}.csv").read_bytes()


def change_params(root: Path, **sections: Any) -> None:
    tiny.write_yaml(root / "params.yaml", {**tiny.read_yaml(root / "params.yaml"), **sections})


def hash_files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in folder.rglob("*")
    }
