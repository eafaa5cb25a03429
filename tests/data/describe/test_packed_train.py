"""Images packed into few files, described from the files alone and then prepared."""

from pathlib import Path

import bson
import numpy as np
import pytest
from support.competition_files import zipped
from support.packers import PACKS, TEST, TRAIN, npy, parquet, pictures, png, tfrecords
from support.tiny import write_yaml

from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.tables import read_classes, read_index
from pipeline.data.describe.init import activate_competition, describe_local
from pipeline.data.describe.match import Choices
from pipeline.images.store import open_store
from pipeline.stages import fetch, prepare, split

SAMPLE = "id,kind\n" + "".join(f"{name},ant\n" for name in TEST)
Files = dict[str, bytes | str]


def _describe(root: Path, files: Files, **choices: str) -> str:
    write_yaml(root / "params.yaml", {"competition": "none", "models": [], "split": {"n_splits": 3}})
    source = root.parent / "packed.zip"
    numbers = [name for name in files if name == "set/train/metadata.json" or name.startswith("records-192x192")]
    sample = SAMPLE.replace("ant", "1" if numbers[0].startswith("records-192x192") else "7") if numbers else SAMPLE
    source.write_bytes(zipped(files | {"sample_submission.csv": sample}))
    return describe_local(root, source, "packed", Choices(**choices), "accuracy")


def _prepare(root: Path) -> dict[str, str]:
    """Prepares what was described; returns the label of each training image."""
    activate_competition(root, "packed")
    (root / "data").mkdir(exist_ok=True)
    fetch.run(root)
    prepare.run(root)
    out = root / "data" / "prepared"
    classes, train = read_classes(out / "classes.json"), read_index(out / "train.csv")
    return {name: classes[label] for name, label in zip(train["id"], train["label"], strict=True)}


@pytest.mark.parametrize("pack", PACKS)
def test_every_container_is_described_and_prepared(root: Path, pack: str) -> None:
    _describe(root, PACKS[pack].files())
    competition = load_competition(root, "packed")
    assert _prepare(root) == (
        TRAIN if pack != "coco" else {i: {"ant": "0", "bee": "7", "cow": "155"}[k] for i, k in TRAIN.items()}
    )
    assert (competition.storage.size, competition.storage.channels) == (16, 1 if PACKS[pack].grey else 3)
    index = read_index(root / "data" / "prepared" / "test.csv")
    assert index["id"].tolist() == sorted(TEST)
    split.run(root)


def test_coco_gives_categories_as_classes_with_their_names(root: Path) -> None:
    _describe(root, PACKS["coco"].files())
    competition = load_competition(root, "packed")
    assert competition.train.model_dump(exclude_none=True) == {
        "layout": "csv_images",
        "images": "set/train",
        "table": "set/train/metadata.json",
        "id": "id",
        "label": "category_id",
        "file": "file_name",
    }
    assert competition.class_names == {"0": "ant", "7": "bee", "155": "cow"}
    assert competition.test.model_dump(exclude_none=True) == {
        "layout": "images",
        "images": "set/test",
        "listed_by": "table",
        "table": "set/test/metadata.json",
        "id": "id",
        "file": "file_name",
        "hidden": False,
    }


def _sizes(sides: tuple[int, ...]) -> Files:
    """The same images at several sizes, each in folders train, val and test."""
    files: Files = {}
    for side in sides:
        for part, ids in (("train", list(TRAIN)[:8]), ("val", list(TRAIN)[8:]), ("test", list(TEST))):
            rows = [
                {"image": png(np.resize(shot, (side, side, 3))), "id": name.encode()}
                | ({"class": ["ant", "bee", "cow"].index(TRAIN[name])} if name in TRAIN else {})
                for name, shot in pictures(ids).items()
            ]
            files[f"records-{side}x{side}/{part}/00-{side}x{side}-{len(ids)}.tfrec"] = tfrecords(rows)
    return files


def test_copies_in_several_sizes_are_one_set_and_the_smallest_that_suffices_is_taken(root: Path) -> None:
    told = _describe(root, _sizes((32, 192, 224)))
    competition = load_competition(root, "packed")
    assert competition.train.model_dump()["images"] == "records-192x192/{train,val}/*.tfrec"
    assert competition.test.model_dump()["images"] == "records-192x192/test/*.tfrec"
    assert "192 pixels) was taken of 3 copies" in told
    assert "images of both were joined" in told


def test_another_size_can_be_chosen(root: Path) -> None:
    _describe(root, _sizes((32, 192)), train="records-32x32/{train,val}/*.tfrec")
    competition = load_competition(root, "packed")
    assert competition.train.model_dump()["images"] == "records-32x32/{train,val}/*.tfrec"
    assert competition.test.model_dump()["images"] == "records-32x32/test/*.tfrec"


