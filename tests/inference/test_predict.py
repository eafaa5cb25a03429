"""Any pictures are predicted as the pipeline predicts its test images, and what cannot be is told."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import cli
from pipeline.core import files, paths, predictions
from pipeline.core.errors import InputError
from pipeline.images.decoding import StorageForm
from pipeline.images.store import open_store
from pipeline.inference import image_files
from pipeline.inference.image_results import Guess, ImageResult, format_results
from pipeline.inference.predictor import Predictor, open_predictor


@pytest.fixture(scope="module")
def root(predicting_root: Path) -> Path:
    return predicting_root


@pytest.fixture(scope="module")
def ensemble(root: Path) -> Predictor:
    return open_predictor(root, "ensemble", keep=True)


@pytest.fixture
def here(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command line runs in the repository."""
    monkeypatch.chdir(root)
    return root


def pictures_of(root: Path) -> Path:
    return root / "download" / "tiny" / "test"


@pytest.mark.parametrize("name", ["cnn", "dense", "hog"])
def test_a_models_pictures_are_predicted_as_its_test_images_were(root: Path, name: str) -> None:
    images = open_store(root / "data" / "prepared" / "test_images.npy")
    predictor = open_predictor(root, name)
    known = predictions.read_predictions(paths.predicted_test_path(root, name), predictor.classes)
    said = predictor.predict(images)
    np.testing.assert_allclose(said.probs, known.probs, atol=1e-6)
    assert ((said.p_known > 0) & (said.p_known <= 1)).all()
    np.testing.assert_allclose(predictor.predict(images).probs, said.probs, atol=1e-6)  # and again


def test_the_ensembles_pictures_are_predicted_as_its_test_images_were(root: Path, ensemble: Predictor) -> None:
    images = open_store(root / "data" / "prepared" / "test_images.npy")
    known = predictions.read_predictions(paths.predicted_test_path(root, "ensemble"), ensemble.classes)
    np.testing.assert_allclose(ensemble.predict(images).probs, known.probs, atol=1e-6)
    assert ensemble.detecting_model is None  # too few pictures to choose by: the simplest


def test_no_pictures_are_no_predictions(ensemble: Predictor) -> None:
    assert ensemble.predict(np.zeros((0, 12, 12, 3), np.uint8)).probs.shape == (0, 3)


def test_heat_is_the_mean_of_those_that_look(root: Path, ensemble: Predictor) -> None:
    images = np.ascontiguousarray(open_store(root / "data" / "prepared" / "test_images.npy")[:4])
    heat = ensemble.compute_heat(images, np.array([0, 1, 2, 0]))
    assert heat.shape == (4, 12, 12)
    assert heat.max() == 1
    cnn = open_predictor(root, "cnn")
    np.testing.assert_allclose(
        cnn.compute_heat(images, np.array([0, 1, 2, 0])), heat, atol=1e-5
    )  # no other has convolutions


def test_the_heat_of_a_fold_comes_by_its_own_weights(root: Path) -> None:
    model = open_predictor(root, "cnn").models["cnn"]
    images = np.ascontiguousarray(open_store(root / "data" / "prepared" / "test_images.npy")[:4])
    assert model.attribution is not None
    first, second = (
        model.attribution.compute_heat(path, images, np.zeros(4, np.int64))
        for path in list(model.checkpoints.values())[:2]
    )
    assert not np.allclose(first, second)


def test_what_was_fitted_for_unknown_pictures_is_found_again(root: Path) -> None:
    open_predictor(root, "cnn")
    kept = next((root / ".work" / "unknown").glob("cnn-*.npz"))
    before = kept.stat().st_mtime_ns
    open_predictor(root, "cnn")
    assert kept.stat().st_mtime_ns == before


# --- finding and reading pictures


def test_a_folder_is_searched_below_in_natural_order(tmp_path: Path) -> None:
    for name in ("10.png", "9.JPG", "notes.txt", "deep/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = image_files.find_image_files([str(tmp_path)])
    assert [str(path.relative_to(tmp_path)) for path in found] == ["9.JPG", "10.png", "deep/2.png"]


def test_patterns_are_filled_in_and_nothing_counts_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a1.png", "a10.png", "a2.png", "b.png"):
        (tmp_path / name).touch()
    assert [path.name for path in image_files.find_image_files(["a*.png", "a2.png"])] == ["a1.png", "a2.png", "a10.png"]
    assert len(image_files.find_image_files([str(tmp_path / "*.png")])) == 4


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("empty", "empty holds no images"),
        ("gone.png", "gone.png does not exist"),
        ("x*.png", r"no file matches x\*"),
        ("a**b/*.png", r"a\*\*b/\*\.png is not a valid pattern"),
        ("one.png\n" * 40, "is too long for a file name"),
    ],
)
def test_what_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=words):
        image_files.find_image_files([what])


@pytest.mark.parametrize("what", ["bad\udcff.png", "bad*.png"])
def test_a_name_that_cannot_be_written_down_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad\udcff.png").touch()
    with pytest.raises(InputError, match=r"'bad\\udcff\.png' has a name that is not UTF-8"):
        image_files.find_image_files([what])


def test_a_grey_picture_is_read_for_networks_of_colour(tmp_path: Path) -> None:
    Image.new("L", (30, 20), 77).save(tmp_path / "grey.png")
    images, problems = image_files.read_image_files([tmp_path / "grey.png"], StorageForm(8, 3, "crop"))
    assert images.shape == (1, 8, 8, 3)
    assert (images == 77).all()
    assert not problems


# --- the command


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
    assert [row["problem"] for row in rows] == ["not an image", "empty file", ""]
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
        ("--gradcam", ".", "a.png lies in the folder of --gradcam, where overlays are written"),
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


def test_names_that_look_like_markup_are_shown_as_they_are() -> None:
    guess = Guess("[red]x[/red]", "[red]x[/red]", 0.5)
    assert "[red]x[/red] 0.500" in format_results([ImageResult("[bold]a.png", (guess,), 0.5)], "table")


def test_names_cannot_steer_a_terminal_and_long_ones_are_not_broken() -> None:
    guess = Guess("x", "n\x1b[2Jme", 0.5)
    long = "\N{PANDA FACE}" * 120
    text = format_results([ImageResult("a\x1b[31m\nb.png", (guess,), 0.5), ImageResult(long, (guess,), 0.5)], "table")
    assert "\x1b" not in text
    assert r"a\x1b[31m\nb.png" in text
    assert len(text.splitlines()) == 3
    assert long in text
