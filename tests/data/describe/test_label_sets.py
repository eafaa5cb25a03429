"""Label sets: cells of numbers that are labels, told from run lengths of masks."""

from pathlib import Path

import numpy as np
import pytest
from support.competition_files import Files, images, read, rows, write

from pipeline.core.answers import LabelSetSubmission
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.targets.contract import CELL_SEPARATOR
from pipeline.data.describe.init import describe_local
from pipeline.data.describe.label_sets import refuse_masks
from pipeline.data.prepared.records import list_records

TWELVE = ("1 4 9 12", "2 5 11 30", "0 3 7 20", "1 4 9 30")


def tags(name: str, cells: list[str]) -> Files:
    """Images with a cell each, and a sample that shows one label."""
    tests = [f"t{k}" for k in range(3)]
    return {
        "train.csv": rows(f"id,{name}", *((f"a{k}", cell) for k, cell in enumerate(cells))),
        "sample_submission.csv": rows(f"id,{name}", *((each, "1") for each in tests)),
        **images([*(f"train/a{k}.png" for k in range(len(cells))), *(f"test/{each}.png" for each in tests)]),
    }


def _list_few() -> list[str]:
    """Lists 56 cells of one or two labels of 31, and four of four labels."""
    few = [f"{k % 31} {(k * 7 + 3) % 31}" if k % 2 and k % 31 != (k * 7 + 3) % 31 else str(k % 31) for k in range(56)]
    return [*few, *TWELVE]


