"""Processes: their end when those above them are gone."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest
from support.watched import write_finders

from pipeline.core import processes
from pipeline.core.processes import EndRequest

ROOT = Path(__file__).parents[2]
BELOW = """
import os, pathlib, time
from pipeline.core import processes
processes.end_with_dvc()
place = pathlib.Path({place!r})
place.with_suffix(".half").write_text(str(os.getpid()))
place.with_suffix(".half").rename(place)
time.sleep(100)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("then", ["", "; true"], ids=["the shell makes room", "the shell stays"])
def test_a_stage_ends_with_the_dvc_that_started_it(tmp_path: Path, how: signal.Signals, then: str) -> None:
    place, script = tmp_path / "pid", tmp_path / "below.py"
    script.write_text(BELOW.format(place=str(place)))
    command = f"{sys.executable} {script}{then}"
    (tmp_path / "dvc").write_text(f"import subprocess; subprocess.run({command!r}, shell=True)")
    environment = os.environ | {"DVC_STAGE": "tune@one", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, str(tmp_path / "dvc")], env=environment) as dvc:
        wait(place.is_file)
        stage = psutil.Process(int(place.read_text()))
        time.sleep(0.1)
        assert stage.is_running()
        dvc.send_signal(how)
        dvc.wait()
    wait(lambda: not stage.is_running() or stage.status() == psutil.STATUS_ZOMBIE)


LATE = """
import os, pathlib, sys, time
begun = int(sys.argv[1])
while os.getppid() == begun:
    time.sleep(0.01)
from pipeline.core import processes
processes.end_with_dvc()
pathlib.Path({place!r}).touch()
"""


def test_a_process_that_is_started_looks_for_room_before_its_arguments_import_anything(tmp_path: Path) -> None:
    process = processes.start_process(write_finders, (tmp_path / "found",), "watched")
    process.join()
    assert process.exitcode == 0
    assert (tmp_path / "found").read_text().split("\n")[0] == "pipeline.core.room"


def test_the_worker_of_a_pool_looks_for_room_before_its_first_task_is_read(tmp_path: Path) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=processes.end_at_once_with_parent) as pool:
        pool.submit(write_finders, tmp_path / "found").result()
    assert (tmp_path / "found").read_text().split("\n")[0] == "pipeline.core.room"


@pytest.mark.parametrize("stage", ["tune@one", None], ids=["a stage", "no stage"])
def test_a_stage_whose_dvc_was_gone_before_it_looked_does_not_begin(tmp_path: Path, stage: str | None) -> None:
    place, script, number = tmp_path / "begun", tmp_path / "late.py", tmp_path / "pid"
    script.write_text(LATE.format(place=str(place)))
    (tmp_path / "dvc").write_text(
        "import os, pathlib, subprocess; "
        f"below = subprocess.Popen([{sys.executable!r}, {str(script)!r}, str(os.getpid())]); "
        f"pathlib.Path({str(number)!r}).write_text(str(below.pid))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "DVC_STAGE"} | {"PYTHONPATH": str(ROOT)}
    environment |= {"DVC_STAGE": stage} if stage else {}
    subprocess.run([sys.executable, str(tmp_path / "dvc")], env=environment, check=True, start_new_session=True)
    pid = int(number.read_text())
    wait(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    assert place.exists() is (stage is None)


def test_below_the_first_process_of_a_container_no_stage_has_its_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "tune@one")
    monkeypatch.setattr(os, "getsid", lambda _: os.getpid())  # in the background the tests' own leader may be gone
    assert not processes._is_orphan()
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert processes._is_orphan()


GUARDED = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1] + ".half").write_text(f"{os.getpid()} {__name__} {sys.argv[2:]}")
pathlib.Path(sys.argv[1] + ".half").rename(sys.argv[1])
time.sleep(100)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_guarded_command_ends_with_the_process_that_started_it(tmp_path: Path, how: signal.Signals) -> None:
    place = tmp_path / "place"
    (tmp_path / "below.py").write_text(GUARDED)
    code = (
        "import subprocess; from pipeline.core.processes import make_guarded_command as make; "
        f"subprocess.run(make('below', {str(place)!r}, '-c', 'a b'))"
    )
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    if how != signal.SIGKILL:
        code = f"import signal; signal.signal({how:d}, signal.SIG_DFL); {code}"  # `nohup make test` ignores SIGHUP
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as starter:
        wait(place.is_file)
        pid, words = place.read_text().split(" ", 1)
        below = psutil.Process(int(pid))
        assert words == "__main__ ['-c', 'a b']"
        time.sleep(0.1)
        assert below.is_running()
        starter.send_signal(how)
        starter.wait()
    wait(lambda: not below.is_running() or below.status() == psutil.STATUS_ZOMBIE)


