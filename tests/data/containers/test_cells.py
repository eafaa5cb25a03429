from decimal import Decimal

import numpy as np
import pytest

from pipeline.core.errors import InputError
from pipeline.data.containers.cells import explode_pictures, format_texts, holds_picture


def test_cells_become_text_to_the_digit() -> None:
    cells = ["007", Decimal("0.10"), 9007199254740993, np.int64(3), None, b"NA", True]
    assert format_texts(cells, "x") == ["007", "0.10", "9007199254740993", "3", "", "NA", "True"]


def test_whole_numbers_that_a_missing_one_made_floating_point_are_whole_again() -> None:
    assert format_texts([1.0, float("nan"), 0.0], "x") == ["1", "", "0"]
    assert format_texts([1.0, 0.5], "x") == ["1.0", "0.5"]


def test_a_list_of_values_is_one_cell_unless_it_could_be_read_in_two_ways() -> None:
    assert format_texts([[1, 2], ["a"], []], "x") == ["1|2", "a", ""]
    with pytest.raises(InputError, match=r"tags: .*hold '\|'"):
        format_texts([["a|b", "c"]], "tags")


def test_pictures_are_told_from_text_and_short_lists() -> None:
    assert holds_picture(b"\x89PNG\r\n\x1a\n\xff")
    assert not holds_picture(b"ISIC_0015670")
    assert holds_picture([Decimal("0.5")] * 64)
    assert not holds_picture([1, 2, 3, 4])
    assert holds_picture(np.zeros((8, 8), "uint8"))


def test_each_picture_of_a_document_is_a_row_that_keeps_the_documents_cells() -> None:
    document: dict[str, object] = {
        "_id": 5,
        "kind": "ant",
        "imgs": [{"picture": b"\xff\xd8"}, {"picture": b"\xff\xd9"}],
    }
    assert list(explode_pictures(iter([document]))) == [
        {"_id": 5, "kind": "ant", "imgs": "5_0", "imgs.picture": b"\xff\xd8"},
        {"_id": 5, "kind": "ant", "imgs": "5_1", "imgs.picture": b"\xff\xd9"},
    ]
