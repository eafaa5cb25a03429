"""Digests that travel with files: damage of every kind of file is noticed in one line, or has no effect."""

from pathlib import Path

import numpy as np
import pytest
from support.fabricated import write_repository

from benchmarks.reliability.damage import KINDS, try_damage
from pipeline.core import digests, files, paths, tables
from pipeline.core.errors import InputError
from pipeline.core.targets.prepared import read_target


@pytest.mark.parametrize("kind", KINDS)
def test_a_flip_or_a_cut_is_noticed_or_without_effect(kind: str, tmp_path: Path) -> None:
    problems = [problem for seed in range(4) if (problem := try_damage(kind, tmp_path, seed))]
    assert not problems


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    folder = paths.prepared_folder(write_repository(tmp_path))
    digests.write_digests(folder)
    return folder


def test_two_classes_that_changed_places_are_noticed(prepared: Path) -> None:
    tables.read_classes(prepared / "classes.json")
    files.write_json(prepared / "classes.json", ["bee", "ant", "cat"])
    with pytest.raises(InputError, match=r"classes\.json is not the file that was written there .*; run `dvc repro"):
        tables.read_classes(prepared / "classes.json")


def test_a_target_that_was_removed_is_noticed(prepared: Path) -> None:
    files.write_json(prepared / "target.json", {"kind": "grades"})
    digests.write_digests(prepared)
    (prepared / "target.json").unlink()
    with pytest.raises(InputError, match=r"target\.json is gone, though digests\.json"):
        read_target(prepared)


def test_a_table_made_from_other_files_is_noticed(tmp_path: Path) -> None:
    source, table = tmp_path / "train.csv", tmp_path / "folds" / "folds.csv"
    source.write_text("a")
    files.write_text(table, "b")
    digests.require_made_from(table, [source], "do it again")
    digests.note_digest(table, [source])
    digests.require_made_from(table, [source], "do it again")
    source.write_text("other")
    for is_gone in (False, True):
        if is_gone:
            source.unlink()
        with pytest.raises(InputError, match=r"folds\.csv was made from another train\.csv than .*; do it again"):
            digests.require_made_from(table, [source], "do it again")


def test_a_signed_file_is_made_again_when_it_is_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "kept.npy"
    assert not digests.is_signed(path)
    np.save(path, np.arange(9))
    assert not digests.is_signed(path)
    digests.sign_file(path)
    assert digests.is_signed(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert not digests.is_signed(path)
    assert not path.exists()
    assert "kept.npy is damaged, and made again" in capsys.readouterr().out


def test_what_an_earlier_version_wrote_without_a_digest_is_read(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"found": 16})
    assert digests.read_noted_json(tmp_path / "a.json", "run it again") == {"found": 16}
    digests.write_signed_json(tmp_path / "a.json", {"found": 16})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    (tmp_path / "a.json").write_text(text.replace("16", "17"), encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.json is not as it was written .*; remove it and run it again"):
        digests.read_noted_json(tmp_path / "a.json", "run it again")
