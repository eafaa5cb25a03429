"""Building submissions."""

import numpy as np
import pandas as pd
import pytest
from support.answers import make_class_sheet
from support.fabricated import CLASSES, random_probs

from pipeline.core.answers import LabelSubmission, ProbabilitySubmission, Submission
from pipeline.core.errors import InputError
from pipeline.core.predictions import Predictions
from pipeline.kaggle.submission import build_submission as build_by_sheet
from pipeline.kaggle.submission_checks import check_submission as check_by_sheet

LABEL = LabelSubmission(kind="label", sample="sample.csv", id="Id", label="Category")
PROBABILITY = ProbabilitySubmission(kind="probabilities", sample="sample.csv", id="Id")
PREDICTIONS = Predictions(
    ("10", "2", "007"), np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.25, 0.25, 0.5]], dtype=np.float32), CLASSES
)


def build_submission(predictions: Predictions, given: pd.DataFrame, section: Submission) -> pd.DataFrame:
    return build_by_sheet(predictions, make_class_sheet(given, section, predictions.classes))


def check_submission(frame: pd.DataFrame, given: pd.DataFrame, section: Submission, classes: tuple[str, ...]) -> None:
    check_by_sheet(frame, make_class_sheet(given, section, classes))


def sample(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"Id": ["007", "2", "10"]} | columns, dtype="str")


LABEL_SAMPLE = sample(Category=["ant", "ant", "ant"])
PROBABILITY_SAMPLE = sample(cat=["0"] * 3, ant=["0"] * 3, bee=["0"] * 3)


def test_labels_are_class_names_in_the_samples_order() -> None:
    frame = build_submission(PREDICTIONS, LABEL_SAMPLE, LABEL)
    assert frame.to_dict("list") == {"Id": ["007", "2", "10"], "Category": ["cat", "bee", "ant"]}


def test_original_label_values_are_written_as_they_stood() -> None:
    predictions = Predictions(("1", "2"), np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32), ("03", "1.0"))
    frame = build_submission(predictions, pd.DataFrame({"Id": ["1", "2"], "Category": ["03", "03"]}), LABEL)
    assert frame["Category"].tolist() == ["03", "1.0"]


def test_probabilities_stand_in_the_samples_columns_by_name() -> None:
    frame = build_submission(PREDICTIONS, PROBABILITY_SAMPLE, PROBABILITY)
    assert frame.columns.tolist() == ["Id", "cat", "ant", "bee"]
    np.testing.assert_allclose(frame["ant"].astype(float), [0.25, 0.1, 0.7], atol=1e-7)
    np.testing.assert_allclose(frame["cat"].astype(float), [0.5, 0.1, 0.1], atol=1e-7)


def test_columns_under_other_names_are_mapped_to_classes() -> None:
    mapped = ProbabilitySubmission(
        kind="probabilities", sample="s.csv", id="Id", columns={"p0": "ant", "p1": "bee", "p2": "cat"}
    )
    frame = build_submission(PREDICTIONS, sample(p2=["0"] * 3, p0=["0"] * 3, p1=["0"] * 3), mapped)
    np.testing.assert_allclose(frame["p2"].astype(float), [0.5, 0.1, 0.1], atol=1e-7)


def test_two_classes_may_be_one_probability() -> None:
    dogs = LabelSubmission(kind="label", sample="s.csv", id="id", label="label", positive="dog")
    predictions = Predictions(("1", "2"), np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32), ("cat", "dog"))
    dogs_sample = pd.DataFrame({"id": ["1", "2"], "label": ["0.5", "0.5"]})
    frame = build_submission(predictions, dogs_sample, dogs)
    np.testing.assert_allclose(frame["label"].astype(float), [0.1, 0.8], atol=1e-7)
    check_submission(frame, dogs_sample, dogs, ("cat", "dog"))


@pytest.mark.parametrize("positive", ["dgo", "dog"])
def test_one_probability_needs_two_classes_and_one_of_them(positive: str) -> None:
    submission = LabelSubmission(kind="label", sample="s.csv", id="Id", label="Category", positive=positive)
    with pytest.raises(InputError, match=f"submission.positive is '{positive}', wanted one of exactly two classes"):
        build_submission(PREDICTIONS, LABEL_SAMPLE, submission)


def test_the_id_column_may_stand_anywhere() -> None:
    frame = build_submission(PREDICTIONS, LABEL_SAMPLE[["Category", "Id"]], LABEL)
    assert frame.columns.tolist() == ["Category", "Id"]
    check_submission(frame, LABEL_SAMPLE[["Category", "Id"]], LABEL, CLASSES)


def test_the_order_of_the_predictions_changes_nothing() -> None:
    order = [2, 0, 1]
    shuffled = Predictions(tuple(PREDICTIONS.ids[row] for row in order), PREDICTIONS.probs[order], CLASSES)
    for submission, given in ((LABEL, LABEL_SAMPLE), (PROBABILITY, PROBABILITY_SAMPLE)):
        pd.testing.assert_frame_equal(
            build_submission(shuffled, given, submission), build_submission(PREDICTIONS, given, submission)
        )


def test_written_digits_still_sum_to_one() -> None:
    names = tuple(f"c{number}" for number in range(120))
    ids = [str(number) for number in range(500)]
    wide = pd.DataFrame({"Id": ids} | dict.fromkeys(names, "0"))
    probs = random_probs(500, 120, seed=0) ** 8
    frame = build_submission(
        Predictions(tuple(ids), probs / probs.sum(axis=1, keepdims=True), names), wide, PROBABILITY
    )
    check_submission(frame, wide, PROBABILITY, names)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (LABEL_SAMPLE.rename(columns={"Id": "ID"}), "has no id column 'Id'; did you mean ID"),
        (LABEL_SAMPLE.rename(columns={"Category": "Label"}), "has the columns Id, Label, wanted Id and Category"),
        (LABEL_SAMPLE.assign(more="0"), "has the columns Id, Category, more, wanted Id and Category"),
    ],
)
def test_a_sample_with_other_columns_is_refused(given: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_submission(PREDICTIONS, given, LABEL)


@pytest.mark.parametrize(
    ("given", "mapping", "message"),
    [
        (PROBABILITY_SAMPLE.drop(columns="bee"), None, "has no column for 1 classes: bee"),
        (PROBABILITY_SAMPLE.rename(columns={"bee": "beee"}), None, "'beee', which is not a class; did you mean bee"),
        (PROBABILITY_SAMPLE, {"bea": "bee"}, "submission.columns names 'bea', which sample submission .* lacks"),
        (PROBABILITY_SAMPLE.assign(wasp="0"), {"wasp": "bee"}, "classes of the columns: 1 ids .* more than once: bee"),
    ],
)
def test_a_sample_whose_columns_are_not_the_classes_is_refused(
    given: pd.DataFrame, mapping: dict[str, str] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        build_submission(PREDICTIONS, given, PROBABILITY.model_copy(update={"columns": mapping}))


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["007", "2"], r"0 ids without an image \(none\), 1 images without an id \(10\)"),
        (["007", "2", "10", "11"], r"1 ids without an image \(11\), 0 images without an id"),
        (["7", "2", "10"], r"1 ids without an image \(7\), 1 images without an id \(007\); check test"),
        (["007.png", "2.png", "10.png"], "they differ by the extension"),
        (["007", "2", "2"], "1 ids are there more than once: 2"),
    ],
)
def test_a_sample_whose_ids_are_not_the_test_images_is_refused(ids: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_submission(PREDICTIONS, pd.DataFrame({"Id": ids, "Category": "ant"}), LABEL)
