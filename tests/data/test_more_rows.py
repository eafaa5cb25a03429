"""Rows from elsewhere: they train in every fold, are never validated, and hold no copy of what is scored."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import tiny

from pipeline.core.errors import InputError
from pipeline.core.files import read_json
from pipeline.core.tables import TRAINING_ONLY, read_folds, read_index, write_index
from pipeline.images.store import open_store
from pipeline.stages import fetch, prepare, split
from pipeline.training.data import UNUSED, load_data


def describe(root: Path, **rule: Any) -> None:
    path = root / "configs" / "competitions" / "tiny.yaml"
    tiny.write_yaml(path, {**tiny.read_yaml(path), "more_rows": [{"name": "web"} | rule]})


def build(root: Path) -> Path:
    """A competition, and a folder beside it with four new images, a copy of a training and one of a test image."""
    download = tiny.build(root, per_class=4, n_test=3)
    random, folder = np.random.default_rng(7), root / "web"
    for label in ("cat", "kitten", "owl", "car"):
        (folder / label).mkdir(parents=True)
        drawn = tiny.stripes("owl" if label == "owl" else "cat", 12, random)
        Image.fromarray(drawn).save(folder / label / "1.png")
    shutil.copy(download / "train" / "0.png", folder / "cat" / "copy.png")
    shutil.copy(download / "test" / "0.png", folder / "cat" / "test.png")
    describe(root, folder="web", weight=0.25, classes={"kitten": "cat", "car": None})
    return download


def test_they_join_behind_the_own_rows_and_are_never_validated(tmp_path: Path) -> None:
    build(tmp_path)
    tiny.prepare_tiny(tmp_path)
    split.run(tmp_path)
    prepared, folds = tmp_path / "data" / "prepared", tmp_path / "folds" / "folds.csv"
    more = read_index(prepared / "train.csv").iloc[12:]
    assert more["id"].tolist() == ["web/cat/1.png", "web/kitten/1.png", "web/owl/1.png"]
    assert more["label"].tolist() == [0, 0, 2]
    assert (more["more"] == "web").all()
    with Image.open(tmp_path / "web" / "owl" / "1.png") as image:
        assert np.array_equal(open_store(prepared / "train_images.npy", 15)[14], np.asarray(image))
    table = read_folds(folds)
    assert (table.loc[table["id"].isin(more["id"]), "fold"] == TRAINING_ONLY).all()
    data = load_data(prepared, folds)
    for fold in range(3):
        trained, valid = data.rows(fold)
        assert {12, 13, 14} <= set(trained.tolist())
        assert valid.max() < 12
    assert data.weights is not None
    assert data.weights.tolist() == [1.0] * 12 + [0.25] * 3
    alone = data.drop_more_rows()
    assert (alone.fold_of[12:] == UNUSED).all()
    assert alone.rows(0)[0].max() < 12
    assert alone.least_rows == data.least_rows - 3
    report = read_json(prepared / "report.json", "again")["more_rows"]
    counts = {"images": 3, "weight": 0.25, "copies_left_out": 2, "of_other_classes": 1, "broken": 0}
    assert report == [{"name": "web"} | counts]


def test_near_duplicates_of_own_images_among_them_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(tmp_path)
    tiny.prepare_tiny(tmp_path)
    prepared = tmp_path / "data" / "prepared"
    index, test = read_index(prepared / "train.csv"), read_index(prepared / "test.csv")
    images, shown = np.load(prepared / "train_images.npy"), np.load(prepared / "test_images.npy")
    images[12], images[13] = images[4], shown[1]
    near = {12: index["perceptual_hash"][4], 13: test["perceptual_hash"][1]}
    for row, digits in near.items():
        index.loc[row, "perceptual_hash"] = f"{int(digits, 16) ^ 5:016x}"
    np.save(prepared / "train_images.npy", images)
    write_index(prepared / "train.csv", index)
    (prepared / "digests.json").unlink()
    split.run(tmp_path)
    (line,) = (each for each in capsys.readouterr().out.splitlines() if "own images and more_rows" in each)
    assert "(2 more_rows images): 2 pairs: " in line
    assert f"{index['id'][4]} ~ {index['id'][12]}" in line
    assert f"{test['id'][1]} ~ {index['id'][13]}" in line


def test_own_rows_keep_their_folds(tmp_path: Path) -> None:
    build(tmp_path)
    tiny.prepare_tiny(tmp_path)
    split.run(tmp_path)
    joined = read_folds(tmp_path / "folds" / "folds.csv").iloc[:12]
    path = tmp_path / "configs" / "competitions" / "tiny.yaml"
    tiny.write_yaml(path, {key: value for key, value in tiny.read_yaml(path).items() if key != "more_rows"})
    tiny.prepare_tiny(tmp_path)
    split.run(tmp_path)
    assert joined.equals(read_folds(tmp_path / "folds" / "folds.csv"))


def test_another_competition_gives_its_training_images(tmp_path: Path) -> None:
    build(tmp_path)
    configs = tmp_path / "configs" / "competitions"
    other = tiny.describe("csv_images", "label", 8, 3, ("small_cnn",), False)
    tiny.write_yaml(configs / "old.yaml", other | {"source": {"kind": "local", "path": "download/old"}})
    shutil.copytree(tmp_path / "download" / "tiny", tmp_path / "download" / "old")
    for number, path in enumerate(sorted((tmp_path / "download" / "old" / "train").iterdir())):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (9, 9, 3)).astype(np.uint8)).save(path)
    describe(tmp_path, competition="old")
    tiny.prepare_tiny(tmp_path)
    index = read_index(tmp_path / "data" / "prepared" / "train.csv")
    assert index["id"].tolist()[12:] == [f"web/{row}" for row in range(12)]
    assert index["label"].tolist()[12:] == index["label"].tolist()[:12]
    assert open_store(tmp_path / "data" / "prepared" / "train_images.npy").shape == (24, 12, 12, 3)
    shutil.rmtree(tmp_path / "download" / "old" / "test")
    with pytest.raises(InputError, match=r"3 files of the source changed since fetch: more_rows/web/test/0\.png"):
        prepare.run(tmp_path)


def add_old(root: Path, storage: dict[str, Any]) -> None:
    """Another competition of 12 images that are none of the first one's."""
    other: dict[str, Any] = tiny.describe("csv_images", "label", 12, 3, ("small_cnn",), False)
    other |= {"source": {"kind": "local", "path": "download/old"}, "storage": {**other["storage"], **storage}}
    tiny.write_yaml(root / "configs" / "competitions" / "old.yaml", other)
    shutil.copytree(root / "download" / "tiny", root / "download" / "old")
    for number, path in enumerate(sorted((root / "download" / "old" / "train").iterdir())):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (12, 12, 3)).astype(np.uint8)).save(path)
    describe(root, competition="old")


