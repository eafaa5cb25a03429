"""Class codes: tables that tell them, and tables of something else that hold unique numbers beside the classes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.competition_files import Files, images, read, rows, write

from pipeline.core.answers import LabelSubmission
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.data.describe.init import describe_local


def numbered(cells: tuple[int, ...], first: int = 101) -> Files:
    """Images of the classes 1 to 5, and a sample that shows cells that may be none of them."""
    tests = range(first, first + 10)
    return {
        "train.csv": rows("image,category", *((k, k % 5 + 1) for k in range(1, 31))),
        "sample_submission.csv": rows("image,category", *((k, cells[k % len(cells)]) for k in tests)),
        **images([f"train/{k}.png" for k in range(1, 31)] + [f"test/{k}.png" for k in tests]),
    }


def folders(cell: object) -> Files:
    """Folders of two classes, and a sample that shows one cell."""
    names = [f"train/{name}/{name}{k}.png" for name in ("ant", "bee") for k in range(6)]
    sample = rows("id,label", *((f"t{k}.png", cell) for k in range(3)))
    return {"sample_submission.csv": sample, **images([*names, *(f"test/t{k}.png" for k in range(3))])}


OTHERS: dict[str, str] = {
    "sizes.csv": rows(",image,width", *((k - 1, k, 300) for k in range(1, 31))),
    "boxes.csv": rows("label,image", *((k - 1, k) for k in range(1, 31))),
    "kinds.csv": rows("category,parent", *((k, k - 1) for k in range(1, 6))),
    "more.csv": rows("index,code", *((k, k - 1) for k in range(200))),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("cells", [(0,), (0, 1, 2)])
def test_a_list_of_images_or_of_something_else_shifts_no_answers(root: Path, name: str, cells: tuple[int, ...]) -> None:
    files = {**numbered(cells), name: OTHERS[name]}
    if len(cells) > 1:
        with pytest.raises(InputError, match="category holds 0, not among the 5 classes"):
            read(root, files)
        return
    found = read(root, files).submission
    assert isinstance(found, LabelSubmission)
    assert found.names is None


@pytest.mark.parametrize(("cells", "first"), [((0,), None), ((0, 4), "0")])
def test_one_number_among_numbers_is_no_code(root: Path, cells: tuple[int, ...], first: str | None) -> None:
    table = {"classes.csv": rows("category,code", *((k, k - 1) for k in range(1, 6)))}
    found = read(root, {**numbered(cells), **table}).submission
    assert isinstance(found, LabelSubmission)
    assert (found.names or {}).get("1") == first


def test_a_placeholder_that_a_person_tells_is_no_code(root: Path) -> None:
    table = {"classes.csv": rows("name,code", ("ant", 3), ("bee", 7))}
    found = read(root, {**folders(3), **table}, placeholder="3").submission
    assert isinstance(found, LabelSubmission)
    assert found.names == {}


def check_codes(root: Path, files: Files, code: bool) -> None:
    """Checks whether 3 and 7 are read as the codes of two classes, or refused."""
    if not code:
        with pytest.raises(InputError, match="label holds 3, not among the 2 classes"):
            read(root, files)
        return
    found = read(root, files).submission
    assert isinstance(found, LabelSubmission)
    assert found.names == {"ant": "3", "bee": "7"}


@pytest.mark.parametrize(
    ("head", "code"), [("n_images", False), ("parent_id", False), ("label", True), ("ClassId", True)]
)
def test_numbers_are_codes_in_columns_that_are_called_so(root: Path, head: str, code: bool) -> None:
    files = {**folders(3), "classes.csv": rows(f"name,{head},rank", ("ant", 3, 1), ("bee", 7, 3))}
    check_codes(root, files, code)


@pytest.mark.parametrize(("stem", "code"), [("class_counts", False), ("labels", True)])
def test_amounts_in_a_file_of_pairs_are_no_codes(root: Path, stem: str, code: bool) -> None:
    check_codes(root, {**folders(3), f"{stem}.json": '{"ant": 3, "bee": 7}'}, code)


@pytest.mark.parametrize(
    ("key", "given", "shown", "label"),
    [
        ("category_id", lambda k: k % 3, "0", "category_id"),
        ("label_id", lambda k: k % 3, "0", "label_id"),
        ("label_id", lambda k: k % 3, "bee", "category_name"),
        ("labelId", lambda k: [k % 3, (k + 1) % 3], "2 1 0", "labelId"),
        ("labelId", lambda k: [k % 3, (k + 1) % 3], "cow bee ant", "category_name"),
    ],
)
def test_labels_of_annotations_are_coco_s_category_by_number_or_by_name(
    root: Path, key: str, given: Callable[[int], object], shown: str, label: str
) -> None:
    whole = {
        "images": [{"id": k, "file_name": f"i{k}.png"} for k in range(12)],
        "annotations": [{"image_id": k, key: given(k)} for k in range(12)],
        "categories": [{"id": code, "name": name} for code, name in enumerate(("ant", "bee", "cow"))],
    }
    files: Files = {
        "train.json": json.dumps(whole),
        "sample_submission.csv": rows("id,label", *((f"t{k}", shown) for k in range(3))),
        **images([*(f"train/i{k}.png" for k in range(12)), *(f"test/t{k}.png" for k in range(3))]),
    }
    said = describe_local(root, write(root, files), metric="accuracy" if " " not in shown else "macro_f1")
    found = load_competition(root, "shape")
    assert found.train.model_dump()["label"] == label
    assert (found.class_names is None) is (label == "category_name" or key == "labelId")
    assert "as all end in" not in said
