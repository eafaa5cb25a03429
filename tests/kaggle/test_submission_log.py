"""The log of submissions: whole, checked, and never lost."""

import csv
import threading
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import InputError
from pipeline.kaggle import submission_log
from pipeline.kaggle.submission_log import (
    COLUMNS,
    LogEntry,
    append_entry,
    clean_message,
    log_path,
    read_log,
    update_entries,
)


def entry(**changes: Any) -> LogEntry:
    values = {
        "time": "2026-11-21T12:00:00Z",
        "name": "ensemble",
        "message": 'CV 0.8, "mine", really',
        "git_commit": "a" * 40,
        "oof": 0.8123456789,
        "nested_cv": None,
        "public_lb": 0.8,
        "private_lb": None,
        "competition": "tiny",
        "status": "scored",
        "ref": "007",
        "sha256": "b" * 64,
    }
    return LogEntry.model_validate(values | changes)


def test_without_a_log_there_are_no_entries(tmp_path: Path) -> None:
    assert read_log(tmp_path) == ()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    first, second = entry(), entry(name="one", git_commit=None, ref=None, oof=1e-7, status="graded")
    append_entry(tmp_path, first)
    append_entry(tmp_path, second)
    assert read_log(tmp_path) == (first, second)


def test_the_log_begins_with_the_columns_that_people_look_for(tmp_path: Path) -> None:
    append_entry(tmp_path, entry())
    header = log_path(tmp_path).read_text(encoding="utf-8").splitlines()[0]
    assert header.startswith("time,name,message,git_commit,oof,nested_cv,public_lb,private_lb,")


def test_entries_of_another_competition_are_left_out_on_request(tmp_path: Path) -> None:
    append_entry(tmp_path, entry(competition="former"))
    append_entry(tmp_path, entry())
    assert [known.competition for known in read_log(tmp_path, "tiny")] == ["tiny"]


def test_an_update_changes_its_line_alone(tmp_path: Path) -> None:
    append_entry(tmp_path, entry(ref="1"))
    append_entry(tmp_path, entry(ref="2"))
    update_entries(tmp_path, lambda old: old.model_copy(update={"private_lb": 0.7}) if old.ref == "2" else old)
    assert [known.private_lb for known in read_log(tmp_path)] == [None, 0.7]


def test_an_update_without_news_leaves_the_file_alone(tmp_path: Path) -> None:
    append_entry(tmp_path, entry())
    before = log_path(tmp_path).stat().st_ino
    update_entries(tmp_path, lambda old: old)
    assert log_path(tmp_path).stat().st_ino == before


def test_a_crash_while_writing_leaves_the_old_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append_entry(tmp_path, entry())
    before = log_path(tmp_path).read_bytes()

    def crash(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(LogEntry, "model_dump", crash)
    with pytest.raises(OSError, match="disk full"):
        append_entry(tmp_path, entry())
    assert log_path(tmp_path).read_bytes() == before
    assert [path.name for path in log_path(tmp_path).parent.iterdir()] == ["log.csv"]


def test_two_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    threads = [threading.Thread(target=append_entry, args=(tmp_path, entry(ref=str(number)))) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(known.ref) for known in read_log(tmp_path)) == [str(number) for number in range(8)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.8123456789", "0,81", r"log.csv, line 3 has 14 cells, its header 13"),
        ("0.8123456789", "good", r"log.csv, row 2, column oof: 'good' is not a number; correct or remove that row"),
        ("0.8123456789", "nan", r"log.csv, row 2, column oof: 'nan' is not a number"),
        ("scored", "Done", r"log.csv, row 2, column status: .*got 'Done'; correct or remove that row"),
        ("b" * 64, "b", r"log.csv, row 2, column sha256: "),
    ],
)
def test_a_damaged_line_is_named_and_nothing_is_written(tmp_path: Path, old: str, new: str, message: str) -> None:
    append_entry(tmp_path, entry())
    append_entry(tmp_path, entry())
    first, rest = log_path(tmp_path).read_text(encoding="utf-8").split("\n2026", 1)
    head, second = rest.rsplit("\n2026", 1)
    log_path(tmp_path).write_text(f"{first}\n2026{head}\n2026{second.replace(old, new)}", encoding="utf-8")
    damaged = log_path(tmp_path).read_bytes()
    for action in (lambda: read_log(tmp_path), lambda: append_entry(tmp_path, entry())):
        with pytest.raises(InputError, match=message):
            action()
    assert log_path(tmp_path).read_bytes() == damaged


def test_a_log_with_other_columns_is_refused(tmp_path: Path) -> None:
    append_entry(tmp_path, entry())
    path = log_path(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("message", "note", 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"has the columns time, name, note, .*, wanted time, name, message, "):
        read_log(tmp_path)


def test_a_log_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    append_entry(tmp_path, entry())
    path = log_path(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_log(tmp_path) == (entry(),)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-m", "@x", "'=1", "''-", "'quoted'", "plain = 1", 'a,"b"\nc;ü'])
def test_no_cell_of_text_is_a_formula_and_every_text_comes_back(tmp_path: Path, text: str) -> None:
    append_entry(tmp_path, entry(message=text, name=text))
    assert read_log(tmp_path) == (entry(message=text, name=text),)
    with log_path(tmp_path).open(encoding="utf-8", newline="") as file:
        cells = list(csv.reader(file))[1]
    assert not any(cells[column][0] in "=+-@" for column in (1, 2))


def test_a_message_is_one_line_without_blanks_around_it() -> None:
    assert clean_message(" one\n two\t ") == "one two"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("caf\udce9", "--message is not UTF-8"),
        ("x" * 1001, "--message has 1,001 characters, at most 1,000 are allowed"),
    ],
)
def test_a_message_that_cannot_be_kept_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        clean_message(text)


def test_our_best_guess_is_the_nested_score_where_there_is_one() -> None:
    assert entry(nested_cv=0.7).cv == 0.7
    assert entry().cv == 0.8123456789
    assert len(COLUMNS) == 12


def test_the_time_is_universal_and_sorts_as_text() -> None:
    assert len(submission_log.format_now()) == 20
    assert submission_log.format_now().endswith("Z")
