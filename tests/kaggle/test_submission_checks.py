"""Holding submissions to the sample: every refusal names row and column."""

from pathlib import Path

import pandas as pd
import pytest
from support.answers import make_class_sheet

from pipeline.core.answers import LabelSubmission, ProbabilitySubmission
from pipeline.core.errors import InputError
from pipeline.kaggle.submission_checks import check_submission, check_submission_file

CLASSES = ("ant", "bee", "cat")
LABEL = LabelSubmission(kind="label", sample="sample.csv", id="Id", label="Category")
PROBABILITY = ProbabilitySubmission(kind="probabilities", sample="sample.csv", id="Id")
LABEL_SAMPLE = pd.DataFrame({"Id": ["007", "2", "10"], "Category": "ant"}, dtype="str")
PROBABILITY_SAMPLE = pd.DataFrame({"Id": ["007", "2", "10"], "cat": "0", "ant": "0", "bee": "0"}, dtype="str")
GOOD_LABELS = "Id,Category\n007,cat\n2,bee\n10,ant\n"
GOOD_PROBABILITIES = "Id,cat,ant,bee\n007,0.5,0.25,0.25\n2,0.1,0.1,0.8\n10,0.1,0.7,0.2\n"


def check_labels(folder: Path, content: str | bytes) -> pd.DataFrame:
    return check_submission_file(write(folder, content), make_class_sheet(LABEL_SAMPLE, LABEL, CLASSES))


def check_probabilities(folder: Path, content: str | bytes) -> pd.DataFrame:
    return check_submission_file(write(folder, content), make_class_sheet(PROBABILITY_SAMPLE, PROBABILITY, CLASSES))


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "mine.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_good_files_pass_and_come_back_as_text(tmp_path: Path) -> None:
    assert check_labels(tmp_path, GOOD_LABELS)["Id"].tolist() == ["007", "2", "10"]
    assert check_probabilities(tmp_path, GOOD_PROBABILITIES)["bee"].tolist() == ["0.25", "0.8", "0.2"]


def test_numbers_pass_like_text() -> None:
    frame = pd.DataFrame({"Id": ["007", "2", "10"], "cat": [0.5, 0.1, 0.1], "ant": [0.25, 0.1, 0.7]})
    check_submission(
        frame.assign(bee=1 - frame["cat"] - frame["ant"]), make_class_sheet(PROBABILITY_SAMPLE, PROBABILITY, CLASSES)
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            "Id,Category\n2,bee\n007,cat\n10,ant\n",
            "row 1, column Id: id '2', wanted '007' as in the sample$",
            id="order",
        ),
        pytest.param(
            "Id,Category\n007,cat\n10,ant\n",
            "row 2, column Id: id '10', wanted '2' as in the sample; 1 ids are missing: 2$",
            id="missing id",
        ),
        pytest.param(
            "Id,Category\n007,cat\n2,bee\n",
            "row 3, column Id: the file ends, wanted '10' as in the sample; 1 ids are missing: 10$",
            id="missing last id",
        ),
        pytest.param(
            "Id,Category\n007,cat\n2,bee\n10,ant\n11,ant\n",
            "row 4, column Id: id '11' is not in the sample, which ends after 3 rows$",
            id="extra id",
        ),
        pytest.param(
            "Id,Category\n7,cat\n2,bee\n10,ant\n",
            "row 1, column Id: id '7' is not in the sample, wanted '007'$",
            id="zeros lost",
        ),
        pytest.param(
            "Id,Category\n007,cat\n2,bee\n2,ant\n",
            "row 3, column Id: id '2' is already in row 2; keep one row of each id$",
            id="duplicate",
        ),
        pytest.param(
            "Id,Category\n007,cat\n2,wasp\n10,ant\n",
            r"row 2 \(id 2\), column Category: 'wasp' is not a class; known: ant, bee, cat$",
            id="wrong class name",
        ),
        pytest.param(
            "Id,Category\n007,cat\n2,\n10,ant\n",
            r"row 2 \(id 2\), column Category: '' is not a class",
            id="no class name",
        ),
        pytest.param(
            "Category,Id\ncat,007\nbee,2\nant,10\n",
            "header, column 1: got 'Category', wanted 'Id' as in the sample, whose columns are Id, Category$",
            id="wrong column order",
        ),
        pytest.param("Id\n007\n2\n10\n", "header, column 2: it is missing, wanted 'Category'", id="missing column"),
        pytest.param(
            "Id,Category,more\n007,cat,1\n2,bee,1\n10,ant,1\n",
            "header, column 3: 'more' is not in the sample; remove it$",
            id="extra column",
        ),
        pytest.param(
            b"\xef\xbb\xbf" + GOOD_LABELS.encode(),
            "header, column 1: there is a byte order mark before 'Id'; save it as plain UTF-8$",
            id="BOM",
        ),
        pytest.param(GOOD_LABELS.encode("utf-16"), "header, column 1: there is a byte order mark", id="UTF-16"),
        pytest.param(
            GOOD_LABELS.replace("bee", "bée").encode("cp1252"),
            "submission row 2, column 2: it is not UTF-8; save it as plain UTF-8$",
            id="Windows-1252",
        ),
        pytest.param("", "header, column 1: the file is empty, wanted 'Id' as in the sample$", id="empty"),
        pytest.param("\n \n", "header, column 1: the file is empty", id="blank"),
        pytest.param(
            "Id,Category\n", "row 1, column Id: the file ends, wanted '007' .*; 3 ids are missing", id="header alone"
        ),
        pytest.param(
            GOOD_LABELS.replace(",", ";"), "header, column 1: the separator is ';', wanted a comma", id="semicolons"
        ),
        pytest.param("Id,Category\n007,cat\n2,bee,1\n", "mine.csv, line 3 has 3 cells, its header 2", id="ragged"),
    ],
)
def test_a_label_submission_that_does_not_fit_is_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        check_labels(tmp_path, content)
    assert str(caught.value).startswith(str(tmp_path / "mine.csv"))


