"""cli -> stages -> trainer -> parts -> contracts: the dependency direction, from the real imports."""

import subprocess
import sys

import pytest
from project_imports import ROOT, closure, imports, modules, project_imports

CONTRACTS = {f"pipeline.{name}" for name in ("errors", "files", "config", "competition", "metrics", "tables", "cards")}
STAGES = {name for name in modules() if name.startswith("pipeline.stages.")}
ENTRY = {"pipeline.cli", "pipeline.__main__"}
# What builds, feeds or runs networks.
NETWORK_MODULES = {
    "pipeline.runtime",
    "pipeline.phases",
    "pipeline.probing",
    "pipeline.losses",
    "pipeline.session",
    "pipeline.keeper",
    "pipeline.optimizers",
    "pipeline.exported_graph",
    "pipeline.gradcam",
    "pipeline.rollout",
}
BACKENDS = {"tensorflow", "jax", "torch"}


def top_levels(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports(module)}


def test_every_contract_exists() -> None:
    assert set(modules()) >= CONTRACTS


@pytest.mark.parametrize("module", sorted(CONTRACTS))
def test_contracts_import_contracts_alone(module: str) -> None:
    assert project_imports(module) <= CONTRACTS


@pytest.mark.parametrize("module", sorted(set(modules()) - STAGES - ENTRY))
def test_the_library_imports_no_stage_and_no_command_line(module: str) -> None:
    assert not project_imports(module) & (STAGES | ENTRY)


@pytest.mark.parametrize("module", sorted(STAGES))
def test_a_stage_imports_no_other_stage(module: str) -> None:
    assert not closure(module) & (STAGES | ENTRY) - {module}


def test_no_import_goes_in_a_circle() -> None:
    circular = [name for name in modules() if any(name in closure(inner) for inner in project_imports(name))]
    assert not circular


@pytest.mark.parametrize("module", modules())
def test_only_modules_that_build_or_run_networks_import_keras(module: str) -> None:
    may = module in NETWORK_MODULES or module.startswith("pipeline.networks")
    assert may or "keras" not in top_levels(module)


@pytest.mark.parametrize("module", modules())
def test_only_the_runtime_knows_a_backend(module: str) -> None:
    assert module == "pipeline.runtime" or not top_levels(module) & BACKENDS


@pytest.mark.parametrize("package", sorted(path.parent.name for path in (ROOT / "pipeline").rglob("__init__.py")))
def test_init_files_are_empty(package: str) -> None:
    assert all(
        path.stat().st_size == 0 for path in (ROOT / "pipeline").rglob("__init__.py") if path.parent.name == package
    )


@pytest.mark.parametrize(
    "module",
    [
        "stages.fetch",
        "stages.split",
        "stages.ensemble",
        "stages.submission",
        "stages.submit",
        "stages.pack",
        "stages.board",
        "stages.score",
        "init",
        "score_table",
    ],
)
def test_a_verb_without_networks_starts_without_keras(module: str) -> None:
    code = (
        f"import sys, pipeline.cli, pipeline.{module}; "
        "print(*{'keras', 'tensorflow', 'jax', 'torch', 'albumentations'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_the_command_line_starts_without_any_stage() -> None:
    code = "import sys, pipeline.cli; print(*(m for m in sys.modules if m.startswith(('pipeline.stages.', 'pandas'))))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
