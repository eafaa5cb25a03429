"""Image files: listed in natural order, decoded, refused where they are missing."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from PIL import Image

from pipeline.core.errors import InputError
from pipeline.images.fitting import StorageForm
from pipeline.inference import image_files


def test_a_folder_is_searched_below_in_natural_order(tmp_path: Path) -> None:
    for name in ("10.png", "9.JPG", "notes.txt", "deep/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = image_files.find_image_files([str(tmp_path)])
    assert [str(path.relative_to(tmp_path)) for path in found] == ["9.JPG", "10.png", "deep/2.png"]


def test_patterns_are_filled_in_and_nothing_counts_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a1.png", "a10.png", "a2.png", "b.png"):
        (tmp_path / name).touch()
    assert [path.name for path in image_files.find_image_files(["a*.png", "a2.png"])] == ["a1.png", "a2.png", "a10.png"]
    assert len(image_files.find_image_files([str(tmp_path / "*.png")])) == 4


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("empty", "empty holds no images"),
        ("gone.png", "gone.png does not exist"),
        ("x*.png", r"no file matches x\*"),
        ("a**b/*.png", r"a\*\*b/\*\.png is not a valid pattern"),
        ("one.png\n" * 40, "is too long for a file name"),
    ],
)
def test_what_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=words):
        image_files.find_image_files([what])


@pytest.mark.parametrize("what", ["bad\udcff.png", "bad*.png"])
def test_a_name_that_cannot_be_written_down_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad\udcff.png").touch()
    with pytest.raises(InputError, match=r"'bad\\udcff\.png' has a name that is not UTF-8"):
        image_files.find_image_files([what])


def test_a_grey_picture_is_read_for_networks_of_colour(tmp_path: Path) -> None:
    Image.new("L", (30, 20), 77).save(tmp_path / "grey.png")
    images, problems = image_files.read_image_files([tmp_path / "grey.png"], StorageForm(8, 3, "crop"))
    assert images.shape == (1, 8, 8, 3)
    assert (images == 77).all()
    assert not problems


@pytest.mark.parametrize("slices", ["middle", "spread", "mean", "mosaic"])
def test_folders_of_slices_are_read_as_for_the_store(tmp_path: Path, slices: Literal["middle", "spread"]) -> None:
    for folder, shift in (("p1/CT", 0), ("p2", 100)):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(1, 11):
            Image.new("L", (8, 8), number * 10 + shift).save(tmp_path / folder / f"img-{number}.png")
    form = StorageForm(8, 3, "stretch", slices=slices, slice_count=4)
    found = image_files.gather_slices(image_files.find_image_files([str(tmp_path)]), form)
    assert found == [tmp_path / "p1" / "CT", tmp_path / "p2"]
    images, problems = image_files.read_image_files(found, form)
    assert not problems
    wanted = {"middle": [60] * 3, "spread": [20, 60, 90], "mean": [55, 55, 55], "mosaic": [20, 20, 20]}[slices]
    assert images[0, 0, 0].tolist() == wanted
    assert images[1, 0, 0].tolist() == [value + 100 for value in wanted]


def test_a_single_file_stays_one_where_slices_make_an_image(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 7).save(tmp_path / "a.png")
    form = StorageForm(8, 1, "stretch", slices="middle")
    found = image_files.gather_slices([tmp_path / "a.png"], form)
    assert image_files.read_image_files(found, form)[0].tolist() == [[[[7]] * 8] * 8]
    _, problems = image_files.read_image_files(found, replace(form, slices="mean"))
    assert "makes an image of a folder of slices" in problems[0]