@pytest.mark.parametrize("value", ["nan", "NaN", "", "inf", "-inf", "-0.1", "1.5", "none"])
def test_a_value_that_is_no_probability_names_its_row_and_column(tmp_path: Path, value: str) -> None:
    content = GOOD_PROBABILITIES.replace("2,0.1,0.1,0.8", f"2,0.1,{value},0.8")
    with pytest.raises(InputError, match=rf"row 2 \(id 2\), column ant: '{value}' is not a probability, wanted 0 to 1"):
        check_probabilities(tmp_path, content)


def test_rows_that_do_not_sum_to_one_are_refused(tmp_path: Path) -> None:
    content = GOOD_PROBABILITIES.replace("10,0.1,0.7,0.2", "10,0.1,0.71,0.2")
    with pytest.raises(InputError, match=r"row 3 \(id 10\), columns cat, ant, bee: the probabilities sum to 1.01, "):
        check_probabilities(tmp_path, content)


def test_probabilities_in_another_order_of_columns_are_refused(tmp_path: Path) -> None:
    content = GOOD_PROBABILITIES.replace("Id,cat,ant,bee", "Id,ant,cat,bee")
    with pytest.raises(InputError, match="header, column 2: got 'ant', wanted 'cat' as in the sample"):
        check_probabilities(tmp_path, content)


def test_one_probability_of_two_classes_is_checked_like_many(tmp_path: Path) -> None:
    dogs = LabelSubmission(kind="label", sample="s.csv", id="id", label="label", positive="dog")
    given = pd.DataFrame({"id": ["1", "2"], "label": "0.5"}, dtype="str")
    check_submission_file(write(tmp_path, "id,label\n1,0.25\n2,1\n"), make_class_sheet(given, dogs, ("cat", "dog")))
    with pytest.raises(InputError, match=r"row 2 \(id 2\), column label: 'dog' is not a probability"):
        check_submission_file(
            write(tmp_path, "id,label\n1,0.25\n2,dog\n"), make_class_sheet(given, dogs, ("cat", "dog"))
        )
