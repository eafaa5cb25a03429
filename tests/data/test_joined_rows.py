"""Rows whose ids join an image and a part, unfolded into a row for each image."""

import pandas as pd
import pytest

from pipeline.core.errors import InputError
from pipeline.core.file_layouts import JoinedRows
from pipeline.data.prepared.joined_rows import unfold_rows

ROWS = JoinedRows(pattern=r"(?P<image>.+)_(?P<part>[^_]+)", value="v")


def test_columns_that_an_image_agrees_on_stay() -> None:
    ids = ["i2_b", "i2_a", "i1_a", "i1_b"]
    cells = {"id": ids, "v": ["1", "2", "3", "4"], "patient": ["p", "p", "q", "q"], "n": ["1", "2", "3", "4"]}
    wide = unfold_rows(pd.DataFrame(cells, dtype="str"), "id", ROWS, ("a", "b"), "t")
    assert wide.to_dict("list") == {"id": ["i2", "i1"], "patient": ["p", "q"], "a": ["2", "3"], "b": ["1", "4"]}


def test_a_part_that_no_row_is_about_is_named() -> None:
    table = pd.DataFrame({"id": ["i_rust", "i_scab"], "v": ["1", "0"]}, dtype="str")
    with pytest.raises(InputError, match=r"no id ends in 'rusty', which train names; .*rust"):
        unfold_rows(table, "id", ROWS, ("rusty", "scab"), "t")


@pytest.mark.parametrize(("ids", "count"), [(["i_a", "i_b", "i_c", "j_c"], 2), (["i_a", "j_b", "j_c"], 1)])
def test_rows_of_a_part_that_is_not_listed_do_not_vanish(ids: list[str], count: int) -> None:
    table = pd.DataFrame({"id": ids, "v": ["1"] * len(ids)}, dtype="str")
    with pytest.raises(InputError, match=rf"{count} rows are about c, which train does not list; .*list it too"):
        unfold_rows(table, "id", ROWS, ("a", "b"), "t")


def test_an_image_without_a_row_of_a_part_is_named_with_the_part() -> None:
    table = pd.DataFrame({"id": ["i_a", "i_b", "j_b"], "v": ["1"] * 3}, dtype="str")
    with pytest.raises(InputError, match="1 images have no row of one of a, b: j"):
        unfold_rows(table, "id", ROWS, ("a", "b"), "t")
