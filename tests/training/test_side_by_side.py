"""Jobs in several processes at once."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from support.jobs import failing, marking, opened

from pipeline.core.errors import InputError, NoRoomError
from pipeline.networks import hardware
from pipeline.training import side_by_side
from pipeline.training.side_by_side import DiedError, count_places, count_workers, run_side_by_side, share_machine

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
HERE = Path(__file__).parents[1]


@pytest.mark.skipif(len(CORES) < 2, reason="one core cannot be shared out")
def test_processes_work_at_once_each_on_its_own_cores(tmp_path: Path) -> None:
    made = run_side_by_side(opened, (str(tmp_path),), range(5), 2)
    assert [job for job, _, _ in made] == list(range(5))
    assert len({process for _, process, _ in made} - {os.getpid()}) == 2
    first, second = (set(cores) for _, _, cores in made[:2])
    assert not first & second
    assert len(first) == len(second) == len(CORES) // 2
    assert sorted(os.sched_getaffinity(0)) == CORES


@pytest.mark.skipif(len(CORES) < 2, reason="one core cannot be shared out")
def test_a_process_gets_the_same_part_of_the_machine_however_few_jobs_there_are(tmp_path: Path) -> None:
    ((_, _, cores),) = run_side_by_side(opened, (str(tmp_path),), [2], 2)
    assert len(cores) == len(CORES) // 2


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [("input", InputError, "job 1 has no such thing"), ("killed", DiedError, r"by signal 9 \(out of memory\?\)")],
)
def test_the_first_failure_ends_all(how: str, error: type[InputError], words: str) -> None:
    began = time.monotonic()
    with pytest.raises(error, match=words):
        run_side_by_side(failing, (1, how), range(3), 2)
    assert time.monotonic() - began < 50


@pytest.mark.parametrize("spare", ["fails", "dies"])
def test_what_is_free_takes_spare_jobs_whose_failure_is_no_error(spare: str, tmp_path: Path) -> None:
    jobs = ["waits for 3", "b"]
    assert run_side_by_side(marking, (str(tmp_path),), jobs, 2, [spare, "next"]) == jobs
    assert {path.name for path in tmp_path.iterdir()} >= {*jobs, spare}


def test_spare_jobs_are_ended_with_the_last_job_but_those_that_are_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    made = run_side_by_side(marking, (str(tmp_path),), ["a"], 2, ["waits for 3", "lasts"], to_end=1)
    assert made == ["a"]
    assert {path.name for path in tmp_path.iterdir()} == {"a", "waits for 3", "lasts"}
    assert time.monotonic() - began < 60


def test_spare_jobs_take_the_cores_that_no_worker_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "count_gpus", lambda: 0)
    monkeypatch.setattr(side_by_side, "count_cores", lambda: 8)
    memory = {"all": 64}
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=memory["all"] * 2**30, available=0))
    assert [count_places(workers) for workers in (1, 2, 3, 5, 8, 12)] == [1, 2, 4, 8, 8, 12]
    memory["all"] = 18
    assert count_places(5) == 6
    monkeypatch.setattr(hardware, "count_gpus", lambda: 4)
    assert count_places(4) == 4


def test_an_error_comes_over_with_all_it_knows() -> None:
    with pytest.raises(NoRoomError, match="memory ran out") as raised:
        run_side_by_side(failing, (0, "room"), range(1), 2)
    assert (raised.value.phase, raised.value.batch_size) == (2, 64)


@pytest.mark.slow
def test_nothing_outlives_the_one_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path.parent / f"{tmp_path.name}.py"
    script.write_text(
        "from support.jobs import lasting\nfrom pipeline.training.side_by_side import run_side_by_side\n"
        f"if __name__ == '__main__':\n    run_side_by_side(lasting, ({str(tmp_path)!r},), range(2), 2)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)])}
    with subprocess.Popen([sys.executable, script], env=environment) as process:
        _wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        process.kill()
    pids = [int(path.name) for path in tmp_path.iterdir()]
    _wait_until(lambda: not any(_lives(pid) for pid in pids))


def test_by_default_each_gpu_trains_a_fold_or_each_core_that_there_are_folds_and_memory_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hardware, "count_gpus", lambda: 0)
    monkeypatch.setattr(side_by_side, "count_cores", lambda: 8)
    memory = {"all": 64}
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=memory["all"] * 2**30, available=0))
    assert (count_workers(None), count_workers(3), count_workers(3, 5)) == (1, 3, 3)
    assert (count_workers(None, 5), count_workers(None, 15)) == (5, 8)
    memory["all"] = 11
    assert count_workers(None, 5) == 3
    memory["all"] = 1
    assert count_workers(None, 5) == 1
    monkeypatch.setattr(hardware, "count_gpus", lambda: 4)
    assert (count_workers(None), count_workers(None, 5), count_workers(1, 5)) == (4, 4, 1)


@pytest.mark.parametrize(("visible", "seen"), [(None, ["0", "1", "0"]), ("5,7", ["5", "7", "5"])])
def test_each_process_sees_a_gpu_of_its_own(
    visible: str | None, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "count_gpus", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = []
    for slot in range(3):
        with share_machine(slot, 3):
            found.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert found == seen
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == visible


@pytest.mark.skipif(not CORES, reason="the system does not tell cores")
def test_more_processes_than_cores_share_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "count_gpus", lambda: 0)
    found = []
    for slot in range(len(CORES) + 1):
        with share_machine(slot, len(CORES) + 1):
            found.append(sorted(os.sched_getaffinity(0)))
    assert found == [[core] for core in [*CORES, CORES[0]]]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)
