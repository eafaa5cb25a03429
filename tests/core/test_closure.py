"""Which files a module's behaviour depends on."""

from pathlib import Path

import pytest

from pipeline.core import closure
from pipeline.core.closure import code_digest, import_closure


def package(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / "pipeline" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def names(root: Path, module: str) -> list[str]:
    return [path.relative_to(root / "pipeline").as_posix() for path in import_closure(module, root)]


def test_imports_are_followed_at_any_depth(tmp_path: Path) -> None:
    package(tmp_path, a="from pipeline.b import x", b="import pipeline.c", c="", d="")
    assert names(tmp_path, "pipeline.a") == ["a.py", "b.py", "c.py"]


def test_modules_imported_from_the_package_itself_are_found(tmp_path: Path) -> None:
    package(tmp_path, a="from pipeline import b, c", b="", c="")
    assert names(tmp_path, "pipeline.a") == ["a.py", "b.py", "c.py"]


def test_imports_inside_functions_count(tmp_path: Path) -> None:
    package(tmp_path, a="def f():\n    from pipeline.inner.b import g\n    return g", inner__b="")
    assert names(tmp_path, "pipeline.a") == ["a.py", "inner/b.py"]


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import pipeline.b\nexcept ImportError:\n    pass",
        "try:\n    pass\nexcept ImportError:\n    import pipeline.b",
        "try:\n    pass\nfinally:\n    import pipeline.b",
        "if a:\n    pass\nelif b:\n    pass\nelse:\n    import pipeline.b",
        "for each in a:\n    pass\nelse:\n    import pipeline.b",
        "with a:\n    while b:\n        import pipeline.b",
        "match a:\n    case 1:\n        pass\n    case _:\n        import pipeline.b",
        "class A:\n    async def f(self):\n        import pipeline.b",
    ],
)
def test_imports_below_any_statement_count(tmp_path: Path, text: str) -> None:
    assert names(package(tmp_path, a=text, b=""), "pipeline.a") == ["a.py", "b.py"]


def test_a_circle_ends(tmp_path: Path) -> None:
    package(tmp_path, a="import pipeline.b", b="import pipeline.a")
    assert names(tmp_path, "pipeline.a") == ["a.py", "b.py"]


def test_other_packages_are_left_out(tmp_path: Path) -> None:
    package(tmp_path, a="import numpy\nfrom pipelines import b\nfrom json import loads")
    assert names(tmp_path, "pipeline.a") == ["a.py"]


def test_the_training_code_reaches_everything_that_makes_a_weight() -> None:
    found = {path.stem for path in import_closure("pipeline.training.trainer")}
    assert {"trainer", "callback", "state", "session", "batches", "augmentation", "optimizers", "schedules"} <= found
    assert {"build", "cnn", "mlp", "recipe", "runtime"} <= found


def test_the_digest_changes_with_any_file_of_the_closure_and_with_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closure, "_ROOT", package(tmp_path, a="import pipeline.b", b="x = 1", c="y = 1"))
    first = code_digest("pipeline.a")
    package(tmp_path, c="y = 2")
    assert code_digest("pipeline.a") == first
    package(tmp_path, b="x = 2")
    assert code_digest("pipeline.a") != first
