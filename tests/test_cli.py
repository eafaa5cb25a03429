"""The command line: one verb each, one line for a person's mistake."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.project_imports import ROOT

import pipeline.stages.split
from pipeline.cli import main
from pipeline.core.errors import InputError

VERBS = (
    *("fetch", "prepare", "split", "train", "lr-range", "ensemble", "submission", "scores", "init"),
    *("submit", "board", "score", "look", "doubt", "run", "competitions", "disk"),
)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "params.yaml").write_text("competition: digits\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def raising(error: BaseException) -> object:
    def run(root: Path) -> None:
        raise error

    return run


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert f"python -m pipeline {verb}" in capsys.readouterr().out


def test_a_verb_that_does_not_exist_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    assert "trian" in capsys.readouterr().err


def test_a_mistake_is_one_line_on_stderr(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pipeline.stages.split, "run", raising(InputError("fold must be in 0..4,\ngot 7")))
    assert main(["split"]) == 1
    assert capsys.readouterr() == ("", "error: fold must be in 0..4, got 7\n")


def test_a_defect_of_ours_keeps_its_stack_trace(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.stages.split, "run", raising(ValueError("not the user's fault")))
    with pytest.raises(ValueError, match="not the user's fault"):
        main(["split"])


def test_control_c_ends_without_a_stack_trace(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pipeline.stages.split, "run", raising(KeyboardInterrupt()))
    assert main(["split"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_call_outside_the_repository_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["split"]) == 1
    assert "has no params.yaml; run the command in the repository's folder" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["digits", "--from", "x.zip"], ["--kaggle", "x", "--from", "x.zip"]])
def test_init_wants_a_name_or_a_source(
    arguments: list[str], repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", *arguments]) == 1
    assert "init takes one of: the NAME of a described competition, --from PATH" in capsys.readouterr().err


def test_a_described_competition_takes_no_options(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "digits", "--label", "breed"]) == 1
    assert "init digits takes no options: digits is described already" in capsys.readouterr().err


def test_libraries_are_told_not_to_ask_the_network_before_they_are_imported(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_ALBUMENTATIONS_UPDATE", raising=False)
    seen: list[str | None] = []
    monkeypatch.setattr(
        pipeline.stages.split, "run", lambda root: seen.append(os.environ.get("NO_ALBUMENTATIONS_UPDATE"))
    )
    main(["split"])
    assert seen == ["1"]


def test_python_m_passes_the_exit_code_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline", "split"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)


def run_help(before: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Runs ``python -m pipeline --help`` in a process that executes some code first, for what happens as it ends."""
    code = (
        before
        + "import runpy, sys\nsys.argv = ['pipeline', '--help']\nrunpy.run_module('pipeline', run_name='__main__')"
    )
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.skipif(sys.platform == "win32", reason="an abort is no signal there")
@pytest.mark.parametrize("abort", ["os.kill(os.getpid(), signal.SIGABRT)", "os.abort()"])
def test_an_abort_ends_the_process_and_is_the_business_of_whoever_started_it(abort: str) -> None:
    ran = run_help(f"import atexit, os, signal\natexit.register(lambda: {abort})\n", "-X", "faulthandler")
    assert ran.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in ran.stderr  # Python's own handler is left in place


@pytest.mark.skipif(sys.platform == "win32", reason="an abort is no signal there")
def test_an_abort_in_a_thread_that_python_waits_for_hangs_nothing() -> None:
    ran = run_help(
        "import atexit, ctypes\nlibrary = ctypes.PyDLL(None)\n"
        "thread = ctypes.c_ulong()\nabort = ctypes.cast(library.abort, ctypes.c_void_p)\n"
        "def wait():\n"
        "    library.pthread_create(ctypes.byref(thread), None, abort, None)\n"
        "    library.pthread_join(thread, None)\n"  # with the lock of the interpreter, which PyDLL keeps
        "atexit.register(wait)\n"
    )
    assert ran.returncode == -signal.SIGABRT


@pytest.mark.parametrize(
    ("number", "fix"), [(errno.ENOSPC, "free some space"), (errno.EROFS, "make the folder writable")]
)
def test_what_the_machine_refuses_is_one_line(
    number: int, fix: str, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pipeline.stages.split, "run", raising(OSError(number, os.strerror(number))))
    assert main(["split"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: [Errno {number}] {os.strerror(number)} (in {repository}); {fix}")
    assert said.count("\n") == 1


@pytest.mark.parametrize("words", ["", "Unable to allocate 9.3 GiB for an array"])
def test_memory_that_runs_out_is_one_line(
    words: str, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pipeline.stages.split, "run", raising(MemoryError(*([words] if words else []))))
    assert main(["split"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: memory ran out{f' ({words})' if words else ''}; end other programs")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        ImportError("simsimd.so: failed to map segment from shared object"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_memory_that_runs_out_in_a_library_is_one_line(
    error: Exception, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pipeline.stages.split, "run", raising(error))
    assert main(["split"]) == 1
    assert capsys.readouterr().err == (
        f"error: memory ran out ({error}); end other programs, or run it where there is more\n"
    )


def test_another_error_of_the_system_keeps_its_stack_trace(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.stages.split, "run", raising(FileNotFoundError(errno.ENOENT, "gone")))
    with pytest.raises(FileNotFoundError, match="gone"):
        main(["split"])


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_an_interrupt_while_python_ends_is_not_lost() -> None:
    ran = run_help("import atexit, os, signal\natexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n")
    assert ran.returncode == -signal.SIGINT
