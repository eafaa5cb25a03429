"""A column of codes chosen beside columns of confidences: paired with the columns that the sample calls classes."""

import json
from pathlib import Path

import pytest
from support.competition_files import cells_and_sample, read, write

from pipeline.core.errors import InputError
from pipeline.data.describe.init import describe_local
from pipeline.data.describe.match import Choices

MIXED = [(k % 2, k / 4, k / 3) for k in range(12)]  # of both codes blue is the larger
SWAPPED = [(0, 0.1, 0.6), (1, 0.6, 0.1)]  # 0 is blue
HEADER = "kind,red_conf,blue_conf"


@pytest.mark.parametrize(
    ("cells", "more", "paired", "by"),
    [
        (MIXED, {}, {"red": "0", "blue": "1"}, "their order alone: 0 is red, 1 is blue"),
        ([(1, 0.1, 0.6), (2, 0.1, 0.6)], {}, {"red": "1", "blue": "2"}, "their order alone: 1 is red, 2 is blue"),
        (SWAPPED, {}, {"red": "1", "blue": "0"}, "the values of red_conf, blue_conf of train.csv: 0 is blue, 1 is"),
        ([("B", 1, 2), ("R", 1, 2)], {}, {"red": "R", "blue": "B"}, "the beginnings of their names: B is blue, R is"),
        (MIXED, {"kinds.json": json.dumps({"1": "red", "0": "blue"})}, {"red": "1", "blue": "0"}, "kinds.json: 0 is"),
    ],
)
def test_chosen_codes_are_paired_with_the_columns_of_the_sample(
    root: Path, cells: list[tuple[object, ...]], more: dict[str, str], paired: dict[str, str], by: str
) -> None:
    files = cells_and_sample(HEADER, "red,blue", cells, (0.5, 0.5)) | more
    said = describe_local(root, write(root, files), "it", Choices(label="kind"))
    assert f"check: columns of sample_submission.csv were paired with the classes by {by}" in said
    found = read(root, files, label="kind").submission
    assert (found.kind, found.model_dump()["columns"]) == ("probabilities", paired)


def test_chosen_codes_that_nothing_pairs_with_columns_are_refused(root: Path) -> None:
    files = cells_and_sample(HEADER, "red,blue", [(3 + 4 * (k % 2), k, 9) for k in range(12)], (0, 0))
    with pytest.raises(InputError, match="they do not match: columns without a class red, blue"):
        read(root, files, label="kind")
