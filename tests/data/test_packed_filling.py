"""Packed images end to end: every container gives the store, the ids and the labels that files give."""

from pathlib import Path

import numpy as np
import pytest
from support.packers import PACKS, TEST, TRAIN, pictures, write_pack

from pipeline.core.tables import read_classes, read_index
from pipeline.images.store import open_store
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
