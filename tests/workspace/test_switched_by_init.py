"""The verb `init` as a person calls it: a competition that is left keeps its results, whichever way one leaves it."""

from pathlib import Path

import pytest
from support import competition_files
from support.tiny import write_yaml

from pipeline.core.active import active_name
from pipeline.data.describe.match import Choices
from pipeline.stages import init


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Competition a is active, its result out.txt is in DVC's cache; photos/ holds another one's files."""
    write_yaml(tmp_path / "params.yaml", {"competition": "a", "models": ["one"]})
    for name in ("mobilenet_v2_inner_logistic", "xception_160_logistic"):
        write_yaml(tmp_path / "configs" / "models" / f"{name}.yaml", {})
    outs = [{"path": "out.txt", "md5": "aa11"}]
    write_yaml(tmp_path / "dvc.lock", {"schema": "2.0", "stages": {"make": {"cmd": "x", "outs": outs}}})
    for path in (tmp_path / ".dvc" / "cache" / "files" / "md5" / "aa" / "11", tmp_path / "out.txt"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a")
    competition_files.write(tmp_path, competition_files.animals()).rename(tmp_path / "photos")
    return tmp_path


def test_a_new_competition_becomes_the_active_one_at_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init.run(root, init.InitSubject(folder=root / "photos"), None, None, Choices(), activate=True)
    assert active_name(root) == "photos"
    assert not (root / "out.txt").exists()
    said = capsys.readouterr().out
    assert "results of a are kept: `python -m pipeline init a` brings them back" in said
    assert said.splitlines()[-1] == "next: `python -m pipeline run`"


def test_described_alone_it_does_not(root: Path) -> None:
    init.run(root, init.InitSubject(folder=root / "photos"), "mine", None, Choices())
    assert active_name(root) == "a"
    assert (root / "out.txt").exists()


def test_a_competition_from_kaggle_takes_no_results_of_the_one_before(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def describe(root: Path, *_: object) -> str:
        write_yaml(root / "params.yaml", {"competition": "b", "models": ["one"]})
        return "wrote b"

    monkeypatch.setattr(init, "describe_kaggle", describe)
    init.run(root, init.InitSubject(slug="b"), None, "accuracy", Choices())
    assert not (root / "dvc.lock").exists()
    assert (root / ".work" / "competitions" / "a" / "dvc.lock").is_file()
    assert "results of a are kept" in capsys.readouterr().out
