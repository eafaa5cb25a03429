"""Nine real competitions, in their structure: read right, or stopped with the candidates; no silent guess."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import shapes, tiny

from pipeline.core import files, predictions, tables
from pipeline.core.archives.unpacking import unpack_archive
from pipeline.core.competition import Competition, load_competition
from pipeline.core.config import read_yaml
from pipeline.core.csvs import read_table
from pipeline.core.errors import InputError
from pipeline.data.describe.init import activate_competition, describe_local
from pipeline.data.describe.match import Choices
from pipeline.data.prepared.records import list_records
from pipeline.kaggle.answers.sheets import read_sheet
from pipeline.kaggle.submission import build_submission
from pipeline.kaggle.submission_checks import check_submission

REPOSITORY = Path(__file__).parents[2]
SAMPLE = {"sample": "sample_submission.csv"}
# slug -> what decides, and what the file then says; the number of training and test images last.
READINGS: dict[str, tuple[Choices, dict[str, Any], tuple[int, int]]] = {
    "dog-breed-identification": (
        Choices(),
        {
            "train": {"layout": "csv_images", "images": "train", "table": "labels.csv", "id": "id", "label": "breed"},
            "test": {"layout": "images", "images": "test", "listed_by": "sample_submission"},
            "submission": {"kind": "probabilities", **SAMPLE, "id": "id"},
        },
        (240, 5),
    ),
    "digit-recognizer": (
        Choices(),
        {
            "train": {
                "layout": "csv_pixels",
                "table": "train.csv",
                "label": "label",
                "pixels": r"pixel\d+",
                "shape": [28, 28],
            },
            "test": {
                "layout": "csv_pixels",
                "table": "test.csv",
                "first_id": 1,
                "pixels": r"pixel\d+",
                "shape": [28, 28],
            },
            "storage": {"size": 28, "channels": 1, "resize": "crop"},
            "submission": {"kind": "label", **SAMPLE, "id": "ImageId", "label": "Label"},
            "mirror": False,
        },
        (40, 6),
    ),
    "cassava-leaf-disease-classification": (
        Choices(),
        {
            "train": {
                "layout": "csv_images",
                "images": "train_images",
                "table": "train.csv",
                "id": "image_id",
                "label": "label",
            },
            "test": {"layout": "images", "images": "test_images", "listed_by": "sample_submission"},
            "submission": {"kind": "label", **SAMPLE, "id": "image_id", "label": "label"},
            "class_names": shapes.DISEASES,
            "mirror": True,
        },
        (20, 1),
    ),
    "plant-pathology-2020-fgvc7": (
        Choices(),
        {
            "train": {
                "layout": "csv_one_hot",
                "images": "images",
                "table": "train.csv",
                "id": "image_id",
                "classes": list(shapes.LEAVES),
            },
            "test": {"layout": "images", "images": "images", "listed_by": "sample_submission"},
            "submission": {"kind": "probabilities", **SAMPLE, "id": "image_id"},
        },
        (16, 4),
    ),
    "plant-seedlings-classification": (
        Choices(),
        {
            "train": {"layout": "folders", "images": "train"},
            "test": {"layout": "images", "images": "test", "listed_by": "sample_submission"},
            "submission": {"kind": "label", **SAMPLE, "id": "file", "label": "species"},
        },
        (24, 5),
    ),
    "dogs-vs-cats-redux-kernels-edition": (
        Choices(positive="dog"),
        {
            "train": {
                "layout": "file_names",
                "images": "train",
                "pattern": r"^(?P<label>[A-Za-z](?:[\w -]*[A-Za-z])?)[._ -]*\d+(?=\.\w+$|$)",
            },
            "test": {"layout": "images", "images": "test", "listed_by": "sample_submission"},
            "submission": {"kind": "label", **SAMPLE, "id": "id", "label": "label", "positive": "dog"},
        },
        (20, 7),
    ),
    "aerial-cactus-identification": (
        Choices(),
        {
            "train": {
                "layout": "csv_images",
                "images": "train",
                "table": "train.csv",
                "id": "id",
                "label": "has_cactus",
            },
            "test": {"layout": "images", "images": "test", "listed_by": "sample_submission"},
            "storage": {"size": 32, "channels": 3, "resize": "crop"},
            "submission": {"kind": "label", **SAMPLE, "id": "id", "label": "has_cactus", "positive": "1"},
        },
        (16, 4),
    ),
    "animals15": (
        Choices(),
        {
            "train": {"layout": "csv_images", "images": "train", "table": "train.csv", "id": "Id", "label": "Category"},
            "test": {"layout": "images", "images": "test", "listed_by": "sample_submission"},
            "storage": {"size": 32, "channels": 3, "resize": "crop"},
            "submission": {"kind": "label", **SAMPLE, "id": "Id", "label": "Category"},
        },
        (40, 6),
    ),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the shipped models and nothing else."""
    (tmp_path / "configs" / "competitions").mkdir(parents=True)
    (tmp_path / "configs" / "models").symlink_to(REPOSITORY / "configs" / "models")
    tiny.write_yaml(tmp_path / "params.yaml", {"competition": "none", "models": [], "prepare": {"workers": 1}})
    return tmp_path


