"""Folders that are whole or as they were, two at once, and the sweep of what killed processes left."""

import errno
import os
import re
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from pipeline.core.files import write_text
from pipeline.core.folders import atomic_folder


def test_a_folder_takes_the_place_of_another_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "pages" / "report"
    for number in range(2):
        with atomic_folder(target) as building:
            (building / f"{number}.csv").write_text("whole")
    with pytest.raises(ZeroDivisionError), atomic_folder(target) as building:
        (building / "2.csv").write_text(str(1 / 0))
    assert [path.name for path in target.iterdir()] == ["1.csv"]
    assert [path.name for path in target.parent.iterdir()] == ["report"]
    assert target.stat().st_mode & 0o777 == 0o755


def test_folders_written_at_once_do_not_mix(tmp_path: Path) -> None:
    together = threading.Barrier(4, timeout=60)

    def write(number: int) -> None:
        for _ in range(5):
            with atomic_folder(tmp_path / "one") as building:
                for name in "ab":
                    (building / name).write_text(str(number))
                together.wait()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({path.read_text() for path in (tmp_path / "one").iterdir()}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_place_that_is_taken_and_free_again_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process put its folder there, and a third one has moved that away before anybody looks."""
    replace, refused = Path.replace, [errno.ENOTEMPTY]

    def refuse_once(path: Path, target: Path) -> Path:
        if refused:
            raise OSError(refused.pop(), "Directory not empty")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refuse_once)
    with atomic_folder(tmp_path / "one") as building:
        (building / "a").write_text("whole")
    assert not refused
    assert (tmp_path / "one" / "a").read_text() == "whole"
    refused.append(errno.EACCES)
    with pytest.raises(PermissionError), atomic_folder(tmp_path / "two"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def leave_behind(path: Path, writer: str) -> Path:
    """Leaves what a killed process leaves of a file."""
    machine = re.sub("[^A-Za-z0-9]", "", socket.gethostname())
    stale = path.with_name(f".tmp-{machine}@{writer}.abc-{path.name}")
    stale.write_text("half", encoding="utf-8")
    return stale


@pytest.fixture
def dead() -> int:
    """The number of a process that is gone."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_what_a_killed_write_left_is_swept_by_the_next_write_of_that_file(tmp_path: Path, dead: int) -> None:
    mine, other = leave_behind(tmp_path / "a.txt", str(dead)), leave_behind(tmp_path / "b.txt", str(dead))
    alive = leave_behind(tmp_path / "a.txt", str(os.getppid()))
    write_text(tmp_path / "a.txt", "whole")
    assert (mine.exists(), other.exists(), alive.exists()) == (False, True, True)


def test_a_folder_that_a_killed_process_left_is_swept_by_the_next_one_of_its_name(tmp_path: Path, dead: int) -> None:
    stale = leave_behind(tmp_path / "report", str(dead))
    stale.unlink()
    stale.mkdir()
    with atomic_folder(tmp_path / "report"):
        assert not stale.exists()
