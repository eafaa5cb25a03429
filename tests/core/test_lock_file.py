"""DVC's lock file: cut anywhere, it is mended to what DVC reads, and a whole one is left alone."""

from pathlib import Path

import pytest
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from ruamel.yaml import YAML

from pipeline.core import lock_file
from pipeline.core.lock_file import mend_lock_file

WHOLE = """\
schema: '2.0'
stages:
  fetch:
    cmd: python -m pipeline fetch
    deps:
    - path: pipeline/core
      hash: md5
      md5: 64c1a6d5a3a5bd3e9cd9ee7d8cbd7c6c.dir
      size: 1200
      nfiles: 3
    params:
      params.yaml:
        competition: digits
        split:
          seed: 0
    outs:
    - path: data/source.json
      hash: md5
      md5: 0ec50e1da20aafa3fa90a9cdcabab27c
      size: 82
  tune@small_cnn:
    cmd: python -m pipeline tune small_cnn
    outs:
    - path: configs/tuned/small_cnn.yaml
      hash: md5
      md5: 99914b932bd37a50b983c5e7c90ae93b
      size: 3
  split:
    cmd:
    - one
    - two
    outs:
    - path: folds/folds.csv
      hash: md5
      md5: 7215ee9c7d9dc229d2921a40e899ec5f
      size: 4
"""


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_file, "_PAUSE", 0.0)


def test_a_whole_one_and_none_are_left_alone(tmp_path: Path) -> None:
    assert mend_lock_file(tmp_path) is None
    (tmp_path / "dvc.lock").write_text(WHOLE)
    assert mend_lock_file(tmp_path) is None
    assert (tmp_path / "dvc.lock").read_text() == WHOLE
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    assert mend_lock_file(tmp_path) is None


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 7])
def test_cut_anywhere_it_becomes_what_dvc_reads_and_keeps_whole_stages(tmp_path: Path, every: int) -> None:
    path, known = tmp_path / "dvc.lock", YAML(typ="safe").load(WHOLE)["stages"]
    mended = 0
    for length in range(0, len(WHOLE), every):
        path.write_text(WHOLE[:length])
        mended += mend_lock_file(tmp_path) == path
        read = YAML(typ="safe").load(path.read_text())
        COMPILED_LOCKFILE_SCHEMA(read)  # DVC's own
        stages = list(read.get("stages", {}).items())
        assert all(known[name] == stage for name, stage in stages[:-1])
        if length > WHOLE.index("\n  split:") + 10:
            assert [name for name, _ in stages[:2]] == ["fetch", "tune@small_cnn"]
    assert mended > len(WHOLE) / every / 10


def test_what_is_no_lock_file_at_all_becomes_an_empty_one(tmp_path: Path) -> None:
    for text in ("", "stages", "\0\0\0", "schema: '2.0'\nstages:\n"):
        (tmp_path / "dvc.lock").write_text(text)
        assert mend_lock_file(tmp_path) == tmp_path / "dvc.lock"
        assert (tmp_path / "dvc.lock").read_text() == "schema: '2.0'\nstages: {}\n"
