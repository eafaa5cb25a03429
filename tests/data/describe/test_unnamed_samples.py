"""Sample submissions that no file name tells: known by the columns of the training table and one answer for all ids."""

from pathlib import Path

import pytest
from support.competition_files import Files, images, read, rows, write

from pipeline.core.errors import InputError
from pipeline.data.describe.init import describe_local
from pipeline.data.describe.match import Choices

KINDS = ("ant", "bee")


def files(tables: dict[str, tuple[str, range]]) -> Files:
    """Sixteen training and six test images, and tables of some ids with one kind each."""
    return {
        "train.csv": rows("id,kind", *((k, KINDS[k % 2]) for k in range(16))),
        **{path: rows("id,kind", *((k, kind) for k in ids)) for path, (kind, ids) in tables.items()},
        **images([f"train/{k}.png" for k in range(16)] + [f"test/{k}.png" for k in range(50, 56)]),
    }


@pytest.mark.parametrize("kind", ["ant", ""])
@pytest.mark.parametrize("paths", [["test.csv"], ["all_ants_benchmark.csv", "first_ants_benchmark.csv"]])
def test_one_answer_for_the_test_images_makes_a_sample(root: Path, kind: str, paths: list[str]) -> None:
    """Shopee's test.csv with category 43 in each row, and Galaxy Zoo's two benchmarks of 0 and 1."""
    shipped = files({path: (kind, range(50, 56)) for path in paths})
    said = describe_local(root, write(root, shipped), "it", Choices(), "accuracy")
    assert f"check: {paths[0]} was taken for the sample submission, as it has the columns" in said
    assert read(root, shipped, "accuracy").submission.sample == paths[0]


@pytest.mark.parametrize(
    ("tables", "offers"),
    [
        ({"stones.csv": ("ant", range(50, 56))}, "choose one with --sample 'stones.csv' if it lists the test images"),
        ({"test1.csv": ("ant", range(50, 53)), "test2.csv": ("ant", range(53, 56))}, "'test1.csv' or --sample 'test2"),
        ({"baseline.csv": ("ant", range(16))}, "choose one with --sample TABLE, or add"),
    ],
)
def test_a_table_that_may_be_anything_else_is_not_taken_for_a_sample(
    root: Path, tables: dict[str, tuple[str, range]], offers: str
) -> None:
    """Further images of one kind, two stages, answers for the training images."""
    with pytest.raises(InputError, match="has no sample submission: looked for") as error:
        read(root, files(tables))
    assert offers in str(error.value)


def test_a_feature_of_the_test_images_is_no_answer(root: Path) -> None:
    shipped = dict(files({})) | {
        "train.csv": rows("id,sex,kind", *((k, "mf"[k // 2 % 2], KINDS[k % 2]) for k in range(16))),
        "test.csv": rows("id,sex", *((k, "m") for k in range(50, 56))),
    }
    with pytest.raises(InputError, match="choose one with --sample TABLE, or add"):
        read(root, shipped)
