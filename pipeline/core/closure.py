"""Import closures: the source files that a module depends on, for fingerprints and the ``deps`` of DVC."""

import ast
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "pipeline"
_SEARCHED = re.compile(r"iter_modules\((\w+)\.__path__")
_ROOT = Path(__file__).resolve().parents[2]


def import_closure(module: str, root: Path | None = None) -> tuple[Path, ...]:
    """Follows the project's own imports from a module, those inside functions included.

    Args:
        module: dotted name, such as ``pipeline.stages.train``.
        root: the folder that holds the package; by default the one this file was loaded from.

    Returns:
        Sorted paths of all source files reached, the module's own included; empty ``__init__.py`` files are left out.
    """
    base = root or _ROOT
    reached: set[Path] = set()
    named = {module}  # most names come again and again, and each costs a look at the disk
    waiting = [module]
    while waiting:
        path = _source(base, waiting.pop())
        if path is None or path in reached:
            continue
        reached.add(path)
        names, packages = _parsed(path, path.stat().st_mtime_ns)
        new = {*names, *_plug_ins(packages, base)} - named
        named |= new
        waiting += new
    return tuple(sorted(path for path in reached if path.name != "__init__.py" or path.stat().st_size))


def code_digest(module: str) -> str:
    """Returns the SHA-256 over the sources of a module's import closure."""
    digest = hashlib.sha256()
    for path in import_closure(module):
        digest.update(str(path.relative_to(_ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _plug_ins(packages: tuple[str, ...], base: Path) -> list[str]:
    """Names all modules of packages that are searched for plug-ins."""
    return [f"{name}.{file.stem}" for name in packages for file in base.joinpath(*name.split(".")).glob("*.py")]


def _source(base: Path, module: str) -> Path | None:
    path = base.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _walk_statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yields a node and all statements below it; their expressions, most of a tree, hold no imports."""
    yield node
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        below = getattr(node, name, ())
        for each in below if isinstance(below, list) else ():
            yield from _walk_statements(each)


@cache
def _parsed(path: Path, changed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Reads the imports of a file; ``changed`` is when it was written, so that a later one is read anew.

    Returns:
        Names of all that it imports from the package, modules or not, and those of packages whose modules it searches
        for plug-ins: ``pkgutil.iter_modules(package.__path__)``.
    """
    text = path.read_text(encoding="utf-8")
    names: list[str] = []
    for node in _walk_statements(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from pipeline import x` and `from pipeline.x import y` both name modules; unknown ones are dropped later.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    own = tuple(dict.fromkeys(name for name in names if name.split(".")[0] == PACKAGE))
    searched = set(_SEARCHED.findall(text))
    return own, tuple(name for name in own if name.rpartition(".")[2] in searched)
