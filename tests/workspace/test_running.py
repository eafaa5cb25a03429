"""DVC within so many seconds."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support.project_imports import ROOT
from support.tiny import write_yaml

from pipeline.workspace.running import Run, explain_end, prepare_dvc, run_stages, run_verb

STAGES = {
    "quick": "echo done > quick.txt",
    "slow": "python -c 'import time; time.sleep(60)'",
    "wrong": "echo 'error: x.yaml: no such key' && false",
    "killed": "kill -9 $$",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    write_yaml(tmp_path / "dvc.yaml", {"stages": {name: {"cmd": command} for name, command in STAGES.items()}})
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    return tmp_path


def run(root: Path, target: str, seconds: float) -> Run:
    return run_stages(root, (target,), seconds, root / "logs" / "log.txt", lambda gone: None)


def test_a_stage_that_ends_in_time_ends_with_0_and_its_output_is_in_the_log(repository: Path) -> None:
    ran = run(repository, "quick", 60)
    assert (ran.code, ran.error) == (0, "")
    assert (repository / "quick.txt").is_file()
    assert "Running stage 'quick'" in (repository / "logs" / "log.txt").read_text()


def test_what_went_wrong_is_the_line_that_says_so(repository: Path) -> None:
    ran = run(repository, "wrong", 60)
    assert ran.code not in (0, None)
    assert ran.error == "x.yaml: no such key"


def test_a_stage_that_the_system_killed_points_at_memory(repository: Path) -> None:
    ran = run(repository, "killed", 60)
    assert "exited with -9: signal 9, which mostly means that memory ran out; end other programs" in ran.error


@pytest.mark.parametrize("line", ["exited with -6", "exited with 134"])
def test_a_stage_that_a_library_aborted_points_at_memory(line: str) -> None:
    words = "signal 6, a library's abort in words of its own, which mostly means that memory ran out"
    assert explain_end(line).startswith(f"{line}: {words}")


def test_a_verb_that_a_library_aborted_points_at_memory(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / "pipeline").mkdir()
    (repository / "pipeline" / "__init__.py").touch()
    (repository / "pipeline" / "__main__.py").write_text("import os\nprint('bad_alloc', flush=True)\nos.abort()\n")
    monkeypatch.setenv("PYTHONPATH", str(repository))
    ran = run_verb(repository, ("train-all",), 60, repository / "logs" / "log.txt", lambda gone: None)
    assert ran.error.startswith("bad_alloc; exited with -6: signal 6, a library's abort in words of its own, which")


@pytest.mark.parametrize("line", ["exited with 1", "exited with -15", "exited with -9 times"])
def test_other_ends_are_left_as_they_are(line: str) -> None:
    assert explain_end(line) == line


def test_a_stage_that_is_late_is_ended_and_leaves_no_process(repository: Path) -> None:
    began = time.monotonic()
    ran = run(repository, "slow", 4)
    assert ran.code is None
    assert time.monotonic() - began < 30
    assert not [
        each for each in psutil.process_iter(["cmdline"]) if "time.sleep(60)" in " ".join(each.info["cmdline"] or [])
    ]


AT_WORK = """
import pathlib, time
from pipeline.core.processes import end_with_dvc
end_with_dvc()
pathlib.Path("working").touch()
time.sleep(61)
"""
CALLS = {
    "run": "from pipeline.workspace.following import follow_stages; follow_stages(root, ('alone',), root / 'log.txt')",
    "best": "from pipeline.workspace.running import run_stages; "
    "run_stages(root, ('alone',), 60, root / 'log.txt', lambda gone: None)",
}


@pytest.mark.parametrize("verb", CALLS)
def test_a_verb_that_is_killed_leaves_neither_dvc_nor_its_stage_at_work(repository: Path, verb: str) -> None:
    (repository / "alone.py").write_text(AT_WORK)
    write_yaml(repository / "dvc.yaml", {"stages": {"alone": {"cmd": f"{sys.executable} alone.py"}}})
    code = f"from pathlib import Path; root = Path({str(repository)!r}); {CALLS[verb]}"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.DEVNULL) as process:
        wait(lambda: (repository / "working").is_file())
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert len(family) >= 2
    wait(lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in family))


def wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_stages_find_this_python_where_no_environment_is_active(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = "python -c 'import sys; print(sys.prefix)' > python.txt"
    write_yaml(repository / "dvc.yaml", {"stages": {"which": {"cmd": command}}})
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert run(repository, "which", 60).code == 0
    assert (repository / "python.txt").read_text().strip() == sys.prefix


def test_a_verb_runs_in_the_repository(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    log = repository / "logs" / "log.txt"
    ran = run_verb(repository, ("fetch",), 60, log, lambda gone: None)
    assert (ran.code, "has no params.yaml" in ran.error) == (1, True)
    assert log.read_text().startswith("$ pipeline fetch")


@pytest.mark.parametrize("kind", ["whole", "linked", "empty", "gone"])
def test_dvc_is_told_of_no_git_where_its_folder_is_none(repository: Path, kind: str) -> None:
    (repository / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    folder = repository / ("elsewhere" if kind in ("linked", "gone") else ".git")
    if kind != "gone":
        folder.mkdir()
    if kind in ("whole", "linked"):
        (folder / "HEAD").write_text("ref: refs/heads/main\n")
    if folder.name == "elsewhere":
        (repository / ".git").write_text("gitdir: elsewhere\n")
    prepare_dvc(repository)
    assert (repository / ".dvc" / "config.local").is_file() is (kind in ("empty", "gone"))


def test_dvc_works_in_a_folder_without_git(repository: Path) -> None:
    (repository / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    (repository / ".dvc" / "config.local").write_text("[core]\n    check_update = false\n")
    ran = run(repository, "quick", 60)
    assert (ran.code, ran.error) == (0, "")
    assert "check_update" in (repository / ".dvc" / "config.local").read_text()
