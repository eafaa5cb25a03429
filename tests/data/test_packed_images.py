"""Packed images end to end: every container gives the store, the ids and the labels that files give."""

from pathlib import Path

import numpy as np
import pytest
from support.packers import PACKS, TEST, TRAIN, draw, npy, pictures, png, tfrecords, write_pack

from pipeline.core.errors import InputError
from pipeline.core.file_layouts import Packed
from pipeline.core.tables import read_classes, read_index
from pipeline.data.prepared.packed_images import PackedImages, fill_from_packed
from pipeline.images.fitting import StorageForm
from pipeline.images.store import create_store, open_store
from pipeline.stages import fetch, prepare


@pytest.mark.parametrize("pack", PACKS)
def test_every_container_gives_its_pictures_ids_and_labels(tmp_path: Path, pack: str) -> None:
    grey = write_pack(tmp_path, pack)
    fetch.run(tmp_path)
    prepare.run(tmp_path)
    out = tmp_path / "data" / "prepared"
    for part, truth in (("train", TRAIN), ("test", TEST)):
        index, images = read_index(out / f"{part}.csv"), open_store(out / f"{part}_images.npy")
        assert index["id"].tolist() == sorted(truth)
        shots = pictures(list(truth), grey)
        assert all(
            np.array_equal(image.squeeze(), shots[name]) for name, image in zip(index["id"], images, strict=True)
        )
    classes = read_classes(out / "classes.json")
    train = read_index(out / "train.csv")
    assert {name: classes[label] for name, label in zip(train["id"], train["label"], strict=True)} == TRAIN


def test_several_processes_give_the_same_store_and_facts(tmp_path: Path) -> None:
    write_pack(tmp_path, "parquet pixels")
    base, form = tmp_path / "download", StorageForm(8, 1, "crop")
    images = PackedImages(base, "train_image_data_*.parquet", Packed(pixels=r"\d+"), "id")
    made = []
    for workers in (1, 2):
        path = tmp_path / f"{workers}.npy"
        store = create_store(path, len(images.sources), form)
        facts = fill_from_packed(store, base, images.packed, images.sources, form, workers)
        made.append((path.read_bytes(), facts))
    assert made[0] == made[1]


def test_numbers_that_are_no_grey_levels_stop_with_the_row(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(npy(np.full((2, 8, 8), -3.5)))
    form = StorageForm(8, 1, "crop")
    store = create_store(tmp_path / "store.npy", 1, form)
    with pytest.raises(InputError, match=r"a\.npy, row 2: its values, -3\.5 .* are no grey levels; .*storage\.range"):
        fill_from_packed(store, tmp_path, Packed(), ["a.npy:2"], form, 1)


def test_a_broken_picture_is_reported_with_its_reason(tmp_path: Path) -> None:
    pictures = (b"\xff\xd8\xff no picture", png(draw(1)))
    rows = [{"image": picture, "id": bytes([97 + number])} for number, picture in enumerate(pictures)]
    (tmp_path / "a.tfrec").write_bytes(tfrecords(rows))
    form = StorageForm(8, 3, "crop")
    store = create_store(tmp_path / "store.npy", 2, form)
    facts = fill_from_packed(store, tmp_path, Packed(), ["a.tfrec:1", "a.tfrec:2"], form, 1)
    assert facts[0].broken
    assert not facts[1].broken


@pytest.mark.parametrize(
    ("ids", "words"),
    [(["a00", "zz"], "1 ids have no image .*: zz; the ids there are a00, a01, a02 and 9 more"), (["a00"], None)],
)
def test_ids_without_a_packed_image_are_named(tmp_path: Path, ids: list[str], words: str | None) -> None:
    write_pack(tmp_path, "hdf5")
    images = PackedImages(tmp_path / "download", "train-image.hdf5", Packed(), "id")
    if words is None:
        assert images.find(ids, Path("t.csv")) == ["train-image.hdf5:1"]
    else:
        with pytest.raises(InputError, match=words):
            images.find(ids, Path("t.csv"))


def test_files_with_a_column_of_ids_are_never_paired_by_order(tmp_path: Path) -> None:
    write_pack(tmp_path, "bson")
    images = PackedImages(tmp_path / "download", "test.bson", Packed(), None)
    with pytest.raises(InputError, match="has no column None that names its images; it has id"):
        images.find(list(TEST), Path("sample.csv"))
