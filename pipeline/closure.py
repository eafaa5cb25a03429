"""Which source files a module depends on: for fingerprints, and for the ``deps`` that DVC cannot find itself."""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = "pipeline"
_ROOT = Path(__file__).resolve().parent.parent


def import_closure(module: str, root: Path | None = None) -> tuple[Path, ...]:
    """Follows the project's own imports from a module, those inside functions included.

    Args:
        module: dotted name, such as ``pipeline.stages.train``.
        root: the folder that holds the package; by default the one this file was loaded from.

    Returns:
        Sorted paths of all source files reached, the module's own included; empty ``__init__.py`` files are left out.
    """
    base = root or _ROOT
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        path = _source(base, waiting.pop())
        if path is None or path in found:
            continue
        found.add(path)
        waiting += [*_imports(path), *_siblings(path, base)]
    return tuple(sorted(path for path in found if path.name != "__init__.py" or path.stat().st_size))


def code_digest(module: str) -> str:
    """Returns the SHA-256 over the sources of a module's import closure."""
    digest = hashlib.sha256()
    for path in import_closure(module):
        digest.update(str(path.relative_to(_ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _siblings(path: Path, base: Path) -> list[str]:
    """Names all modules of a folder where one of them imports whatever it finds there."""
    if "iter_modules(" not in path.read_text(encoding="utf-8") or path == Path(__file__):
        return []
    folder = ".".join(path.parent.relative_to(base).parts)
    return [f"{folder}.{other.stem}" for other in path.parent.glob("*.py")]


def _source(base: Path, module: str) -> Path | None:
    path = base.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _imports(path: Path) -> tuple[str, ...]:
    return _parsed(path, path.stat().st_mtime_ns)


@cache
def _parsed(path: Path, changed: int) -> tuple[str, ...]:
    """Names what a file imports; ``changed`` is when it was written, so that a later one is read anew."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from pipeline import x` and `from pipeline.x import y` both name modules; unknown ones are dropped later.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(name for name in names if name.split(".")[0] == PACKAGE)
