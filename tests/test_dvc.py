"""``dvc.yaml``: DVC does not follow imports, so the deps must; and nothing depends on a card."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from support.project_imports import ROOT, closure, code_deps, walk

from pipeline.core.competition import Competition
from pipeline.core.config import read_yaml

STAGES: dict[str, dict[str, Any]] = {
    name: stage.get("do", stage) for name, stage in read_yaml(ROOT / "dvc.yaml")["stages"].items()
}
SUBMISSIONS = ("submission", "submission-ensemble")
OUT_KINDS = ("outs", "metrics", "plots")


def verb(stage: str) -> str:
    words = STAGES[stage]["cmd"].split()
    assert words[:3] == ["python", "-m", "pipeline"]
    return str(words[3])


def paths(entries: list[Any]) -> list[str]:
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def outs(stage: str) -> list[str]:
    return [path for kind in OUT_KINDS for path in paths(STAGES[stage].get(kind, []))]


def params(stage: str) -> dict[str, list[str]]:
    """The keys per file; an empty list means the whole file."""
    found: dict[str, list[str]] = {"params.yaml": []}
    for entry in STAGES[stage].get("params", []):
        if isinstance(entry, str):
            found["params.yaml"].append(entry)
        else:
            found.update({file: keys or [] for file, keys in entry.items()})
    return found


def calls(module: str) -> set[tuple[str, str]]:
    """The functions called in the closure of ``module``, each with its last text argument."""
    return set().union(*map(calls_within, closure(module)))


@cache
def calls_within(module: str) -> set[tuple[str, str]]:
    """The functions called in ``module`` itself."""
    found: set[tuple[str, str]] = set()
    for node in walk(module):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            found.add((name, texts[-1] if texts else ""))
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_code_deps_are_the_stage_itself_and_the_rooms_that_it_imports(stage: str) -> None:
    wanted = code_deps(f"pipeline.stages.{verb(stage)}")
    listed = [path for path in STAGES[stage]["deps"] if path.startswith("pipeline/")]
    lines = "\n".join(f"      - {path}" for path in wanted)
    assert listed == wanted, f"the code deps of {stage} in dvc.yaml should read (two spaces more below `do:`)\n{lines}"


def stages_after(change: str) -> set[str]:
    """The stages that depend on a file of code, without those that follow them."""
    return {stage for stage in STAGES for dep in STAGES[stage]["deps"] if Path(change).is_relative_to(dep)}


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ("pipeline/reports/models/ensemble.py", {"report"}),
        ("pipeline/inference/demo/script.js", {"report"}),
        ("pipeline/reports/data/image_map.py", {"explore"}),
        ("pipeline/page/table.py", {"explore", "tune", "report"}),
        (
            "pipeline/kaggle/submitting.py",
            {"fetch", "prepare", "explore", "report", "submission", "submission-ensemble"},
        ),
    ],
)
def test_a_change_of_pages_or_of_submissions_trains_nothing_again(change: str, wanted: set[str]) -> None:
    assert (Path(change).is_file(), stages_after(change)) == (True, wanted)


@pytest.mark.parametrize("stage", STAGES)
def test_sections_that_a_stage_reads_are_among_its_params(stage: str) -> None:
    listed = {key.split(".")[0] for key in params(stage)["params.yaml"]}
    read = {text for name, text in calls(f"pipeline.stages.{verb(stage)}") if name == "load_params"}
    assert read - {"track"} <= listed  # where runs are logged changes no out


COMPETITION, MODEL = "configs/competitions/${competition}.yaml", "configs/models/${item}.yaml"
# What DVC's run cache leaves out of its keys, wherever it stands, and what holds a digest of the whole file.
UNSEEN, SEEN_BY = {"size", "nfiles"}, {COMPETITION: "data/source.json", MODEL: "configs/tuned/${item}.yaml"}


@pytest.mark.parametrize("stage", STAGES)
def test_the_competition_is_a_param_of_each_stage_that_reads_it(stage: str) -> None:
    read = any(name == "load_competition" for name, _ in calls(f"pipeline.stages.{verb(stage)}"))
    assert read == (COMPETITION in params(stage) or COMPETITION in STAGES[stage]["deps"])


@pytest.mark.parametrize("stage", STAGES)
def test_the_run_cache_sees_every_change_of_the_files_that_a_stage_reads(stage: str) -> None:
    for file, keys in params(stage).items():
        if not keys:
            assert SEEN_BY[file] in STAGES[stage]["deps"]
        elif file == COMPETITION:
            assert not [key for key in keys if UNSEEN & keys_below(Competition.model_fields[key].annotation)]
        else:
            assert not UNSEEN & keys_of({key: read_yaml(ROOT / file).get(key) for key in keys})


@pytest.mark.parametrize("stage", ["fetch", "tune"])
def test_a_stage_whose_outs_hold_the_digest_of_a_file_depends_on_the_file_itself(stage: str) -> None:
    held = [file for file, holder in SEEN_BY.items() if holder in outs(stage)]
    assert held
    assert set(held) <= set(STAGES[stage]["deps"])


def keys_below(annotation: Any) -> set[str]:
    """The names of all properties that a section of a YAML file may hold, at any depth."""
    return keys_of(TypeAdapter(annotation).json_schema())


def keys_of(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    return set(value).union(*map(keys_of, value.values())) if isinstance(value, dict) else set()


@pytest.mark.parametrize("stage", STAGES)
def test_params_that_are_listed_exist(stage: str) -> None:
    known = read_yaml(ROOT / "params.yaml")
    for key in params(stage)["params.yaml"]:
        value: Any = known
        for part in key.split("."):
            assert part in value, key
            value = value[part]


def test_stages_depend_on_whole_sections_of_params() -> None:
    """DVC refuses a params.yaml that lacks one of the keys named here, though each has a default."""
    keys = {key for stage in STAGES for key in params(stage)["params.yaml"] if "." in key}
    assert keys <= {"prepare.drop_broken"}


def test_foreach_runs_over_plain_strings() -> None:
    for name, stage in read_yaml(ROOT / "dvc.yaml")["stages"].items():
        assert stage.get("foreach", "${models}") == "${models}", name
    assert all(isinstance(model, str) for model in read_yaml(ROOT / "params.yaml")["models"])


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_depends_on_a_card_or_a_score(stage: str) -> None:
    watched = [path for other in STAGES for path in outs(other) if path.endswith(("card.json", "metrics.json"))]
    deps = [path for path in STAGES[stage]["deps"] if not path.startswith("pipeline/")]
    assert not [path for path in watched for dep in deps if Path(path).is_relative_to(dep)]


@pytest.mark.parametrize("stage", STAGES)
def test_outs_that_take_long_to_make_come_back_from_the_run_cache(stage: str) -> None:
    entries = [entry for kind in OUT_KINDS for entry in STAGES[stage].get(kind, [])]
    plain = all(
        isinstance(entry, str) or not entry[next(iter(entry))].keys() & {"cache", "persist"} for entry in entries
    )
    assert plain or stage == "split", (
        f"{stage}: one uncached or persisting out keeps the whole stage from being restored"
    )


@pytest.mark.parametrize("stage", STAGES)
def test_every_dep_exists_or_is_made_by_a_stage(stage: str) -> None:
    made = [path for other in STAGES if other != stage for path in outs(other)]
    for dep in STAGES[stage]["deps"]:
        within = any(Path(path).is_relative_to(dep) or Path(dep).is_relative_to(path) for path in made)
        there = ROOT / dep.replace("${competition}", "digits").replace("${item}", "quick_cnn")
        assert within or there.exists(), dep


def test_the_pipeline_can_be_read_in_one_go() -> None:
    assert len((ROOT / "dvc.yaml").read_text(encoding="utf-8").splitlines()) <= 260


def test_dvc_reads_the_pipeline_and_orders_it() -> None:
    command = [sys.executable, "-m", "dvc", "stage", "list", "--name-only"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = {
        f"{name}@{model}" for name in ("train", "submission") for model in read_yaml(ROOT / "params.yaml")["models"]
    }
    assert names <= set(ran.stdout.split())


def test_plots_load_nothing_from_a_network() -> None:
    template = (ROOT / ".dvc" / "plots.html").read_text(encoding="utf-8")
    assert "{plot_divs}" in template
    assert "script" not in template
    assert "://" not in template
