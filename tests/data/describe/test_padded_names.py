"""Ids that lost the zeros of their files' names are read by their numbers, and said to be."""

from pathlib import Path

import pytest
from support.competition_files import Files, images, labels, read, rows

from pipeline.core.errors import InputError
from pipeline.data.describe.description import describe_files
from pipeline.data.describe.match import Choices
from pipeline.data.prepared.image_folder import ImageFolder
from pipeline.data.prepared.records import list_records

COLOURS = ("red", "blue", "green")


def padded(train_ids: str = "{}", test_ids: str = "{}") -> dict[str, bytes | str]:
    """As Meesho's visual taxonomy: test and training images both begin at 000000.jpg."""
    return {
        "train.csv": rows("id,colour", *((train_ids.format(n), COLOURS[n % 3]) for n in range(15))),
        "sample_submission.csv": rows("id,colour", *((test_ids.format(n), "red") for n in range(8))),
        **images([f"train_images/{n:06d}.png" for n in range(15)] + [f"test_images/{n:06d}.png" for n in range(8)]),
    }


@pytest.mark.parametrize(
    ("train_ids", "test_ids"), [("{}", "{}"), ("{}", "{:06d}.png"), ("{:06d}.png", "{}"), ("{}", "{:06d}")]
)
def test_ids_without_the_zeros_of_their_files_name_these(root: Path, train_ids: str, test_ids: str) -> None:
    found = read(root, padded(train_ids, test_ids))
    assert labels(root, found) == {f"train_images/{n:06d}.png": COLOURS[n % 3] for n in range(15)}
    tests = list_records(root / "unpacked", found)[1]
    assert [(each.id, each.source) for each in tests] == [
        (test_ids.format(n), f"test_images/{n:06d}.png") for n in range(8)
    ]


def test_lost_zeros_are_told(root: Path) -> None:
    read(root, padded())
    found = describe_files(root.parent / "shape.zip", Choices(), None)
    assert [line for line in found.check if "zeros" in line] == [
        f"{n} ids of id name files except for zeros before a number: 0 is {place}/000000.png, 1 is {place}/000001.png, "
        f"2 is {place}/000002.png and {n - 3} more"
        for n, place in ((15, "train_images"), (8, "test_images"))
    ]


def test_numbers_with_zeros_of_several_lengths_are_told(root: Path) -> None:
    files = {name.replace("/00000", "/0"): value for name, value in padded().items()}
    files |= images([f"{home}_images/000.png" for home in ("train", "test")])
    with pytest.raises(InputError, match=r"id of train.csv names images except for zeros before a number, which a"):
        read(root, files)


def test_numbers_of_rows_beside_names_are_no_ids(root: Path) -> None:
    files: Files = padded() | {
        "train.csv": rows("row,file,colour", *((n, f"{14 - n:06d}.png", COLOURS[n % 3]) for n in range(15))),
        "sample_submission.csv": rows("file,colour", *((f"{n:06d}.png", "red") for n in range(8))),
    }
    found = read(root, files)
    assert labels(root, found) == {f"train_images/{14 - n:06d}.png": COLOURS[n % 3] for n in range(15)}


def test_an_id_that_fits_two_numbers_is_refused(tmp_path: Path) -> None:
    for name, content in images(["a/07.png", "a/007.png", "a/8.png"]).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    folder = ImageFolder(tmp_path, "a")
    assert folder.find(["8", "07", "007"], tmp_path) == ["a/8.png", "a/07.png", "a/007.png"]
    with pytest.raises(InputError, match=r"1 ids fit more than one image .*7 \(007.png, 07.png\)"):
        folder.find(["7"], tmp_path)
    with pytest.raises(InputError, match=r"1 ids have no image .*: 08"):
        folder.find(["08"], tmp_path)
