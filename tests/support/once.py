"""Folders that are made once for all processes of a test run."""

import os
import shutil
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Concatenate, ParamSpec

import pytest

from pipeline.core.files import locked

P = ParamSpec("P")


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Returns a folder of this process's own whose content the first process of the run made.

    Args:
        factory: pytest's.
        name: of the folder; another one for each content.
        make: fills an empty folder; the content must not name its own place.
    """
    own = factory.mktemp(name) / name
    # Processes of pytest-xdist have a folder each, below that of the run.
    run = factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else factory.getbasetemp()
    made = run / f"made-{name}"
    with locked(run / f"made-{name}.lock"):
        if not made.is_dir():
            begun = run / f"begun-{name}"
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir()
            make(begun)
            begun.rename(made)
    return Path(shutil.copytree(made, own))


def remembered(build: Callable[Concatenate[Path, P], Path]) -> Callable[Concatenate[Path, P], Path]:
    """Makes a builder of folders write again what it wrote when it was first called with the same arguments.

    These must be plain values, and what it writes must not name its own place.
    """
    made: dict[str, tuple[Path, dict[Path, bytes | None]]] = {}

    @wraps(build)
    def written(root: Path, /, *args: P.args, **kwargs: P.kwargs) -> Path:
        asked = repr((args, sorted(kwargs.items())))
        if asked not in made:
            with TemporaryDirectory() as folder:
                returned = build(Path(folder), *args, **kwargs).relative_to(folder)
                found = {
                    path: path.read_bytes() if path.is_file() else None for path in sorted(Path(folder).rglob("*"))
                }
                made[asked] = returned, {path.relative_to(folder): content for path, content in found.items()}
        returned, contents = made[asked]
        root.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            if content is None:
                (root / path).mkdir(parents=True, exist_ok=True)
            else:
                (root / path).write_bytes(content)
        return root / returned

    return written
