"""Trainings that run out of memory: begun again with smaller batches until they fit, or one image does not."""

import subprocess
import sys

import pytest
from support.project_imports import ROOT

from pipeline.core.errors import NoRoomError
from pipeline.training.memory import retry_with_half_batches


@pytest.mark.slow
def test_all_folds_begin_again_until_they_fit(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = [1, 4, 8]

    def train() -> str:
        size = sizes.pop()
        if size > 1:
            raise NoRoomError("one: memory ran out; lower it", 0, size)
        return "trained"

    assert retry_with_half_batches(train) == "trained"
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [
        "one: memory ran out; all folds begin again with 4",
        "one: memory ran out; all folds begin again with 2",
    ]


def test_a_single_image_that_does_not_fit_is_an_error() -> None:
    def train() -> None:
        raise NoRoomError("one: memory ran out", 0, 1)

    with pytest.raises(NoRoomError, match="memory ran out"):
        retry_with_half_batches(train)


@pytest.mark.parametrize(("room", "words"), [(8, "one fold 0: memory ran out before it began"), (64, "")])
def test_what_a_library_would_abort_for_want_of_memory_is_not_begun(room: int, words: str) -> None:
    code = (
        "import resource; from pathlib import Path; from pipeline.training.memory import require_room\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        f"resource.setrlimit(resource.RLIMIT_AS, (used + {room} * 2**20,) * 2)\n"
        "require_room('one fold 0')"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert words in ran.stderr
    assert bool(ran.returncode) == bool(words)
    assert ("ElsewhereError" in ran.stderr) == bool(words)  # for which `fold` ends with "try again elsewhere"
