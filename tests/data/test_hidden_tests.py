"""Code competitions that show no test image: described, prepared, trained on, and handed in as a valid file."""

from pathlib import Path

import numpy as np
import pytest
from support.competition_files import Files, images, read, rows
from support.fabricated import write_params
from support.tiny import write_yaml

from pipeline.core import paths, tables
from pipeline.core.csvs import read_table
from pipeline.core.errors import InputError
from pipeline.core.predictions import Predictions, write_predictions
from pipeline.images.store import open_store
from pipeline.stages import ensemble, fetch, prepare, split, submission

MODEL = "one"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    for name in (MODEL, "mobilenet_v2_inner_logistic", "xception_160_logistic"):
        write_yaml(root / "configs" / "models" / f"{name}.yaml", {})
    return root


def biopsies(**more: bytes | str) -> Files:
    train = [(f"a{n:03x}c", "abc"[n % 3]) for n in range(24)]
    return {
        "train.csv": rows("image_id,grade", *train),
        "sample_submission.csv": rows("image_id,grade", *((f"f{n}09", "a") for n in range(3))),
        **images([f"train_images/{name}.png" for name, _ in train]),
        **images([f"train_label_masks/{name}_mask.png" for name, _ in train]),
        **more,
    }


def test_where_no_file_can_be_a_test_image_they_are_taken_for_hidden_and_marked_to_check(root: Path) -> None:
    competition = read(root, biopsies(), metric="accuracy")
    assert competition.hides_tests
    assert competition.test.model_dump(exclude_defaults=True) == {
        "layout": "images",
        "images": "test_images",
        "hidden": True,
    }
    text = (root / "configs" / "competitions" / "shape.yaml").read_text()
    assert "# CHECK: test images are taken for hidden" in text


@pytest.mark.parametrize(
    ("header", "cells", "metric"),
    [("image_id,grade", ("a",), "accuracy"), ("image_id,a,b,c", (0.3, 0.3, 0.4), "log_loss")],
)
def test_a_sample_of_one_row_names_a_hidden_image_in_its_first_column(
    root: Path, header: str, cells: tuple[object, ...], metric: str
) -> None:
    files = biopsies(**{"sample_submission.csv": rows(header, ("f009", *cells))})
    assert read(root, files, metric=metric).hides_tests


@pytest.mark.parametrize(
    "more",
    [
        images(["test_images/other.png"]),
        {"test.rar": b"Rar!\x1a\x07\x00"},
        images(["more/f009_1.png"]),
        images(["more/f009.png", "more/f109.png"]),
    ],
    ids=["a folder called test", "a file that no reader takes", "an id within a name", "some of the ids"],
)
def test_where_a_file_may_be_one_they_are_not_taken_for_hidden(root: Path, more: dict[str, bytes]) -> None:
    try:
        hidden = read(root, biopsies(**more), metric="accuracy").hides_tests
    except InputError:
        hidden = False
    assert not hidden


def test_everything_runs_without_a_test_image_and_ends_in_a_valid_file(root: Path) -> None:
    read(root, biopsies(), metric="accuracy")
    write_params(root, [MODEL], competition="shape")
    fetch.run(root)
    prepare.run(root)
    split.run(root)
    assert open_store(paths.store_path(root, "test"), 0).shape[0] == 0
    classes = tables.read_classes(paths.classes_path(root))
    folds = tables.read_folds(paths.folds_path(root))
    oof = np.random.default_rng(0).dirichlet(np.ones(3), len(folds)).astype(np.float32)
    digest = tables.folds_digest(folds)
    write_predictions(paths.oof_path(root, MODEL), Predictions(tuple(folds["id"]), oof, classes, digest))
    none = Predictions((), np.empty((0, 3), dtype=np.float32), classes)
    write_predictions(paths.predicted_test_path(root, MODEL), none)
    ensemble.run(root)
    for name in (MODEL, paths.ENSEMBLE):
        submission.run(root, name)
        frame = read_table(paths.submission_path(root, name))
        assert frame["image_id"].tolist() == ["f009", "f109", "f209"]
        assert set(frame["grade"]) == {classes[int(oof.mean(axis=0).argmax())]}
