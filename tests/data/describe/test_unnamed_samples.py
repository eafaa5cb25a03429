"""Sample submissions that no file name tells: known by the columns of the training table and one answer for all ids."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.competition_files import Files, animals, images, read, rows, write

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


SITES = tuple(f"s{k // 2 % 3}" for k in range(16))


def two(header: str, train: Sequence[Sequence[object]], test: Sequence[object]) -> Files:
    """The images of ``files``, and both tables with these columns."""
    return dict(files({})) | {
        "train.csv": rows(f"id,{header}", *((k, *train[k % len(train)]) for k in range(16))),
        "test.csv": rows(f"id,{header}", *((k, *test) for k in range(50, 56))),
    }


@pytest.mark.parametrize(
    ("header", "train", "test"),
    [
        ("kind,site", [(KINDS[k % 2], SITES[k]) for k in range(16)], ("ant", "s0")),
        ("kind,split", [(kind, "train") for kind in KINDS], ("", "test")),
        ("split,mark", [(1, 0), (1, 1)], (0, 0)),
        ("width,height,kind", [(20, 20, kind) for kind in KINDS], (20, 20, "")),
        ("kind,age,sex", [(KINDS[k % 2], 40 + k, "mf"[k % 2]) for k in range(16)], ("", "", "")),
        ("mark,age,size", [(k % 2, 40 + k, 0.5 + k) for k in range(16)], ("", "", "")),
        ("grade,width", [(k % 5, 20 + k) for k in range(16)], (0, 0)),
    ],
)
def test_columns_that_may_hold_anything_else_are_asked_about(
    root: Path, header: str, train: Sequence[Sequence[object]], test: Sequence[object]
) -> None:
    """Sites, splits, sizes and persons would be predicted with the class."""
    with pytest.raises(InputError, match=r"choose one with --sample 'test\.csv' if it lists the test images"):
        read(root, two(header, train, test))


@pytest.mark.parametrize(
    ("header", "train"),
    [("ant,bee", [(1, 0), (0, 1)]), ("smooth,disk", [(k / 17, 0.5 + k / 40) for k in range(16)])],
)
def test_several_columns_of_marks_or_of_fractions_make_a_sample(
    root: Path, header: str, train: Sequence[Sequence[object]]
) -> None:
    assert read(root, two(header, train, (0, 0))).submission.sample == "test.csv"


@pytest.mark.parametrize("place", ["shots/{kind}/{k}", "{kind}/{k}", "train/{kind}.{k}"])
def test_a_table_of_persons_beside_classes_of_folders_or_names_is_no_sample(root: Path, place: str) -> None:
    places = [place.format(kind=KINDS[k // 2 % 2], k=k) for k in range(16)]
    shipped = dict(two("sex", ["m", "f"], ("m",)))
    shipped = {name: value for name, value in shipped.items() if not name.startswith("train/")}
    shipped |= images([f"{each}.png" for each in places])
    shipped["train.csv"] = rows("id,sex", *((each.rpartition("/")[2], "mf"[k % 2]) for k, each in enumerate(places)))
    with pytest.raises(InputError, match=r"choose one with --sample 'test\.csv'"):
        read(root, shipped)


def test_a_table_of_sites_beside_one_of_classes_is_no_sample(root: Path) -> None:
    shipped = dict(two("site", [(site,) for site in SITES], ("s0",)))
    shipped["kinds.csv"] = rows("id,kind", *((k, KINDS[k % 2]) for k in range(16)))
    shipped["test.csv"] = rows("id,site", *((k, "s0") for k in range(50, 56)))
    with pytest.raises(InputError, match=r"choose one with --sample 'test\.csv'"):
        read(root, shipped)


@pytest.mark.parametrize("extra", ["submission_info.csv", "train_sample.csv"])
def test_a_table_called_sample_submission_is_taken_before_others(root: Path, extra: str) -> None:
    files = {**animals(), extra: rows("index,image1", (0, "a.png"), (1, "b.png"))}
    assert read(root, files).submission.sample == "sample_submission.csv"


def test_a_table_to_submit_is_a_sample(root: Path) -> None:
    files = animals()
    files["submit.csv"] = files.pop("sample_submission.csv")
    assert read(root, files).submission.sample == "submit.csv"