def lay_out(root: Path, slug: str, unpacked: bool) -> Path:
    """Writes a competition as the zip that Kaggle serves, or as the folder that fetch makes of it."""
    archive = root / f"{slug}.zip"
    archive.write_bytes(shapes.pack(shapes.SHAPES[slug]()))
    if unpacked:
        unpack_archive(archive, root / "unpacked")
        return root / "unpacked"
    return archive


@pytest.mark.parametrize("unpacked", [False, True])
@pytest.mark.parametrize("slug", READINGS)
def test_a_competition_is_read_right(root: Path, slug: str, unpacked: bool) -> None:
    choices, wanted, counts = READINGS[slug]
    describe_local(root, lay_out(root, slug, unpacked), "it", choices)
    written = read_yaml(root / "configs" / "competitions" / "it.yaml")
    assert {key: written.get(key) for key in wanted} == wanted
    unpack_archive(root / f"{slug}.zip", root / "unpacked")
    train, test, _ = list_records(root / "unpacked", load_competition(root, "it"))
    assert (len(train), len(test)) == counts


def test_a_single_test_image_is_told_to_stand_for_hidden_ones(root: Path) -> None:
    text = describe_local(root, lay_out(root, "cassava-leaf-disease-classification", False))
    assert "check: 1 test images replace hidden ones: a notebook has to predict those (code competition)" in text


def test_every_shape_is_read_or_stopped() -> None:
    assert set(shapes.SHAPES) - set(READINGS) == {"flowers-recognition"}


def test_dogs_vs_cats_stops_with_both_classes(root: Path) -> None:
    with pytest.raises(InputError, match="--positive 'cat' or --positive 'dog'"):
        describe_local(root, lay_out(root, "dogs-vs-cats-redux-kernels-edition", False))


@pytest.mark.parametrize("unpacked", [False, True])
def test_flowers_without_tests_stop_with_what_is_missing(root: Path, unpacked: bool) -> None:
    with pytest.raises(
        InputError,
        match=r"one folder per class, flowers \(5 classes, 30 images\), but no table: neither test images nor a sample",
    ):
        describe_local(root, lay_out(root, "flowers-recognition", unpacked))


def prepare(root: Path, slug: str) -> Competition:
    describe_local(root, lay_out(root, slug, False), "it", READINGS[slug][0])
    activate_competition(root, "it")
    tiny.prepare_tiny(root)
    return load_competition(root)


@pytest.mark.parametrize("slug", READINGS)
def test_what_was_read_can_be_prepared_and_submitted(root: Path, slug: str) -> None:
    competition = prepare(root, slug)
    prepared = root / "data" / "prepared"
    classes = tables.read_classes(prepared / "classes.json")
    sample = read_table(prepared / "sample_submission.csv")
    sheet = read_sheet(prepared, competition)
    ids = tables.read_index(prepared / "test.csv")["id"].tolist()
    probs = np.random.default_rng(0).dirichlet(np.ones(len(classes)), len(ids)).astype(np.float32)
    frame = build_submission(predictions.Predictions(tuple(ids), probs, classes), sheet)
    check_submission(frame, sheet)
    assert frame.columns.tolist() == sample.columns.tolist()


def test_cassava_is_submitted_in_numbers_and_told_in_names(root: Path) -> None:
    competition = prepare(root, "cassava-leaf-disease-classification")
    prepared = root / "data" / "prepared"
    classes = tables.read_classes(prepared / "classes.json")
    probs = np.eye(5, dtype=np.float32)[[3]]
    frame = build_submission(
        predictions.Predictions(("2216849948.jpg",), probs, classes), read_sheet(prepared, competition)
    )
    assert frame.to_csv(index=False) == "image_id,label\n2216849948.jpg,3\n"
    assert files.read_json(prepared / "class_names.json", "") == list(shapes.DISEASES.values())
