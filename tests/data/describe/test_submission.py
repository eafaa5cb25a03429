"""The sample submission, the metric and the solution of a competition nobody described yet."""

from pathlib import Path

import pytest
from support.competition_files import BREEDS, animals, cactus, cats, dog_breeds, read, rows, write

from pipeline.core.answers import LabelSubmission, ProbabilitySubmission, RankedSubmission
from pipeline.core.errors import InputError
from pipeline.data.describe.init import describe_local


def test_without_a_sample_submission_it_says_what_was_looked_for(root: Path) -> None:
    files = {name: content for name, content in animals().items() if not name.startswith("sample")}
    with pytest.raises(InputError, match="no sample submission: looked for a CSV whose name holds"):
        read(root, files)


def test_dogs_vs_cats_asks_whose_probability_is_wanted(root: Path) -> None:
    with pytest.raises(InputError, match="--positive 'cat' or --positive 'dog'"):
        read(root, cats())


def test_a_word_that_is_no_class_is_refused_until_it_is_said_to_replace_one(root: Path) -> None:
    files = animals() | {"sample_submission.csv": rows("Id,Category", *((n, "unknown") for n in range(3)))}
    with pytest.raises(
        InputError, match=r"Category holds unknown, not among the 2 classes .* --placeholder 'unknown' if"
    ):
        read(root, files)
    with pytest.raises(InputError, match=r"--placeholder x: sample_submission\.csv holds unknown instead"):
        read(root, files, placeholder="x")
    found = read(root, files, placeholder="unknown").submission
    assert isinstance(found, LabelSubmission)
    assert found.names == {}


@pytest.mark.parametrize(
    ("cells", "metric", "kind", "marks"),
    [
        ((0, 0, 1), "accuracy", "decisions", ("0", "1")),
        (("False", "False", "True"), "macro_f1", "decisions", ("False", "True")),
        ((0, 0, 1), "log_loss", "probabilities", None),
        ((0.3, 0.3, 0.4), "accuracy", "probabilities", None),
    ],
)
def test_columns_of_classes_hold_decisions_where_the_metric_and_the_sample_do(
    root: Path, cells: tuple[object, ...], metric: str, kind: str, marks: tuple[str, str] | None
) -> None:
    sample = rows("id," + ",".join(BREEDS), *((f"b{n}", *cells) for n in range(4)))
    found = read(root, dog_breeds() | {"sample_submission.csv": sample}, metric=metric).submission
    assert (found.kind, getattr(found, "marks", None)) == (kind, marks)


def test_columns_of_another_spelling_are_mapped(root: Path) -> None:
    sample = rows("id,class_Boxer,class_Dingo,class_Pug", *((f"b{n}", 0.3, 0.3, 0.4) for n in range(4)))
    found = read(root, dog_breeds() | {"sample_submission.csv": sample})
    assert isinstance(found.submission, ProbabilitySubmission)
    assert found.submission.columns == {f"class_{name.title()}": name for name in BREEDS}


def test_columns_that_fit_no_class_are_refused(root: Path) -> None:
    sample = rows("id,boxer,dingo,poodle", *((f"b{n}", 0.3, 0.3, 0.4) for n in range(4)))
    with pytest.raises(InputError, match="columns without a class poodle; classes without a column pug"):
        read(root, dog_breeds() | {"sample_submission.csv": sample})


def test_a_sample_whose_ids_name_no_image_is_refused(root: Path) -> None:
    files = animals() | {"sample_submission.csv": rows("Id,Category", *((f"z{n}", "ant") for n in range(3)))}
    with pytest.raises(
        InputError, match=r"no column of sample_submission\.csv names test images; it begins with z0, ant"
    ):
        read(root, files)


def test_a_solution_is_recognised(root: Path) -> None:
    files = animals() | {"solution.csv": rows("Id,Category", *((n, "bee") for n in range(3)))}
    assert read(root, files).solution == "solution.csv"


def test_a_metric_that_wants_probabilities_asks_for_them(root: Path) -> None:
    sample = rows("id,has_cactus", *((f"{n}d.jpg", 0) for n in range(4)))
    found = read(root, cactus() | {"sample_submission.csv": sample}, metric="roc_auc")
    assert isinstance(found.submission, LabelSubmission)
    assert (found.submission.positive, found.metric.name) == ("1", "roc_auc")


def test_top_k_takes_its_k_from_the_metric_name(root: Path) -> None:
    assert read(root, dog_breeds(), metric="top_2_accuracy").metric.k == 2


def test_a_metric_that_does_not_fit_the_submission_is_marked_to_check(root: Path) -> None:
    text = describe_local(root, write(root, dog_breeds()), metric="accuracy")
    assert "check: accuracy is computed from labels, but the sample submission asks for probabilities" in text


def test_an_unknown_metric_lists_near_ones(root: Path) -> None:
    with pytest.raises(InputError, match=r"--metric 'acuracy' is unknown; did you mean .*accuracy"):
        read(root, animals(), metric="acuracy")


def test_a_sample_that_lists_several_classes_in_a_cell_is_a_ranking(root: Path) -> None:
    files = animals() | {"sample_submission.csv": rows("Id,Category", *((n, "bee ant cat") for n in range(3)))}
    files |= {"train.csv": rows("Id,Category", *((n, ("ant", "bee", "cat", "dog")[n % 4]) for n in range(12)))}
    found = read(root, files, metric="map_3")
    assert isinstance(found.submission, RankedSubmission)
    assert (found.submission.k, found.submission.separator, found.metric.name) == (3, " ", "map_k")
