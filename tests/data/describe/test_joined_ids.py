"""Training tables with a row for each image and label, number or target, whose ids join both."""

from pathlib import Path

import pandas as pd
import pytest
from support.competition_files import Files, images, read, rows

from pipeline.core.errors import InputError
from pipeline.core.layouts import CsvImages, CsvOneHot
from pipeline.data.describe.joined_ids import find_joined_ids
from pipeline.data.describe.match import Choices, ImageFiles
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.prepared.preparing import encode_truth
from pipeline.data.prepared.training_records import list_training_records

KINDS = ("any", "left_eye", "eye")
MARKS = [
    (f"ID_{n:x}", name, int(place == n % 3 or name == "any")) for n in range(9) for place, name in enumerate(KINDS)
]


def scans(lines: list[tuple[str, object]] | None = None) -> Files:
    """Nine scans with a row for each finding; a sample with a row for each scan and finding."""
    names = [f"train/ID_{n:x}.png" for n in range(9)] + [f"test/ID_b{n}.png" for n in range(3)]
    lines = lines or [(f"{image}_{part}", mark) for image, part, mark in MARKS]
    return {
        **images(names),
        "stage_2_train.csv": rows("ID,Label", *lines),
        "sample_submission.csv": rows("ID,Label", *((f"ID_b{n}_{part}", 0.5) for n in range(3) for part in KINDS)),
    }


def test_rows_of_an_image_become_columns(root: Path) -> None:
    found = read(root, scans(), metric="log_loss")
    assert found.target.kind == "several_labels"
    assert isinstance(found.train, CsvOneHot)
    assert found.train.classes == KINDS
    target, truth = encode_truth(list_training_records(root / "unpacked", found)[0], found)
    assert target.columns == KINDS
    assert truth[:3].tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 1]]
    assert found.submission.model_dump()["rows"]["pattern"].endswith("(?P<part>any|left_eye|eye)")


def test_rows_that_stand_there_twice_count_once(root: Path) -> None:
    lines = [(f"{image}_{part}", mark) for image, part, mark in MARKS]
    found = read(root, scans([*lines, *lines[:2]]), metric="log_loss")
    assert len(list_training_records(root / "unpacked", found)[0]) == 9


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([("ID_0_any", 0)], "rows of 1 images contradict each other: ID_0; keep one of each"),
        ([("ID_z_any", 1)], "1 images have no row of one of any, left_eye, eye: ID_z; add their rows"),
        ([("ID_1-any", 1)], "1 ids do not match train.rows.pattern"),
    ],
)
def test_rows_that_fit_no_image_or_each_other_are_one_line(
    root: Path, lines: list[tuple[str, object]], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        read(root, scans([*((f"{image}_{part}", mark) for image, part, mark in MARKS), *lines]), metric="log_loss")


def test_numbers_of_an_image_become_columns(root: Path) -> None:
    files = dict(scans([(f"{image}_{part}", n * 0.37) for n, (image, part, _) in enumerate(MARKS)]))
    found = read(root, files, metric="rmse")
    assert "is computed from" not in (root / "configs" / "competitions" / "shape.yaml").read_text()
    assert found.target.kind == "numbers"
    assert isinstance(found.train, CsvImages)
    assert found.train.labels == KINDS


@pytest.mark.parametrize(("scans", "parts", "late"), [(3000, 4, False), (4000, 6, False), (3002, 4, True)])
def test_no_part_is_missed_in_a_long_table(scans: int, parts: int, late: bool) -> None:
    """Every sixth or twelfth row is of few parts alone; one part stands in the last rows alone."""
    names, kinds = [f"s{n}" for n in range(scans)], [f"p{n}" for n in range(parts)]
    cells = [(f"{name}_{kind}", "0") for name in names for kind in kinds[late:]]
    cells += [(f"{name}_{kinds[0]}", "1") for name in names[-2:]] if late else []
    table = pd.DataFrame(cells, columns=["ID", "Label"], dtype="str")
    images = ImageFiles([f"train/{name}.png" for name in names])
    sample = SampleSubmission("sample.csv", table.head(1))
    (joined,) = find_joined_ids(table, "train.csv", images, sample, Choices(label="Label"))
    assert set(joined.parts) == set(kinds)
