"""`predict`: tables, CSV and JSON, overlays, and refusals before anything is computed."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from pipeline import cli
from pipeline.core import files


@pytest.fixture
def here(predicting_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command line runs in the repository."""
    monkeypatch.chdir(predicting_root)
    return predicting_root


def pictures_of(root: Path) -> Path:
    return root / "download" / "tiny" / "test"


def test_the_table_shows_three_guesses_and_says_what_tells_unknown_pictures(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["predict", str(pictures_of(here)), "--model", "hog"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 9 + 1
    assert lines[1].split()[0].endswith("0.png")
    assert lines[-1].startswith("hog: ")
    assert "called unknown, by hog's max_softmax; false alarms: about 5.0% of known images" in lines[-1]


def test_csv_and_json_say_the_same(here: Path, tmp_path: Path) -> None:
    for kind in ("csv", "json"):
        arguments = ["predict", str(pictures_of(here)), "--model", "hog", "--format", kind]
        assert cli.main([*arguments, "--out", str(tmp_path / f"said.{kind}")]) == 0
    with (tmp_path / "said.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    said = json.loads((tmp_path / "said.json").read_text())
    assert len(rows) == len(said) == 9
    for row, one in zip(rows, said, strict=True):
        assert row["picture"] == one["picture"]
        assert row["class_1"] == one["guesses"][0]["class"]
        assert float(row["probability_1"]) == pytest.approx(one["guesses"][0]["probability"], abs=1e-6)
        assert (row["unknown"] == "true") is one["unknown"]
        assert sum(guess["probability"] for guess in one["guesses"]) == pytest.approx(1, abs=1e-5)


def test_overlays_are_pictures_of_a_size_to_look_at(here: Path, tmp_path: Path) -> None:
    shutil.copy(pictures_of(here) / "0.png", tmp_path / "odd name<b>.png")
    shutil.copy(pictures_of(here) / "1.png", tmp_path / "2.png")
    assert cli.main(["predict", str(tmp_path), "--model", "cnn", "--gradcam", str(tmp_path / "heat")]) == 0
    made = sorted((tmp_path / "heat").iterdir())
    assert [path.name for path in made] == ["00001-2.png", "00002-odd_name_b_.png"]
    with Image.open(made[0]) as shown:
        assert shown.size == (320, 320)


def test_what_is_no_picture_is_told_by_name_and_the_others_are_done(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(pictures_of(here) / "0.png", tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    assert cli.main(["predict", str(tmp_path), "--model", "hog", "--format", "csv"]) == 1
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(out.splitlines()))
    assert [row["problem"] for row in rows] == ["not an image but text: 'no picture'", "empty file", ""]
    assert rows[2]["class_1"]
    assert "bad.png: not an image" in err
    assert "error: 2 of 3 files are not images: " in err
    assert err.rstrip().endswith("others are predicted")


def test_a_model_without_convolution_has_no_heat_and_says_so(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("hog", "dense"):
        assert cli.main(["predict", str(pictures_of(here)), "--model", name, "--gradcam", "heat"]) == 1
        assert f"{name} has neither convolutions nor attention" in capsys.readouterr().err
    assert not (here / "heat").exists()


@pytest.mark.parametrize(
    ("option", "place", "words"),
    [
        ("--out", "folder", "folder is a folder; name a file in it"),
        ("--out", "a.png/said.csv", "a.png is no folder; give another place"),
        ("--gradcam", "a.png", "a.png is no folder; give another place"),
        ("--gradcam", ".", "a.png is in the folder of --gradcam, where overlays are written"),
    ],
)
def test_where_nothing_can_be_written_is_told_before_anything_is_computed(
    here: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: str,
    place: str,
    words: str,
) -> None:
    monkeypatch.setattr("pipeline.stages.predict.open_predictor", None)
    (tmp_path / "folder").mkdir()
    shutil.copy(pictures_of(here) / "0.png", tmp_path / "a.png")
    before = sorted(tmp_path.rglob("*"))
    assert cli.main(["predict", str(tmp_path / "a.png"), option, str(tmp_path / place)]) == 1
    assert words in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_an_unknown_model_is_refused_with_the_near_names(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["predict", str(pictures_of(here)), "--model", "hogg"]) == 1
    assert "'hogg'; did you mean hog?" in capsys.readouterr().err


def test_without_a_trained_model_the_command_that_makes_one_is_named(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(prepared)
    for arguments in ([], ["--model", "small_cnn"]):
        files.write_json(prepared / "configs" / "models" / "small_cnn.yaml", {})
        assert cli.main(["predict", str(pictures_of(prepared)), *arguments]) == 1
        assert "does not exist; run `dvc repro`" in capsys.readouterr().err