@pytest.mark.parametrize(("own", "theirs"), [("uint8", "uint16"), ("uint16", "uint8"), ("float16", "uint16")])
def test_rows_of_another_competition_are_kept_in_the_own_type(tmp_path: Path, own: str, theirs: str) -> None:
    build(tmp_path)
    add_old(tmp_path, {"dtype": theirs})
    path = tmp_path / "configs" / "competitions" / "tiny.yaml"
    described = tiny.read_yaml(path)
    tiny.write_yaml(path, {**described, "storage": {**described["storage"], "dtype": own}})
    tiny.prepare_tiny(tmp_path)
    store = tmp_path / "data" / "prepared" / "train_images.npy"
    assert str(np.load(store, mmap_mode="r").dtype) == own
    images, index = open_store(store, 24), read_index(tmp_path / "data" / "prepared" / "train.csv")
    for row, name in enumerate(index["id"]):
        folder = tmp_path / "download" / ("tiny" if row < 12 else "old") / "train"
        with Image.open(folder / f"{name.removeprefix('web/')}.png") as image:
            assert np.array_equal(images[row], np.asarray(image))


def test_storage_that_does_not_suit_the_own_channels_is_refused_in_one_line(tmp_path: Path) -> None:
    build(tmp_path)
    add_old(tmp_path, {"bands": [3, 2, 1]})
    path = tmp_path / "configs" / "competitions" / "tiny.yaml"
    described = tiny.read_yaml(path)
    tiny.write_yaml(path, {**described, "storage": {**described["storage"], "channels": 1}})
    with pytest.raises(InputError, match=r"more_rows web: storage of old, .*bands names 3 bands, but channels is 1"):
        tiny.prepare_tiny(tmp_path)
    assert not (tmp_path / "data" / "prepared").exists()


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"folder": "web"}, r"more_rows web: 2 of its classes are none of this competition: car, kitten"),
        ({"folder": "web", "classes": {"kitten": "cta"}}, r"more_rows web: classes names 'cta'; .*cat"),
        ({"folder": "nowhere"}, r"nowhere is no folder; correct folder of more_rows web"),
        ({"competition": "tyni"}, r"tyni"),
        ({"folder": "web", "competition": "tiny"}, r"from a folder or from a competition"),
        ({"competition": "tiny"}, r"more_rows web: all its images are copies of the competition's own"),
    ],
)
def test_a_set_that_does_not_fit_is_refused_in_one_line(tmp_path: Path, rule: dict[str, Any], words: str) -> None:
    build(tmp_path)
    describe(tmp_path, **rule)
    with pytest.raises(InputError, match=words):
        tiny.prepare_tiny(tmp_path)
    assert not (tmp_path / "data" / "prepared").exists()


def test_two_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    build(tmp_path)
    path = tmp_path / "configs" / "competitions" / "tiny.yaml"
    tiny.write_yaml(path, {**tiny.read_yaml(path), "more_rows": [{"name": "web", "folder": "web"}] * 2})
    with pytest.raises(InputError, match="more_rows: two sets have one name"):
        fetch.run(tmp_path)
