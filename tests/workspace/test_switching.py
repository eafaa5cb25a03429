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
def test_results_of_two_competitions_never_mix_and_are_back_with_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    code = "import pathlib, re; name = re.findall('competition: (.)', open('params.yaml').read())[0]; "
    code += "[pathlib.Path(f).parent.mkdir(exist_ok=True) for f in outs]; [open(f, 'w').write(name) for f in outs]"
    outs = {name: ["submissions/ensemble.csv", "reports/report.html", f"submissions/only_{name}.csv"] for name in "ab"}
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")

    def switch(name: str) -> float | None:
        left = read_standpoint(tmp_path)
        write_yaml(tmp_path / "params.yaml", {"competition": name, "models": []})
        if left is not None:
            keep_aside(tmp_path, left)
        command = f"{Path(sys.executable).as_posix()} make.py"
        (tmp_path / "make.py").write_text(f"outs = {outs[name]}; {code}")
        stage = {"cmd": command, "params": ["competition"], "outs": outs[name]}
        write_yaml(tmp_path / "dvc.yaml", {"stages": {"make": stage}})
        return bring_back(tmp_path, name)

    def read_results() -> dict[str, str]:
        found = [path for folder in ("submissions", "reports") for path in (tmp_path / folder).glob("*.[ch]*")]
        return {path.relative_to(tmp_path).as_posix(): path.read_text() for path in found}

    for name in "ab":  # made for the first time: what the other one left is out of the way before
        assert switch(name) is None
        assert read_results() == {}
        subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=tmp_path, check=True)
        assert read_results() == dict.fromkeys(outs[name], name)
    for name in "abab":
        assert switch(name) is not None
        assert read_results() == dict.fromkeys(outs[name], name)
    status = subprocess.run([sys.executable, "-m", "dvc", "status"], cwd=tmp_path, capture_output=True, text=True)
    assert "up to date" in status.stdout
