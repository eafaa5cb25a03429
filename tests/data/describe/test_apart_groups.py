"""Groups of ids that no list of names holds: applied or named where test images have other values."""

from pathlib import Path

import pytest
from support.competition_files import Files, animals, image, rows, write

from pipeline.core.competition import load_competition
from pipeline.data.describe.init import describe_local


def kept(column: str, values: list[str], tests: list[str], alike: bool = False) -> Files:
    """48 images with a column of ids, and a table of the test images with theirs."""
    files = animals(48, len(tests))
    files["train.csv"] = rows(f"Id,Category,{column}", *((k, ("ant", "bee")[k % 2], values[k]) for k in range(48)))
    files["test.csv"] = rows(f"Id,{column}", *enumerate(tests))
    return files | ({f"train/{k}.png": image(k // 4) + bytes(k) for k in range(48)} if alike else {})


OWNERS = [f"r{k // 4}" for k in range(48)]
OTHERS = [f"s{k}" for k in range(6)]


def describe(root: Path, files: Files) -> tuple[str | None, str]:
    said = describe_local(root, write(root, files))
    group: str | None = load_competition(root, "shape").train.model_dump()["group"]
    return group, said


def test_a_column_whose_pictures_resemble_each_other_is_applied(root: Path) -> None:
    group, said = describe(root, kept("RescuerID", OWNERS, OTHERS, alike=True))
    assert group == "RescuerID"
    assert "check: images of one RescuerID share a fold; describe again with --group none" in said


def test_a_column_that_pictures_do_not_speak_for_is_named(root: Path) -> None:
    group, said = describe(root, kept("RescuerID", OWNERS, OTHERS))
    assert group is None
    assert "check: RescuerID: 12 values of up to 4 images, and test images are of others" in said
    assert "--group 'RescuerID' keeps the images of one together" in said


@pytest.mark.parametrize(
    ("column", "values", "tests"),
    [
        ("breed_id", OWNERS, ["r1", *OTHERS]),  # test images are of the same, too
        ("RescuerID", OWNERS, OTHERS[:2]),  # too few test images to tell
        ("colour", OWNERS, OTHERS),  # no id
        ("photo_id", [f"r{k}" for k in range(48)], OTHERS),  # each image its own
        ("vegetation_index", [f"0.{k // 4 + 10}" for k in range(48)], [f"0.{k}" for k in range(50, 56)]),  # measured
        ("RescuerID", [*OWNERS[:20], *[""] * 28], OTHERS),  # most rows lack it
    ],
)
def test_columns_that_may_be_anything_else_tie_nothing(
    root: Path, column: str, values: list[str], tests: list[str]
) -> None:
    group, said = describe(root, kept(column, values, tests, alike=True))
    assert (group, f"{column}:" in said) == (None, False)


def test_the_class_by_another_name_ties_nothing(root: Path) -> None:
    files = kept("kind_id", [f"r{k // 4 % 6}" for k in range(48)], OTHERS, alike=True)
    files = {
        **files,
        "train.csv": rows("Id,kind,kind_id", *((k, f"c{k // 4 % 6}", f"r{k // 4 % 6}") for k in range(48))),
    }
    files["sample_submission.csv"] = rows("Id,kind", *((k, "c0") for k in range(6)))
    group, said = describe(root, files)
    assert (group, "kind_id:" in said) == (None, False)


def test_numbers_of_rescuers_that_blanks_have_made_fractions_are_ids(root: Path) -> None:
    values = [*(f"{k // 4 + 20}.0" for k in range(44)), *[""] * 4]
    assert describe(root, kept("rescuer_num", values, OTHERS, alike=True))[0] == "rescuer_num"


@pytest.mark.parametrize(
    ("columns", "fine", "coarse", "chosen", "crosses"),
    [
        ("litter_id,RescuerID", 12, 2, "RescuerID", False),  # each litter is of one rescuer
        ("RescuerID,kennel_id", 5, 2, "RescuerID", True),
    ],
)
def test_of_several_columns_the_coarser_one_is_applied_and_what_crosses_it_is_named(
    root: Path, columns: str, fine: int, coarse: int, chosen: str, crosses: bool
) -> None:
    values = [f"l{k // 4 % fine},r{k // 4 // coarse}" for k in range(48)]
    group, said = describe(root, kept(columns, values, [f"x{k},y{k}" for k in range(6)], alike=True))
    assert (group, "check: kennel_id crosses RescuerID and is torn" in said) == (chosen, crosses)
    assert "litter_id" not in said
