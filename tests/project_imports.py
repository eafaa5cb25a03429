"""Which modules a project module imports, read from its source: for the tests of layers and of ``dvc.yaml``."""

import ast
from functools import cache, lru_cache
from pathlib import Path

from pipeline.closure import PACKAGE, import_closure

ROOT = Path(__file__).parents[1]
# Taken whole: all architectures; all parts of one page; styles and scripts beside the code.
FOLDERS = tuple(f"pipeline/{name}" for name in ("networks", "explore", "page", "report", "tuning"))


@lru_cache
def modules() -> tuple[str, ...]:
    """Names every project module that is not empty."""
    return tuple(module_name(path) for path in sorted((ROOT / PACKAGE).rglob("*.py")) if path.stat().st_size)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@lru_cache
def tree(module: str) -> ast.Module:
    return ast.parse((ROOT / Path(*module.split("."))).with_suffix(".py").read_text(encoding="utf-8"))


def imports(module: str) -> set[str]:
    """Names all modules that ``module`` imports, anywhere in it: also inside functions."""
    found: set[str] = set()
    known = set(modules())
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{module}, line {node.lineno}: relative import"
            # `from pipeline import tables` names a module, `from pipeline.tables import read_folds` a function.
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= below & known or {node.module}
    return found


def project_imports(module: str) -> set[str]:
    """Names the project's own modules that ``module`` imports."""
    return {name for name in imports(module) if name.split(".")[0] == PACKAGE}


@cache
def closure(module: str) -> set[str]:
    """Names ``module`` and every project module that it imports at any depth."""
    return {module_name(path) for path in import_closure(module, ROOT)}


def closure_files(module: str) -> list[str]:
    """Lists the files of the closure as they stand in ``dvc.yaml``; those of `FOLDERS` as one folder each."""
    files = [path.relative_to(ROOT).as_posix() for path in import_closure(module, ROOT)]
    return list(dict.fromkeys(next((f for f in FOLDERS if file.startswith(f"{f}/")), file) for file in files))