def _draw_masks(size: int, n: int) -> list[str]:
    """Draws run lengths of rectangles, some of them in two parts, numbered row by row."""
    rng, cells = np.random.default_rng(0), []
    for _ in range(n):
        top, left, width = (int(rng.integers(1, size // 3)) for _ in range(3))
        starts = [row * size + left for row in range(top, top + int(rng.integers(4, size // 3)))]
        cells.append(" ".join(f"{start} {width + place % 3}" for place, start in enumerate(starts)))
    return cells


SETS = {
    "Target": _list_few(),
    "attribute_ids": [f"{k % 5} {10 + k % 3} {100 + k % 4} {1000 + k % 6}" for k in range(30)],
    "masked_ids": [("1 2 3 4", "2 3 4 5", "1 3", "2")[k % 4] for k in range(12)],
}


@pytest.mark.parametrize("name", SETS)
def test_sets_of_numbers_are_no_masks(root: Path, name: str) -> None:
    found = read(root, tags(name, SETS[name]), metric="macro_f1")
    assert found.target.kind == "several_labels"
    assert isinstance(found.submission, LabelSetSubmission)


KINDS = (("kind", "ant"), ("colour", "red"))
SOME = ("16 0", "7 1 2 0", "5", "1", "18", "0", "25 2", "0 21", "19", "2")


@pytest.mark.parametrize("target", [None, "several_labels"])
def test_numbers_that_stand_alone_and_in_sets_are_labels_though_few_sets_share_one(
    root: Path, target: str | None
) -> None:
    """Ten cells of the Human Protein Atlas, which were read as ten classes, and --target as contradicting them."""
    cells = [SOME[k % 10] for k in range(40)]
    files = tags("Target", cells)
    found = read(root, files) if target is None else read(root, files, target=target)
    assert found.target.kind == "several_labels"
    assert isinstance(found.submission, LabelSetSubmission)


def test_a_person_says_that_names_which_do_not_recur_are_labels(root: Path) -> None:
    cells = [("ant bee", "cat", "dog elk", "fox")[k % 4] for k in range(24)]
    files: Files = {
        **tags("kinds", cells),
        "sample_submission.csv": rows("id,kinds", *((f"t{k}", "ant") for k in range(3))),
    }
    assert read(root, files, target="several_labels").target.model_dump()["separator"] == " "


def test_cells_without_a_separator_are_no_labels_whatever_a_person_says(root: Path) -> None:
    with pytest.raises(InputError, match="--target several_labels contradicts column kinds"):
        read(root, tags("kinds", [("ant", "cat")[k % 2] for k in range(24)]), target="several_labels")


@pytest.mark.parametrize(("joined", "blank"), [(False, 24), (False, 0), (True, 0)])
def test_masks_in_rows_of_an_image_are_refused_as_such(root: Path, joined: bool, blank: int) -> None:
    """Ships, a row for each; clouds, a row for each kind of them. They were read as labels, or as four classes."""
    masks = _draw_masks(256, 36)
    names = [f"a{k // 2}.png_{('Fish', 'Sugar')[k % 2]}" if joined else f"a{k * 2 // 3}.png" for k in range(36)]
    names, masks = [*names, *(f"b{k}.png" for k in range(blank))], [*masks, *blank * [""]]
    tests = [f"t{k // 2}.png_{('Fish', 'Sugar')[k % 2]}" if joined else f"t{k}.png" for k in range(6)]
    files: Files = {
        "train.csv": rows("ImageId,EncodedPixels", *zip(names, masks, strict=True)),
        "sample_submission.csv": rows("ImageId,EncodedPixels", *((name, "1 1") for name in tests)),
        **images([f"train/{name.rpartition('.png')[0]}.png" for name in names]),
        **images([f"test/{name.rpartition('.png')[0]}.png" for name in tests]),
    }
    with pytest.raises(InputError, match=r"column EncodedPixels of train\.csv holds masks"):
        read(root, files)


def test_rows_that_all_lack_an_answer_are_refused(root: Path) -> None:
    cells = [(f"a{k}_{name}", cell if at == k % 2 else "") for k in range(12) for at, (name, cell) in enumerate(KINDS)]
    files: Files = {
        "train.csv": rows("id,value", *cells),
        "sample_submission.csv": rows("id,value", *((f"t{k}_{name}", cell) for k in range(3) for name, cell in KINDS)),
        **images([*(f"train/a{k}.png" for k in range(12)), *(f"test/t{k}.png" for k in range(3))]),
    }
    with pytest.raises(InputError, match=r"one of its answers \(kind, colour\): nothing is left"):
        read(root, files)


@pytest.mark.parametrize("target", [None, "one_class"])
def test_a_person_may_say_that_numbers_are_no_masks(root: Path, target: str | None) -> None:
    files = tags("seen", [f"{9 * k + 1} 2 {9 * k + 5} 3" for k in range(12)])
    if target is None:
        with pytest.raises(InputError, match=r"column seen of train\.csv holds masks"):
            read(root, files, label="seen")
        return
    with pytest.raises(InputError, match="seen holds 1, not among the 12 classes"):
        read(root, files, label="seen", target=target)


@pytest.mark.parametrize("name", ["barley", "masked_ids", "bitmasks2", "purler"])
def test_a_mask_or_rle_within_a_word_makes_no_masks(name: str) -> None:
    refuse_masks(["1 4 9 12", "3", "5 8"], name, f"column {name}")


@pytest.mark.parametrize("name", ["rle", "EncodedPixels", "encoded_pixels", "RLEMask", "maskRle", "mask_1", "Masks"])
def test_one_mask_is_enough_in_a_column_called_so(name: str) -> None:
    with pytest.raises(InputError, match=f"column {name} holds masks, such as '1 4 9 12'"):
        refuse_masks(["1 4 9 12", "-1", "", "5 8"], name, f"column {name}")


@pytest.mark.parametrize(("size", "n"), [(128, 12), (24, 600)])
def test_masks_whose_numbers_recur_are_none_the_less_masks(size: int, n: int) -> None:
    cells = [*_draw_masks(size, n), *[""] * n, *["-1"] * n]
    with pytest.raises(InputError, match="column answer holds masks"):
        refuse_masks(cells, "answer", "column answer")


FINDINGS = ["none here", "mass", "mass|nodule", "nodule", "nodule|fibrosis", "fibrosis"]


def findings(cells: list[str], asked: list[str]) -> Files:
    """Images with a set of findings each, and a sample with a column of each that is asked for."""
    files = tags("finding", [cells[k % len(cells)] for k in range(24)])
    sample = rows("id," + ",".join(asked), *((f"t{k}", *[0.5] * len(asked)) for k in range(3)))
    return {**files, "sample_submission.csv": sample}


def test_a_label_that_stands_alone_and_is_not_asked_for_says_that_there_is_none(root: Path) -> None:
    found = read(root, findings(FINDINGS, ["mass", "nodule", "fibrosis"]), metric="roc_auc")
    assert found.target.model_dump() == {"kind": "several_labels", "separator": "|", "none": "none here"}
    cells = {record.label for record in list_records(root / "unpacked", found).train}
    assert cells == {"", "mass", "nodule", "fibrosis", *(CELL_SEPARATOR.join(each) for each in PAIRS)}


PAIRS = (("mass", "nodule"), ("nodule", "fibrosis"))


@pytest.mark.parametrize(
    ("cells", "asked"),
    [
        ([*FINDINGS, "none here|mass"], ["mass", "nodule", "fibrosis"]),
        (FINDINGS, ["mass", "nodule", "oedema"]),
        ([*FINDINGS, "oedema"], ["mass", "nodule", "fibrosis"]),
    ],
)
def test_labels_that_are_not_asked_for_are_no_word_for_none(root: Path, cells: list[str], asked: list[str]) -> None:
    with pytest.raises(InputError, match="they do not match: columns without a meaning"):
        read(root, findings(cells, asked), metric="roc_auc")


def test_rows_of_the_word_for_none_whose_image_is_missing_are_said(root: Path) -> None:
    files = {
        name: held for name, held in findings(FINDINGS, ["mass", "nodule", "fibrosis"]).items() if "a6." not in name
    }
    said = describe_local(root, write(root, files), metric="roc_auc")
    assert "check: 1 ids of train.csv have no image in train (a6): prepare will refuse them" in said
    assert load_competition(root, "shape").leave_out is None


def test_a_label_that_is_asked_for_stays_one(root: Path) -> None:
    found = read(root, findings(FINDINGS, ["mass", "nodule", "fibrosis", "none here"]), metric="roc_auc")
    assert found.target.model_dump()["none"] is None