def test_a_file_with_a_part_of_the_images_is_left_out(root: Path) -> None:
    files = PACKS["bson"].files()
    files["train_example.bson"] = bytes(files["train.bson"])[: len(bytes(files["train.bson"])) // 12]  # type: ignore[arg-type]
    first = next(iter(TRAIN))

    files["train_example.bson"] = bson.encode(
        {"id": first, "image": png(pictures([first])[first]), "kind": TRAIN[first]}
    )
    assert "train_example.bson holds 1 of the images of train.bson" in _describe(root, files)
    assert load_competition(root, "packed").train.model_dump()["table"] == "train.bson"


def test_the_shape_of_pixels_is_found_by_the_likeness_of_neighbours(root: Path) -> None:
    rows, columns = np.mgrid[0:12, 0:20]
    shots = {
        n: (128 + 60 * np.sin(columns / 3 + k) + 60 * np.cos(rows / 2)).astype("uint8")
        for k, n in enumerate([*TRAIN, *TEST])
    }

    def part(ids: list[str]) -> bytes:
        values = np.stack([shots[name].ravel() for name in ids])
        return parquet({"image_id": ids} | {str(n): values[:, n] for n in range(240)})

    labels = "image_id,kind\n" + "".join(f"{name},{label}\n" for name, label in TRAIN.items())
    told = _describe(
        root,
        {
            "train_image_data_0.parquet": part(list(TRAIN)),
            "test_image_data_0.parquet": part(list(TEST)),
            "train.csv": labels,
        },
    )
    assert "shape [12, 20]" in told
    assert load_competition(root, "packed").train.model_dump()["packed"]["shape"] == (12, 20)
    assert _prepare(root) == TRAIN
    assert open_store(root / "data" / "prepared" / "test_images.npy").shape == (4, 16, 16, 1)


def test_image_files_go_before_packed_copies_of_them(root: Path) -> None:
    files = PACKS["hdf5"].files() | {f"train/{name}.png": png(shot) for name, shot in pictures(list(TRAIN)).items()}
    _describe(root, files)
    competition = load_competition(root, "packed")
    assert competition.train.model_dump()["images"] == "train"
    assert competition.test.model_dump()["images"] == "test-image.hdf5"
    assert _prepare(root) == TRAIN


def test_two_labels_stop_with_the_choice(root: Path) -> None:
    files = PACKS["npz"].files()
    shots = pictures(list(TRAIN))
    files["train.parquet"] = parquet(
        {
            "id": list(TRAIN),
            "colour": [row % 2 for row in range(12)],
            "shape": [row % 3 for row in range(12)],
            "image": [png(shots[name]) for name in TRAIN],
        }
    )
    del files["train.npz"]
    with pytest.raises(InputError, match="--label 'colour' or --label 'shape'"):
        _describe(root, files)


def test_pixels_without_a_format_take_the_sides_beside_them(root: Path) -> None:
    shots = pictures([*TRAIN, *TEST])

    def part(ids: list[str], **more: dict[str, str]) -> bytes:
        sides = {"height": 8, "width": 8, "depth": 3}
        cells = {name: {key: value[name].encode() for key, value in more.items()} for name in ids}
        return tfrecords([{"raw": shots[name].tobytes(), "id": name.encode(), **sides, **cells[name]} for name in ids])

    files: Files = {
        "train/train.tfrecord-00000-of-00002": part(list(TRAIN)[:6], kind=TRAIN),
        "train/train.tfrecord-00001-of-00002": part(list(TRAIN)[6:], kind=TRAIN),
        "test/test.tfrecord-00000-of-00001": part(list(TEST)),
    }
    _describe(root, files)
    train = load_competition(root, "packed").train.model_dump()
    assert (train["images"], train["packed"]["shape"]) == ("train/train.tfrecord-*", (8, 8, 3))
    assert _prepare(root) == TRAIN


def test_bytes_of_no_picture_are_named(root: Path) -> None:
    rows = [{"raw": bytes([255, n] * 77), "id": name.encode(), "kind": b"ant"} for n, name in enumerate(TRAIN)]
    with pytest.raises(InputError, match=r"train\.tfrec holds bytes in raw that are no picture of a known format"):
        _describe(root, {"train.tfrec": tfrecords(rows)})


def test_arrays_of_one_picture_each_are_files_of_their_own(root: Path) -> None:
    shots = pictures([*TRAIN, *TEST])
    files: Files = {f"train/{name}.npy": npy(shots[name]) for name in TRAIN}
    files |= {f"test/{name}.npy": npy(shots[name]) for name in TEST}
    labels = "id,kind\n" + "".join(f"{name},{label}\n" for name, label in TRAIN.items())
    _describe(root, files | {"train.csv": labels})
    assert load_competition(root, "packed").train.model_dump()["images"] == "train"
    assert _prepare(root) == TRAIN
