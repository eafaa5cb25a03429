"""Where a page comes from: time, commit, seed, command."""

import subprocess
from pathlib import Path

import pytest
from support.tiny import write_yaml

from pipeline.core.origin import describe_origin, read_commit


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    write_yaml(tmp_path / "params.yaml", {"competition": "digits", "train": {"seed": 7}})
    return tmp_path


def test_without_git_there_is_no_commit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(root.parent))
    assert read_commit(root) is None
    assert describe_origin(root, "python -m x") == "digits: python -m x, 1970-01-02 00:00 UTC, seed 7"


def test_the_commit_stands_there_and_whether_files_were_changed_since(root: Path) -> None:
    name = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for arguments in (("init", "-q"), ("add", "."), (*name, "commit", "-qm", "x")):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    commit = read_commit(root) or ""
    assert f", commit {commit[:10]}, seed 7" in describe_origin(root, "x")
    write_yaml(root / "params.yaml", {"competition": "digits"})
    assert f", commit {commit[:10]} with changes, seed 0" in describe_origin(root, "x")
