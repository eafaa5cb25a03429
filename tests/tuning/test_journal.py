"""Journals: each line is checked when it is read, half a line is cut off, and Optuna reads them as its own."""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from support.studies import make_spec, write_repository

from pipeline.core.errors import InputError
from pipeline.core.processes import EndRequest
from pipeline.tuning.journal import Journal
from pipeline.tuning.storages import journal_path
from pipeline.tuning.worker import run_trials

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def search(path: Path, trials: int = 3) -> None:
    study = optuna.create_study(storage=JournalStorage(Journal(path)), study_name="one", load_if_exists=True)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_int("n", 1, 9), n_trials=trials)


def read_trials(backend: JournalFileBackend) -> list[tuple[Any, ...]]:
    study = optuna.load_study(storage=JournalStorage(backend), study_name="one")
    return [(trial.params, trial.values, trial.state, trial.user_attrs) for trial in study.get_trials()]


def test_optuna_reads_and_continues_a_journal_as_its_own(tmp_path: Path) -> None:
    path = tmp_path / "one.journal"
    search(path)
    known = read_trials(Journal(path))
    assert len(known) == 3
    assert read_trials(JournalFileBackend(str(path))) == known
    study = optuna.load_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="one")
    study.set_user_attr("note", "of the dashboard")
    search(path)
    assert read_trials(Journal(path))[:3] == known
    assert len(read_trials(JournalFileBackend(str(path)))) == 6


def test_a_journal_is_mended_as_the_message_says(tmp_path: Path) -> None:
    path = tmp_path / "one.journal"
    search(path)
    copy, known = path.read_bytes(), read_trials(Journal(path))
    search(path)
    path.write_bytes(copy)
    with pytest.raises(InputError, match=r"ends after .* a copy of it, without one.journal.size, or remove both"):
        read_trials(Journal(path))
    path.with_name("one.journal.size").unlink()
    assert read_trials(Journal(path)) == known
    search(path)
    assert len(read_trials(Journal(path))) == 6


def test_a_journal_that_is_removed_during_a_search_is_named(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "one.journal")
    (tmp_path / "one.journal").unlink()
    with pytest.raises(InputError, match=r"one.journal was removed during the search"):
        list(journal.read_logs(0))


def test_any_flipped_bit_and_any_cut_is_noticed_or_without_effect(tmp_path: Path) -> None:
    path = tmp_path / "one.journal"
    search(path)
    known, content = read_trials(Journal(path)), path.read_bytes()
    rng, noticed = random.Random(0), 0
    for number in range(400):
        changed = bytearray(content)
        changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content[: rng.randrange(len(content))] if number % 4 == 0 else changed)
        try:
            found = read_trials(Journal(path))
        except InputError:
            noticed += 1
        else:
            assert found == known, number
    assert noticed > 380


def test_every_flipped_bit_in_the_last_digest_and_its_key_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "one.journal"
    search(path)
    content = path.read_bytes()
    for place in range(len(content) - 29, len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            with pytest.raises(InputError, match=r"one\.journal "):
                read_trials(Journal(path))


@pytest.mark.parametrize("edit", ["removed", "twice", "swapped"])
def test_whole_lines_that_are_moved_or_gone_are_noticed(tmp_path: Path, edit: str) -> None:
    path = tmp_path / "one.journal"
    search(path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[4:6] = {"removed": [], "twice": [*lines[4:6], *lines[4:6]], "swapped": [lines[5], lines[4]]}[edit]
    path.write_bytes(b"".join(lines))
    (tmp_path / "one.journal.size").unlink()
    with pytest.raises(InputError, match=r"one.journal is not as it was written in line [57] "):
        read_trials(Journal(path))


def test_a_journal_that_was_removed_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "one.journal"
    search(path)
    path.unlink()
    search(path, trials=1)
    assert len(read_trials(Journal(path))) == 1


def test_an_unfinished_line_is_removed_before_the_next_is_written(tmp_path: Path) -> None:
    path = tmp_path / "one.journal"
    search(path, trials=1)
    with path.open("a") as file:
        file.write('{"op_code": 4, "worker')
    search(path, trials=1)
    assert len(read_trials(Journal(path))) == 2


def _search_without_end(path: Path) -> None:
    search(path, trials=10**6)


def test_several_writers_that_are_killed_leave_a_journal_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "one.journal"
    search(path, trials=1)
    for seed in range(3):
        context = multiprocessing.get_context("fork")
        writers = [context.Process(target=_search_without_end, args=(path,)) for _ in range(2)]
        for writer in writers:
            writer.start()
        time.sleep(random.Random(seed).uniform(0.1, 0.4))
        for writer in writers:
            os.kill(writer.pid or 0, signal.SIGKILL)
            writer.join()
        path.with_name("one.journal.lock").unlink(missing_ok=True)  # Optuna waits 30 s for a dead one's
        before = len(read_trials(Journal(path)))
        search(path, trials=1)
        assert len(read_trials(JournalFileBackend(str(path)))) == before + 1


def test_damage_during_a_search_ends_it_with_one_error(tmp_path: Path) -> None:
    root = write_repository(tmp_path)
    spec, path = make_spec(root), journal_path(root, "one")
    report = optuna.trial.Trial.set_user_attr

    def damage(trial: optuna.trial.Trial, key: str, value: Any) -> None:
        path.write_bytes(path.read_bytes()[:-30])
        report(trial, key, value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optuna.trial.Trial, "set_user_attr", damage)
        with pytest.raises(InputError, match=r"one.journal ends after [\d,]+ of [\d,]+ bytes"):
            run_trials(spec, EndRequest())
