"""Files that are whole or absent."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from pipeline.core.errors import InputError
from pipeline.core.files import atomic_path, files_below, require_space, sha256, write_text


def fail_while_writing(path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise RuntimeError("power cut")


def test_text_is_written_into_folders_that_did_not_exist(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b.txt", "ä\n")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "ä\n".encode()


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        fail_while_writing(tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError, match="power cut"):
        fail_while_writing(tmp_path / "a.txt")
    assert [file.read_text(encoding="utf-8") for file in tmp_path.iterdir()] == ["old"]


def test_a_file_is_on_the_disk_whole_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = list[tuple[str, bool]]()

    def flush(number: int) -> None:
        flushed.append((os.pread(number, 100, 0).decode(), (tmp_path / "a.txt").exists()))

    monkeypatch.setattr(os, "fsync", flush)
    write_text(tmp_path / "a.txt", "new")
    assert flushed == [("new", False)]


def test_the_temporary_file_keeps_the_suffix_by_which_writers_choose_a_format(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "fold0.weights.h5") as temporary:
        assert temporary.name.endswith(".weights.h5")
        assert temporary.parent == tmp_path


def test_a_written_file_is_readable_by_others(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "")
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o644


def test_a_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(data)
    assert sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_enough_space_passes(tmp_path: Path) -> None:
    require_space(tmp_path / "not" / "yet", shutil.disk_usage(tmp_path).free // 2)


def test_too_little_space_says_how_much_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not/yet needs .* MB, the disk has .* MB free; free some space"):
        require_space(tmp_path / "not" / "yet", shutil.disk_usage(tmp_path).free * 2)
    assert list(tmp_path.iterdir()) == []


def test_what_lies_below_is_found_through_links_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x").touch()
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "again").symlink_to(tmp_path / "a" / "b")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "junk").touch()
    found = sorted(path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path))
    assert found == ["a/b/x", "c/again/x"]


def test_a_link_to_nothing_and_a_pipe_are_refused(tmp_path: Path) -> None:
    link, pipe = tmp_path / "a" / "link.png", tmp_path / "b" / "pipe"
    for path in (link, pipe):
        path.parent.mkdir()
    link.symlink_to(tmp_path / "gone.png")
    os.mkfifo(pipe)
    for path in (link, pipe):
        with pytest.raises(InputError, match=f"{path} is a link to nothing, or no plain file; remove it"):
            list(files_below(path.parent))


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a\udcff.png").touch()  # what Python makes of the byte 0xff
    with pytest.raises(InputError, match=r"a.udcff\.png' has a name that is not UTF-8; rename it"):
        list(files_below(tmp_path))