def test_whatever_the_pipeline_lets_run_beside_itself_is_guarded() -> None:
    starting = [path for path in (ROOT / "pipeline").rglob("*.py") if "subprocess.Popen(" in path.read_text("utf-8")]
    elsewhere = {"training_notebook.py"}  # code of a notebook at Kaggle, whose session ends as a whole
    bare = {path.name for path in starting if "make_guarded_command(" not in path.read_text("utf-8")}
    assert len(starting) > 4
    assert bare == elsewhere


def test_a_stage_that_was_asked_to_end_ends_the_dvc_that_keeps_going(tmp_path: Path) -> None:
    stage = (
        "import sys; sys.argv = ['pipeline']; from pipeline import cli; cli.app = lambda **_: sys.exit(130); cli.main()"
    )
    (tmp_path / "stage.py").write_text(stage)
    command = f"{sys.executable} {tmp_path / 'stage.py'}"
    (tmp_path / "dvc").write_text(f"import subprocess, time; subprocess.run({command!r}, shell=True); time.sleep(100)")
    environment = os.environ | {"DVC_STAGE": "tune@one", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, str(tmp_path / "dvc")], env=environment) as dvc:
        assert dvc.wait(60) == -signal.SIGTERM


def test_without_dvc_nobody_is_followed_or_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_STAGE", raising=False)
    assert processes._up_to_dvc() == []
    monkeypatch.setenv("DVC_STAGE", "tune@one")  # as a shell inherits that a stage has opened
    monkeypatch.setattr(psutil.Process, "cmdline", lambda self: ["bash"])
    assert processes._up_to_dvc() == []


def wait(until: object) -> None:
    """Waits for a condition."""
    assert callable(until)
    end = time.monotonic() + 60
    while not until():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.05)


def test_a_process_that_is_asked_to_end_records_its_outcome_first() -> None:
    ending, done = EndRequest(), list[str]()

    def records() -> None:
        with ending.deferred():
            ending.receive(15, None)
            done.append("recorded")

    with pytest.raises(KeyboardInterrupt):
        records()
    ending.receive(15, None)  # once is enough
    assert done == ["recorded"]


def test_a_process_that_is_asked_to_end_stops_its_training_at_once() -> None:
    ending, done = EndRequest(), list[str]()

    def trains() -> None:
        with ending.deferred(), ending.immediate():
            ending.receive(15, None)
            done.append("trained")

    with pytest.raises(KeyboardInterrupt):
        trains()
    assert not done


@pytest.mark.parametrize("left", ["", '{"write": {"data/pre'])
def test_a_lock_file_of_dvc_that_a_kill_has_cut_is_removed(
    tmp_path: Path, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_LOOK", 0.0)
    path = tmp_path / ".dvc" / "tmp" / "rwlock"
    path.parent.mkdir(parents=True)
    assert processes.sweep_dvc_lock(tmp_path) is None
    path.write_text(left)
    assert processes.sweep_dvc_lock(tmp_path) == path
    assert not path.exists()
    path.write_text('{"write": {}, "read": {}}')
    assert processes.sweep_dvc_lock(tmp_path) is None
    assert path.exists()


def test_a_lock_file_that_dvc_is_writing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".dvc" / "tmp" / "rwlock"
    path.parent.mkdir(parents=True)
    path.touch()
    monkeypatch.setattr(time, "sleep", lambda _: path.write_text("{}"))
    assert processes.sweep_dvc_lock(tmp_path) is None
    assert path.read_text() == "{}"
