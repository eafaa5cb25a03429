"""Test rows whose ids a table holds beside the names of their images, blank ones among them."""

from pathlib import Path

import pytest
from support.competition_files import Files, images, read, rows

from pipeline.core.competition import Competition
from pipeline.core.errors import InputError
from pipeline.data.prepared.records import list_records


def one_table(told: int = 0) -> Files:
    """Twelve animals of two kinds and six that have no name, of which some are named; one table of all."""
    cells = [(n, ("max", "moritz")[n % 2], f"pics/{n % 3}/{n * 7}.png", "database") for n in range(12)]
    asked = [(n, "max" if n < 12 + told else "", f"pics/query/{n * 7}.png", "query") for n in range(12, 18)]
    return {
        "metadata.csv": rows("image_id,identity,path,split", *cells, *asked),
        "sample_submission.csv": rows("image_id,identity", *((n, "max") for n, *_ in asked)),
        **images([path for _, _, path, _ in [*cells, *asked]]),
    }


def items(blank: int = 3) -> Files:
    """Items with an amount each; some of twenty to train and of twelve to predict have no picture."""
    train = [(f"i{n}", f"x{n}" if n % 15 else "", n * 7 % 5 / 4) for n in range(20)]
    test = [(f"j{n}", f"y{n}" if n >= blank else "") for n in range(12)]
    names = [f"train/{name}.png" for _, name, _ in train if name] + [f"test/{name}.png" for _, name in test if name]
    return {
        "train.csv": rows("item,picture,amount", *train),
        "test.csv": rows("item,picture", *test),
        "sample_submission.csv": rows("item,amount", *((name, 0) for name, _ in test)),
        **images(names),
    }


def text(root: Path) -> str:
    return (root / "configs" / "competitions" / "shape.yaml").read_text()


def test_rows_without_a_label_that_the_sample_asks_for_are_tests(root: Path) -> None:
    found = read(root, one_table(), metric="accuracy")
    listed = list_records(root / "unpacked", found)
    assert [(each.id, each.source) for each in listed.test] == [
        (f"{n}", f"pics/query/{n * 7}.png") for n in range(12, 18)
    ]
    assert [(each.id, each.label) for each in listed.train[:2]] == [("0", "max"), ("1", "moritz")]
    assert len(listed.train) == 12
    assert "metadata.csv: 6 rows; image_id holds the ids of sample_submission.csv, path their images" in text(root)


def test_labelled_rows_that_the_sample_asks_for_are_refused(root: Path) -> None:
    with pytest.raises(InputError, match="names test images; it begins with"):
        read(root, one_table(told=6), metric="accuracy")


def test_a_written_table_of_all_images_predicts_no_labelled_rows(root: Path) -> None:
    found = read(root, one_table(), metric="accuracy")
    folder = root / "unpacked"
    (folder / "metadata.csv").write_text((folder / "metadata.csv").read_text().replace("17,,", "17,max,"))
    listed = list_records(folder, found)
    assert [each.id for each in listed.test] == [f"{n}" for n in range(12, 18)]  # the sample asks for 17
    (folder / "sample_submission.csv").write_text(rows("image_id,identity", (12, "max")))
    assert [each.id for each in list_records(folder, found).test] == [f"{n}" for n in range(12, 17)]


def test_test_rows_without_a_picture_are_predicted_from_a_black_one(root: Path) -> None:
    found = read(root, items(), metric="rmse")
    listed = list_records(root / "unpacked", found)
    assert [each.source for each in listed.test] == [""] * 3 + [f"test/y{n}.png" for n in range(3, 12)]
    assert [each.id for each in listed.test] == [f"j{n}" for n in range(12)]
    assert len(listed.train) == 18
    assert found.train.model_dump()["label"] == "amount"
    for line in (
        "# CHECK: 2 rows of train.csv name no image and are left out, see leave_out",
        "# CHECK: 3 ids of test.csv have no image in test: they are predicted from a black picture, see leave_out",
    ):
        assert line in text(root)


def test_a_table_whose_rows_mostly_name_no_picture_is_none(root: Path) -> None:
    with pytest.raises(InputError, match="names test images; it begins with"):
        read(root, items(blank=7), metric="rmse")


def test_whole_pictures_are_read_as_before(root: Path) -> None:
    found: Competition = read(root, items(blank=0), metric="rmse")
    assert found.submission.unit is not None
