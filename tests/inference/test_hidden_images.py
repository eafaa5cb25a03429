"""Test images that take the place of those that were shown: which are predicted, and in which rows."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support import tiny
from support.packers import hdf5

from pipeline.core.competition import Competition
from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.inference.hidden_images import list_hidden_images


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tiny.build(tmp_path)


def competition(**test: Any) -> Competition:
    data = tiny.describe("csv_images", "label", 12, 3, ("small_cnn",), False)
    return parse({**data, "test": {"layout": "images", "images": "test", **test}}, Competition, "a test")


def hide(base: Path, *names: str) -> None:
    """Exchanges the test images."""
    shutil.rmtree(base / "test")
    (base / "test").mkdir()
    for name in names:
        Image.new("RGB", (12, 12)).save(base / "test" / name)


def listed(base: Path, wanted: Competition) -> tuple[list[str], list[str]]:
    """The ids of the images, and those of the sample."""
    records, sample = list_hidden_images(base, wanted)
    assert list(sample.columns) == ["Id", "Label"]
    assert all((base / record.source).is_file() for record in records)
    return [record.id for record in records], sample["Id"].tolist()


def test_the_images_that_were_shown_keep_the_samples_order(base: Path) -> None:
    order = ["3", "1", "2", "0", "4", "5", "6", "7", "8"]
    pd.DataFrame({"Id": order, "Label": "cat"}).to_csv(base / "sample_submission.csv", index=False)
    assert listed(base, competition()) == (order, order)


def test_hidden_images_may_be_packed(base: Path) -> None:
    for names in (["0", "1", "2"], ["h2", "h1"]):
        content = {name: np.full((12, 12, 3), number, "uint8") for number, name in enumerate(names)}
        (base / "test.hdf5").write_bytes(hdf5(content))
        records, sample = list_hidden_images(base, competition(images="test.hdf5"))
        ids = [record.id for record in records]
        assert (sorted(ids), sample["Id"].tolist()) == (sorted(names), ids)


def test_a_sample_of_the_hidden_images_counts(base: Path) -> None:
    hide(base, "h2.png", "h1.png")
    pd.DataFrame({"Id": ["h2", "h1"], "Label": "cat"}).to_csv(base / "sample_submission.csv", index=False)
    assert listed(base, competition()) == (["h2", "h1"], ["h2", "h1"])


def test_where_the_sample_stayed_as_it_was_the_folder_counts(base: Path) -> None:
    hide(base, "h2.png", "h1.png", "h3.png")
    assert listed(base, competition()) == (["h1", "h2", "h3"], ["h1", "h2", "h3"])


def test_hidden_images_beside_those_that_were_shown_are_predicted_too(base: Path) -> None:
    Image.new("RGB", (12, 12)).save(base / "test" / "hidden.png")
    ids, sample = listed(base, competition())
    assert (len(ids), sample[-1]) == (10, "hidden")


def test_ids_keep_their_extension_where_the_sample_has_one(base: Path) -> None:
    hide(base, "h1.png")
    pd.DataFrame({"Id": ["0.png"], "Label": "cat"}).to_csv(base / "sample_submission.csv", index=False)
    assert listed(base, competition()) == (["h1.png"], ["h1.png"])


def test_a_table_that_names_the_hidden_images_counts(base: Path) -> None:
    hide(base, "h2.png", "h1.png")
    pd.DataFrame({"name": ["h2", "h1"]}).to_csv(base / "test.csv", index=False)
    assert listed(base, competition(listed_by="table", table="test.csv", id="name"))[0] == ["h2", "h1"]


def test_rows_of_pixels_are_as_many_as_the_table_has(tmp_path: Path) -> None:
    base = tiny.build(tmp_path, layout="csv_pixels")
    table = pd.read_csv(base / "test.csv")
    pd.concat([table, table]).to_csv(base / "test.csv", index=False)
    data = tiny.describe("csv_pixels", "label", 12, 3, ("small_cnn",), False)
    ids, sample = listed_pixels(base, parse(data, Competition, "a test"))
    assert ids == sample == [str(number) for number in range(1, 19)]


def listed_pixels(base: Path, wanted: Competition) -> tuple[list[str], list[str]]:
    records, sample = list_hidden_images(base, wanted)
    return [record.id for record in records], sample["Id"].tolist()


def test_a_folder_shared_with_the_training_images_is_read_by_the_sample(base: Path) -> None:
    for path in (base / "test").iterdir():
        path.rename(base / "train" / f"t{path.name}")
    pd.DataFrame({"Id": ["t1", "t0"], "Label": "cat"}).to_csv(base / "sample_submission.csv", index=False)
    assert listed(base, competition(images="train"))[0] == ["t1", "t0"]


def test_an_empty_test_folder_is_refused(base: Path) -> None:
    hide(base)
    with pytest.raises(InputError, match="9 ids have no image"):
        list_hidden_images(base, competition())
