"""Switching between competitions: what ties results to stages is kept aside, results that DVC has are cleared."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.tiny import write_yaml

from pipeline.workspace.switching import Standpoint, bring_back, keep_aside, read_standpoint


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Competition a is active: out.txt is in the cache, loose.txt is not."""
    write_yaml(tmp_path / "params.yaml", {"competition": "a", "models": ["one"]})
    for name in ("one", "two"):
        write_yaml(tmp_path / "configs" / "models" / f"{name}.yaml", {})
    outs = [{"path": "out.txt", "md5": "aa11"}, {"path": "loose.txt", "md5": "bb22"}]
    write_yaml(tmp_path / "dvc.lock", {"schema": "2.0", "stages": {"make": {"cmd": "x", "outs": outs}}})
    cached = tmp_path / ".dvc" / "cache" / "files" / "md5" / "aa" / "11"
    cached.parent.mkdir(parents=True)
    folds = [tmp_path / "folds" / name for name in ("folds.csv", "digests.json")]
    for path in (cached, tmp_path / "out.txt", tmp_path / "loose.txt", *folds):
        path.parent.mkdir(exist_ok=True)
        path.write_text("a")
    return tmp_path


def test_results_in_the_cache_are_cleared_and_others_stay(root: Path) -> None:
    left = read_standpoint(root)
    assert left is not None
    assert keep_aside(root, left)
    assert not (root / "out.txt").exists()
    assert (root / "loose.txt").exists()
    assert not (root / "dvc.lock").exists()
    kept = root / ".work" / "competitions" / "a"
    assert sorted(path.name for path in kept.iterdir()) == ["digests.json", "dvc.lock", "folds.csv", "params.yaml"]


def test_no_empty_folder_of_a_model_stays_behind(root: Path) -> None:
    lock = root / "dvc.lock"
    lock.write_text(lock.read_text().replace("out.txt", "folds/one/card.json"))
    (root / "folds" / "one").mkdir()
    (root / "folds" / "one" / "card.json").write_text("a")
    left = read_standpoint(root)
    assert left is not None
    keep_aside(root, left)
    assert not (root / "folds" / "one").exists()
    assert (root / "folds" / "folds.csv").exists()


def test_going_back_has_the_lock_the_folds_and_the_models_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)  # DVC, which the slow test runs
    lock = (root / "dvc.lock").read_bytes()
    left = read_standpoint(root)
    assert left is not None
    keep_aside(root, left)
    write_yaml(root / "params.yaml", {"competition": "b", "models": ["two"]})
    for name in ("folds.csv", "digests.json"):
        (root / "folds" / name).write_text("b")
    assert bring_back(root, "b") is None
    write_yaml(root / "params.yaml", {"competition": "a", "models": ["two"]})
    assert bring_back(root, "a") is not None
    assert (root / "dvc.lock").read_bytes() == lock
    assert [(root / "folds" / name).read_text() for name in ("folds.csv", "digests.json")] == ["a", "a"]
    (root / ".work" / "competitions" / "a" / "digests.json").unlink()  # as an earlier version kept it
    assert bring_back(root, "a") is not None
    assert not (root / "folds" / "digests.json").exists()
    assert "one" in (root / "params.yaml").read_text()


def test_without_results_nothing_is_kept(tmp_path: Path) -> None:
    write_yaml(tmp_path / "params.yaml", {"models": []})
    assert read_standpoint(tmp_path) is None
    assert not keep_aside(tmp_path, Standpoint("a", ""))


@pytest.mark.slow
def test_dvc_has_the_results_back_and_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    command = """python -c "print(open('params.yaml').read(), file=open('out.txt', 'w'))" """
    stage = {"cmd": command, "params": ["competition"], "outs": ["out.txt"]}
    write_yaml(tmp_path / "dvc.yaml", {"stages": {"make": stage}})
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    made = {}
    for name in ("a", "b"):
        left = read_standpoint(tmp_path) if name == "b" else None
        write_yaml(tmp_path / "params.yaml", {"competition": name, "models": []})
        if left is not None:
            keep_aside(tmp_path, left)
        subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=tmp_path, check=True)
        made[name] = (tmp_path / "out.txt").read_text()
    left = read_standpoint(tmp_path)
    assert left is not None
    write_yaml(tmp_path / "params.yaml", {"competition": "a", "models": []})
    keep_aside(tmp_path, left)
    assert bring_back(tmp_path, "a") is not None
    assert (tmp_path / "out.txt").read_text() == made["a"] != made["b"]
    status = subprocess.run([sys.executable, "-m", "dvc", "status"], cwd=tmp_path, capture_output=True, text=True)
    assert "up to date" in status.stdout
