"""What measured recipes say of a competition that was not measured."""

from pathlib import Path

import pytest
from support.project_imports import ROOT

from pipeline.core.errors import InputError
from pipeline.core.paths import models_folder
from pipeline.planning.prior import UNKNOWN, DataSize, MeasuredRecipe, estimate_recipe, read_measured_recipes

HEAD = "recipe,competition,side,images,error,seconds,features\n"


def row(recipe: str, side: int, images: int, error: float, seconds: float) -> MeasuredRecipe:
    return MeasuredRecipe(
        recipe=recipe, competition=f"of{side}", side=side, images=images, error=error, seconds=seconds
    )


def test_seconds_grow_with_the_images_and_errors_are_relative_to_the_best() -> None:
    table = [row("a", 32, 1000, 0.1, 50), row("b", 32, 1000, 0.2, 10)]
    a, b = (estimate_recipe(name, DataSize(32, 4000), table) for name in "ab")
    assert a
    assert b
    assert [a.seconds, b.seconds] == pytest.approx([16 + 4 * 34, 5 + 4 * 5])
    assert a.relative_error < b.relative_error < 2 * UNKNOWN / 3 + 1
    assert (a.rows, b.rows) == (1, 1)


def test_what_sees_images_as_they_are_stored_takes_longer_where_they_are_larger() -> None:
    table = [row("a", 32, 1000, 0.1, 50)]
    fixed, grows = (estimate_recipe("a", DataSize(96, 1000), table, by_pixels) for by_pixels in (False, True))
    assert fixed
    assert grows
    assert [fixed.seconds, grows.seconds] == pytest.approx([50, 16 + 9 * 34])  # starting takes as long


def test_the_start_of_a_training_does_not_grow_with_the_images() -> None:
    (short, quick) = (estimate_recipe("a", DataSize(32, 10_000), [row("a", 32, 1000, 0.1, each)]) for each in (36, 4))
    assert short
    assert quick
    assert [short.seconds, quick.seconds] == pytest.approx([16 + 10 * 20, 2 + 10 * 2])


def test_a_row_of_data_of_the_same_size_weighs_more_than_one_of_another() -> None:
    table = [
        row("a", 8, 1000, 0.1, 10),
        row("b", 8, 1000, 0.4, 10),
        row("a", 224, 1000, 0.4, 90),
        row("b", 224, 1000, 0.1, 90),
    ]
    small, large = (estimate_recipe("a", DataSize(side, 1000), table) for side in (8, 224))
    assert small
    assert large
    assert small.relative_error < large.relative_error
    assert small.seconds < large.seconds


def test_the_farther_the_data_the_less_a_row_says() -> None:
    near, far = (estimate_recipe("a", DataSize(side, 1000), [row("a", 32, 1000, 0.1, 10)]) for side in (32, 1024))
    assert near
    assert far
    assert 1 < near.relative_error < far.relative_error < UNKNOWN


def test_of_a_recipe_without_rows_nothing_is_known() -> None:
    assert estimate_recipe("c", DataSize(32, 1000), [row("a", 32, 1000, 0.1, 10)]) is None


def test_the_shipped_table_names_recipes_that_are_there() -> None:
    table = read_measured_recipes(ROOT)
    known = {file.stem for file in models_folder(ROOT).glob("*.yaml")}
    assert {each.recipe for each in table} <= known
    assert len({(each.recipe, each.competition) for each in table}) == len(table)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEAD + "a,x,thirty,10,0.1,5,0\n", "row 1: side, images, error, seconds and features must be numbers"),
        (HEAD + "a,x,32,10,0.1\n", "row 1: side, images, error, seconds and features must be numbers"),
        (HEAD + "a,x,32,10,0.1,0,0\n", "numbers must be above 0"),
        (HEAD + "a,x,32,10,nan,5,0\n", "numbers must be above 0"),
        (HEAD + "a,x,32,10,0.1,5,6\n", "features must be from 0 to seconds"),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "measured_recipes.csv").write_text(text)
    with pytest.raises(InputError, match=problem):
        read_measured_recipes(tmp_path)


def test_a_table_that_is_gone_can_be_restored(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="git checkout"):
        read_measured_recipes(tmp_path)
