"""Columns that the sample submission asks for and that are no answer: named, with the row and the fix."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.competition_files import cells_and_sample, read, rows, write

from pipeline.core.competition import Competition
from pipeline.core.errors import InputError
from pipeline.data.describe.init import describe_local
from pipeline.data.describe.match import Choices

NUMBERS = [round(1.37 * n, 2) for n in range(12)]


def describe(
    root: Path, header: str, cells: Sequence[tuple[object, ...]], shown: tuple[object, ...], **given: str
) -> str:
    files = cells_and_sample(header, ",".join(header.split(",")[-len(shown) :]), cells, shown)
    with pytest.raises(InputError) as caught:
        describe_local(root, write(root, files), None, Choices(**given))
    assert not (root / "configs" / "competitions").exists()
    return str(caught.value)


@pytest.mark.parametrize("word", ["inf", "unknown", "n/a"])
@pytest.mark.parametrize("beside", [False, True])  # a column that looks like a label was taken instead
def test_a_word_among_numbers_is_named(root: Path, word: str, beside: bool) -> None:
    cells = [(*(["east", "west"][n % 2],) * beside, word if n == 7 else number) for n, number in enumerate(NUMBERS)]
    said = describe(root, "site,y" if beside else "y", cells, (0.5,))
    assert f"y of train.csv holds {word!r} among numbers, in 1 rows such as row 8: correct these cells" in said


def test_a_word_among_the_numbers_of_several_columns_is_named(root: Path) -> None:
    cells = [(number, "bad" if n == 3 else number + 1) for n, number in enumerate(NUMBERS)]
    assert "q of train.csv holds 'bad' among numbers, in 1 rows such as row 4" in describe(
        root, "p,q", cells, (0.5, 0.5)
    )


@pytest.mark.parametrize(("value", "given"), [(1.5, {}), ("ant", {}), (1.5, {"label": "y"}), ("ant", {"label": "y"})])
def test_one_value_in_all_rows_leaves_nothing_to_predict(root: Path, value: object, given: dict[str, str]) -> None:
    said = describe(root, "y", [(value,)], (value,), **given)
    assert f"{value} in all rows" in said.replace("'", "") or "1 class (ant)" in said
    assert "None" not in said


def test_numbers_of_each_row_its_own_are_no_grades(root: Path) -> None:
    said = describe(root, "y", [(number,) for number in NUMBERS], (0.5,), target="grades")
    assert "--target grades contradicts column y of train.csv" in said
    assert said.endswith("possible: one_class, numbers")


def test_a_pattern_that_finds_one_group_is_refused(root: Path) -> None:
    cells = [(("ant", "bee")[n % 2],) for n in range(12)]
    assert "--group '^(a)' finds 'a' in all ids, such as a0, which no two folds can share; correct it" in describe(
        root, "y", cells, ("ant",), group="^(a)"
    )


def test_a_separator_goes_with_cells_of_names(root: Path) -> None:
    found = read(root, cells_and_sample("p,q", "p,q", [(0, 1), (1, 1), (0, 0)], (0.5, 0.5))).model_dump()
    with pytest.raises(ValueError, match=r"target.separator is for cells of names, .* columns of 0 and 1: remove it"):
        Competition(**{**found, "target": {"kind": "several_labels", "separator": ";"}})


def test_masks_of_each_row_its_own_are_refused_where_the_sample_asks_for_them(root: Path) -> None:
    """HuBMAP's organs: ``rle`` is asked for, and no cell recurs; the organs beside it are no answer."""
    masks = [(("lung", "spleen")[n % 2], f"{n} 5 {n + 20} 4 {n + 90} 3") for n in range(12)]
    with pytest.raises(InputError, match=r"column rle of train\.csv holds masks, such as .*: pixels of each image"):
        read(root, cells_and_sample("organ,rle", "rle", masks, ("1 1",)))


@pytest.mark.parametrize(
    ("header", "row", "told"),
    [
        ("bbox,source", '"[1.0, 2, 30.5, 9]",usask', "bbox"),
        ("x,y,width,height,source", "1,2,30,9,usask", "x, y, width, height"),
        ("source,xmin,ymin,xmax,ymax", "usask,1,2,30,9", "xmin, ymin, xmax, ymax"),
    ],
)
def test_boxes_are_told_where_several_rows_name_an_image(root: Path, header: str, row: str, told: str) -> None:
    """Global Wheat Detection."""
    files = cells_and_sample("a", "PredictionString", [(1,)], ("1.0 0 0 50 50",))
    files["train.csv"] = rows(f"image_id,{header}", *((f"a{n // 2}", row) for n in range(24)))
    with pytest.raises(InputError, match=rf"{told} of train\.csv hold boxes: places in images are asked for"):
        read(root, files)
