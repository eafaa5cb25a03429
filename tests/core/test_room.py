"""Room for libraries: real processes with little address space, or no room for the stack of a thread."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.project_imports import ROOT

from pipeline.core import room
from pipeline.core.errors import ElsewhereError

_LIMIT = (
    "import resource, sys; from pathlib import Path\n"
    "from pipeline.core.room import can_start, require_threads, watch_imports\n"
    "watch_imports(); import numpy\n"
    "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
    "resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]) * 2**20,) * 2)\n"
)
_SETTINGS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
_ENVIRONMENT = {key: value for key, value in os.environ.items() if key not in _SETTINGS}


def without_threads() -> None:
    """Makes the stack of a thread larger than all memory; switches Ctrl-C off, as a shell does behind."""
    resource = pytest.importorskip("resource")
    resource.setrlimit(resource.RLIMIT_STACK, (2**45, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    resource.setrlimit(resource.RLIMIT_AS, (2**44, resource.getrlimit(resource.RLIMIT_AS)[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def background() -> None:
    """Switches Ctrl-C off."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run(begin: Callable[[], None], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs Python."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=_ENVIRONMENT,
        preexec_fn=begin,
        timeout=60,
    )


@pytest.mark.parametrize(("part", "left"), [("linalg", 40), ("special", 81), ("optimize", 100), ("special", 240)])
def test_linear_algebra_that_finds_little_room_neither_hangs_nor_interrupts(part: str, left: int) -> None:
    code = f"import scipy.{part}\nimport scipy.linalg\nprint(scipy.linalg.det(numpy.eye(100)))"
    ran = run(background, "-c", _LIMIT + code, str(left))
    assert (ran.returncode, ran.stdout) == (0, "1.0\n") or "MemoryError: scipy takes 112 MiB to start" in ran.stderr
    assert (ran.returncode == 0) == (left == 240)
    assert "OpenBLAS" not in ran.stderr


def test_linear_algebra_is_loaded_with_one_thread_where_no_second_can_be_started() -> None:
    code = "import numpy, scipy.linalg, cv2\nprint(scipy.linalg.det(numpy.eye(100)))"
    ran = run(without_threads, "-c", f"from pipeline.core.room import watch_imports; watch_imports(); {code}")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "1.0\n", "")


@pytest.mark.parametrize("verb", [("submit", "one"), ("train", "small_cnn"), ("split",)])
def test_a_verb_that_can_start_no_threads_says_so_in_one_line(verb: tuple[str, ...]) -> None:
    ran = run(without_threads, "-m", "pipeline", *verb)
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: python -m pipeline: ")
    assert " threads could not be started, for want of memory or by a limit on processes; end other" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_backend_that_can_start_no_threads_is_not_imported() -> None:
    ran = run(without_threads, "-c", "from pipeline.networks.runtime import keras; keras.Model")
    assert "ElsewhereError: tensorflow: " in ran.stderr
    assert "threads could not be started" in ran.stderr


def test_threads_that_can_be_started_are_ended_again() -> None:
    ran = run(background, "-c", _LIMIT + "print(can_start(8), len(list(Path('/proc/self/task').iterdir())))", "2000")
    before = run(background, "-c", _LIMIT + "print(True, len(list(Path('/proc/self/task').iterdir())))", "2000")
    assert ran.stdout == before.stdout != ""


def test_the_look_for_threads_takes_no_room_from_what_follows() -> None:
    size = "int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()"
    ran = run(background, "-c", _LIMIT + f"before = {size}; print(can_start(10), {size} - before)", "2000")
    started, grown = ran.stdout.split()
    assert started == "True"
    assert int(grown) < 32 * 2**20


def test_a_limit_on_processes_is_seen() -> None:
    # No limit holds for root.
    limited = "os.getuid() or os.setuid(65534); resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))"
    ran = run(background, "-c", _LIMIT + f"import os; print(can_start(2)); {limited}; print(can_start(2))", "2000")
    assert ran.stdout == "True\nFalse\n"


def test_no_lack_of_threads_keeps_the_help_back() -> None:
    ran = run(without_threads, "-m", "pipeline", "train", "--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Usage: python -m pipeline train" in ran.stdout


@pytest.fixture
def on_64_cores(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Counts 64 cores, with no setting of threads."""
    monkeypatch.setattr(room, "count_cores", lambda: 64)
    for name in _SETTINGS:
        monkeypatch.setenv(name, "")  # so that it is as before after the test
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize(
    ("openblas", "omp", "taken", "needed"),
    [
        ("", "", 64, 72),
        ("4", "", 4, 72),  # Arrow does not read it
        ("", "4", 4, 12),
        ("2", "4", 2, 12),
        ("", "4,2", 4, 12),
        ("many", "0", 64, 72),
        ("100", "100", 64, 108),
    ],
)
def test_threads_are_counted_as_the_libraries_read_their_settings(
    on_64_cores: pytest.MonkeyPatch, openblas: str, omp: str, taken: int, needed: int
) -> None:
    for name, value in zip(_SETTINGS, (openblas, omp), strict=True):
        on_64_cores.setenv(name, value)
    assert room._count_openblas_threads() == taken
    on_64_cores.setattr(room, "can_start", lambda count: count < needed)
    with pytest.raises(ElsewhereError, match=rf"^python -m pipeline: {needed} threads .*, or set OMP_NUM_THREADS=1, "):
        room.require_threads_of_verb()
    on_64_cores.setattr(room, "can_start", lambda count: count <= needed)
    room.require_threads_of_verb()


@pytest.mark.parametrize(
    ("setting", "most", "kept"),
    [
        (None, 63 + 72, None),
        (None, 62 + 72, "1"),  # those of Arrow must find room after it
        ("8", 7 + 72, "8"),
        ("8", 6 + 72, "1"),
        ("1", 0, "1"),
    ],
)
def test_a_setting_of_threads_that_fits_is_kept(
    on_64_cores: pytest.MonkeyPatch, setting: str | None, most: int, kept: str | None
) -> None:
    on_64_cores.setattr(room, "is_given", lambda size: True)
    on_64_cores.setattr(room, "can_start", lambda count: count <= most)
    if setting:
        on_64_cores.setenv("OPENBLAS_NUM_THREADS", setting)
    room._make_room("numpy")
    assert os.environ.get("OPENBLAS_NUM_THREADS") == kept


_PREDICTIONS = """
import resource, sys
from pathlib import Path
import numpy as np
from pipeline.core.errors import InputError
from pipeline.core.predictions import Predictions, read_predictions, write_predictions
made = Predictions(("a", "b"), np.full((2, 2), 0.5, np.float32), ("x", "y"))
kept, path = Path(sys.argv[1], "kept.parquet"), Path(sys.argv[1], "new.parquet")
write_predictions(kept, made)
before = resource.getrlimit(resource.RLIMIT_AS)
for room in (0.8, 1.8, 8, 17):
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + int(room * 2**20), before[1]))
    for act in (lambda: write_predictions(path, made), lambda: read_predictions(kept, ("x", "y"))):
        try:
            act()
            print("done")
        except (MemoryError, InputError) as error:
            print("Arrow needs 16 MiB" in str(error))
    resource.setrlimit(resource.RLIMIT_AS, before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_arrow_is_asked_for_nothing_without_room(tmp_path: Path) -> None:
    ran = run(lambda: None, "-c", _PREDICTIONS, str(tmp_path))
    assert (ran.returncode, ran.stdout.split()) == (0, ["True"] * 6 + ["done"] * 2), ran.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.parquet", "new.parquet"]
