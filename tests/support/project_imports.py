"""Imports of project modules, read from their sources: for the tests of layers, of the house and of ``dvc.yaml``."""

import ast
from functools import cache
from pathlib import Path

from pipeline.core.closure import PACKAGE, import_closure

ROOT = Path(__file__).parents[2]
_IN_PARTS = ("data", "reports")  # rooms whose sub-folders a stage lists one by one


@cache
def modules() -> tuple[str, ...]:
    """Names every project module that is not empty."""
    return tuple(module_name(path) for path in sorted((ROOT / PACKAGE).rglob("*.py")) if path.stat().st_size)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((ROOT / Path(*module.split("."))).with_suffix(".py").read_text(encoding="utf-8"))


@cache
def walk(module: str) -> tuple[ast.AST, ...]:
    """Lists every node of a module's tree."""
    return tuple(ast.walk(tree(module)))


@cache
def imports(module: str) -> set[str]:
    """Names all modules that ``module`` imports, anywhere in it: also inside functions."""
    names: set[str] = set()
    known = set(modules())
    for node in walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{module}, line {node.lineno}: relative import"
            # `from pipeline.core import tables` names a module, `from pipeline.core.tables import x` a function.
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= below & known or {node.module}
    return names


@cache
def project_imports(module: str) -> set[str]:
    """Names the project's own modules that ``module`` imports."""
    return {name for name in imports(module) if name.split(".")[0] == PACKAGE}


@cache
def closure(module: str) -> set[str]:
    """Names ``module`` and every project module that it imports at any depth."""
    return {module_name(path) for path in import_closure(module, ROOT)}


def room_of(module: str) -> str | None:
    """Names the room of a module; None for the command line, which stands above them."""
    parts = module.split(".")
    return parts[1] if len(parts) > 2 else None


def units(folder: str) -> dict[str, set[str]]:
    """Which modules and sub-folders of a folder, a package's dotted name, import which others of them."""
    found: dict[str, set[str]] = {}
    for module in modules():
        if module.startswith(f"{folder}."):
            part = module.removeprefix(f"{folder}.").split(".")[0]
            within = [name for name in project_imports(module) if name.startswith(f"{folder}.")]
            found.setdefault(part, set()).update(name.removeprefix(f"{folder}.").split(".")[0] for name in within)
            found[part].discard(part)
    return found


def code_deps(stage: str) -> list[str]:
    """Lists the code deps of a stage as they stand in ``dvc.yaml``: its own file, and whole rooms or parts of them."""
    deps = set()
    for path in import_closure(stage, ROOT):
        parts = path.relative_to(ROOT).parts
        kept = 3 if parts[1] in _IN_PARTS or parts[1] == "stages" else 2
        deps.add("/".join(parts[:kept]))
    return sorted(deps)
