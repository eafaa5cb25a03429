"""Test images in several folders, whose ids training images and others have, too."""

from pathlib import Path

import pytest
from support.competition_files import Files, images, read, rows, write

from pipeline.core.errors import InputError
from pipeline.data.describe.init import describe_local
from pipeline.data.describe.match import Choices
from pipeline.data.prepared.records import list_records


def stages(*more: str, tests: int = 10) -> Files:
    """Numbered images in two folders of tests; some training images have the same numbers."""
    train = [f"train/{('ant', 'bee')[n % 2]}/{n}.png" for n in (*range(7, 10), *range(20, 25))]
    tested = [f"test/{n}.png" for n in range(4)] + [f"test_stg2/{n}.png" for n in range(4, tests)]
    sample = rows("image,ant,bee", *((f"{n}.png", 0.5, 0.5) for n in range(10)))
    return {"sample_submission.csv": sample, **images([*train, *tested, *more])}


def test_ids_are_looked_for_outside_the_training_images(root: Path) -> None:
    found = read(root, stages(), metric="log_loss")
    listed = list_records(root / "unpacked", found)
    assert [each.source for each in listed.test] == [f"test{'_stg2' * (n > 3)}/{n}.png" for n in range(10)]
    assert len(listed.train) == 8
    text = (root / "configs" / "competitions" / "shape.yaml").read_text()
    assert "# CHECK: test images were read from several folders next to the training images: test, test_stg2" in text


def test_training_images_of_a_table_are_no_test_images_either(root: Path) -> None:
    files = {name: content for name, content in stages().items() if not name.startswith("train")}
    files |= {"train.csv": rows("image,kind", *((f"{n}.png", ("ant", "bee")[n % 2]) for n in range(7, 15)))}
    files |= images([f"train/{n}.png" for n in range(7, 15)])
    found = read(root, files, metric="log_loss")
    listed = list_records(root / "unpacked", found)
    assert {each.source for each in listed.test}.isdisjoint(each.source for each in listed.train)


def test_a_training_image_stands_in_for_no_lost_test_image(root: Path) -> None:
    with pytest.raises(InputError, match="1 ids have no image in"):
        read(root, stages(tests=9), metric="log_loss")


def test_ids_that_fit_several_other_images_are_named(root: Path) -> None:
    source = write(root, stages("additional/ant/5.png", "additional/bee/70.png"))
    with pytest.raises(InputError, match=r"1 ids of .* below \.: 5\.png \(additional/ant/5\.png, test_stg2/5\.png\)"):
        describe_local(root, source, None, Choices(train="train"), "log_loss")


def test_folders_of_missing_images_are_named(root: Path) -> None:
    source = write(root, stages(*(f"more/{n}.png" for n in range(10, 20)), *(f"more/{n}.png" for n in range(4))))
    said = describe_local(root, source, None, None, "log_loss")
    assert "4 ids of sample_submission.csv have no image in test_stg2: prepare will refuse them" in said
    assert "images of 4 of these ids are in more, test: move the test images into one folder" in said


def two_samples(more: Files | None = None) -> Files:
    """Two stages as MobileODT ships them: a sample and a folder of test images each, and additional classes."""
    header = "image_name,Type_1,Type_2,Type_3"
    names = [
        f"{part}/Type_{1 + k % 3}/{100 + k + 50 * (part == 'additional')}.png"
        for part in ("train", "additional")
        for k in range(18)
    ]
    return {
        "sample_submission.csv": rows(header, *((f"{k}.png", 0.2, 0.5, 0.3) for k in range(6))),
        "sample_submission_stg2.csv": rows(header, *((f"{k}.png", 0.2, 0.5, 0.3) for k in range(15))),
        **images([*names, *(f"test/{k}.png" for k in range(6)), *(f"test_stg2/{k}.png" for k in range(6, 15))]),
        **(more or {}),
    }


def test_folders_beside_classes_and_two_folders_of_test_images_are_left_out(root: Path) -> None:
    found = read(root, two_samples(), metric="log_loss", train="train", sample="sample_submission_stg2.csv")
    assert found.leave_out is not None
    assert found.leave_out.not_in_table
    assert found.test.model_dump()["images"] == "."


def test_the_sample_of_another_stage_is_no_training_data(root: Path) -> None:
    with pytest.raises(InputError, match="in 2 ways; choose with --train 'additional' or --train 'train'"):
        read(root, two_samples(), metric="log_loss", sample="sample_submission.csv")


def test_a_sample_with_a_column_of_row_numbers_is_refused(root: Path) -> None:
    header, *lines = str(two_samples()["sample_submission.csv"]).splitlines()
    numbered = "\n".join([f",{header}", *(f"{4 * k},{line}" for k, line in enumerate(lines))]) + "\n"
    with pytest.raises(
        InputError, match="has a column without a name, which numbers rows, in addition to image_name, Type_1"
    ):
        read(root, two_samples({"sample_submission.csv": numbered}), sample="sample_submission.csv", train="train")
