"""Kinds of targets and forms of answers, from files to what is prepared: one small layout for each."""

from pathlib import Path

import pytest
from support.competition_files import Files, animals, cells_and_sample, dog_breeds, images, read, rows, write

from pipeline.core.answers import (
    DecisionSubmission,
    LabelConfidenceSubmission,
    LabelSetSubmission,
    LabelSubmission,
    NumberSubmission,
    ProbabilitySubmission,
)
from pipeline.core.competition import Competition, load_competition
from pipeline.core.errors import InputError
from pipeline.core.targets.spec import GradesSpec, SeveralLabelsSpec
from pipeline.data.describe.init import describe_local
from pipeline.data.prepared.preparing import encode_truth
from pipeline.data.prepared.training_records import list_training_records

WORDS = ("haze", "haze road", "road water", "water haze", "road", "water")


def columns(root: Path, found: Competition) -> tuple[str, ...]:
    """What is predicted, from the unpacked files."""
    return encode_truth(list_training_records(root / "unpacked", found)[0], found)[0].columns


@pytest.mark.parametrize(("between", "within"), [(";", "|"), ("|", ";")])
def test_a_separator_that_stands_inside_names_parts_none(root: Path, between: str, within: str) -> None:
    names = (f"a{within}b", "c", f"d{within}e")
    sets = [names[:1], names[1:], names[::2], names, names[1:2], names[:2]]
    cells = [(between.join(each),) for each in sets]
    found = read(root, cells_and_sample("tags", "tags", cells, (between.join((names[1], names[0])),)))
    assert found.target == SeveralLabelsSpec(kind="several_labels", separator=between)


@pytest.mark.parametrize("separator", [" ", "|", ";"])
def test_cells_of_several_labels(root: Path, separator: str) -> None:
    cells = [(word.replace(" ", separator),) for word in WORDS]
    found = read(root, cells_and_sample("tags", "tags", cells, (separator.join(("haze", "road", "water")),)))
    assert found.target == SeveralLabelsSpec(kind="several_labels", separator=separator)
    assert isinstance(found.submission, LabelSetSubmission)
    assert found.submission.separator == separator
    assert columns(root, found) == ("haze", "road", "water")


PAIRS = ("old rust", "old scab", "wet scab", "wet rust")


@pytest.mark.parametrize(
    ("cells", "header", "shown", "kind"),
    [
        (PAIRS, "old,rust,scab,wet", (0, 1, 1, 0), "several_labels"),
        (PAIRS, ",".join(PAIRS), (0, 1, 0, 0), "one_class"),
        (PAIRS, "Kind", ("rust",), "several_labels"),
        (("late_rust old", "scab old", "scab wet", "late_rust wet", "good"), "Kind", ("good",), "several_labels"),
    ],
)
def test_the_sample_or_the_names_tell_sets_from_names(
    root: Path, cells: tuple[str, ...], header: str, shown: tuple[object, ...], kind: str
) -> None:
    found = read(root, cells_and_sample("Kind", header, [(cell,) for cell in cells], shown))
    assert found.target.kind == kind


@pytest.mark.parametrize("cells", [PAIRS, ("red_fox adult", "red_fox young", "grey_fox adult", "grey_fox young")])
def test_sets_whose_labels_never_stand_alone_are_asked_for_in_words(root: Path, cells: tuple[str, ...]) -> None:
    files = cells_and_sample("Kind", "Kind", [(cell,) for cell in cells], (cells[0],))
    with pytest.raises(InputError, match=r"\(one class of that name, or the labels \w+ and \w+\)"):
        read(root, files)


def test_names_of_two_words_stay_classes(root: Path) -> None:
    names = ("Common wheat", "Fat Hen", "Sugar beet")
    found = read(root, cells_and_sample("species", "species", [(name,) for name in names], ("Fat Hen",)))
    assert found.target.kind == "one_class"
    assert columns(root, found) == names


@pytest.mark.parametrize(("metric", "form"), [("roc_auc", ProbabilitySubmission), ("macro_f1", DecisionSubmission)])
def test_columns_that_mark_several_labels_or_none(root: Path, metric: str, form: type) -> None:
    found = read(root, cells_and_sample("x,y,z", "x,y,z", [(1, 1, 0), (0, 0, 0), (0, 1, 1)], (0, 0, 0)), metric)
    assert found.target.kind == "several_labels"
    assert isinstance(found.submission, form)
    assert columns(root, found) == ("x", "y", "z")


def test_whole_numbers_of_each_row_its_own_are_measurements_where_the_sample_asks_for_them(root: Path) -> None:
    found = read(root, cells_and_sample("days", "days", [(100 + 7 * n,) for n in range(12)], (0,)))
    assert (found.target.kind, found.metric.name) == ("numbers", "rmse")


def test_columns_that_end_alike_are_paired_with_those_of_the_sample(root: Path) -> None:
    files = cells_and_sample("X4_mean,X11_mean", "X11,X4", [(1.5, 20.5), (2.25, 3), (0.5, -1)], (0, 0))
    found = read(root, files, "r2", label="X4_mean,X11_mean").submission
    assert found.kind == "numbers"
    assert found.columns == {"X4": "X4_mean", "X11": "X11_mean"}


PLANTS = [(k % 3, 1.5 + k, 20.5 - k, 0.1 * k, 0.2 + k) for k in range(12)]


def test_columns_of_the_sample_s_names_and_one_ending_are_the_numbers_asked_for(root: Path) -> None:
    """PlantTraits: each trait's mean and its spread, beside features that the test table has, too."""
    files = cells_and_sample("soil,X4_mean,X11_mean,X4_sd,X11_sd", "X4,X11", PLANTS, (0, 0))
    files["test.csv"] = rows("Id,soil", *((f"b{n}", n) for n in range(3)))
    said = describe_local(root, write(root, files), metric="r2")
    found = load_competition(root, "shape")
    assert found.train.model_dump()["label"] == ("X4_mean", "X11_mean")
    assert found.submission.kind == "numbers"
    assert "check: X4_mean, X11_mean of train.csv were taken for X4, X11 of sample_submission.csv, as all end" in said


def test_two_endings_of_values_are_asked_about_by_the_columns_to_choose(root: Path) -> None:
    files = cells_and_sample("soil,X4_mean,X11_mean,X4_median,X11_median", "X4,X11", PLANTS, (0, 0))
    with pytest.raises(InputError, match="--label 'X4_mean,X11_mean' or --label 'X4_median,X11_median' or"):
        read(root, files, "r2")


@pytest.mark.parametrize("told", [None, "", 1])
def test_an_ending_beside_a_column_that_may_be_the_answer_is_asked_about(root: Path, told: object) -> None:
    """Confidences beside the code of the class, which the list of test images has not, or not of each image."""
    files = cells_and_sample("kind,red_conf,blue_conf", "red,blue", [(k % 2, k / 4, k / 3) for k in range(12)], (0, 0))
    if told is not None:
        files["test.csv"] = rows("Id,kind", *((f"b{n}", told) for n in range(3)))
    with pytest.raises(InputError, match="in 2 ways; choose with --label 'red_conf,blue_conf' or --label 'kind'"):
        read(root, files)


@pytest.mark.parametrize("more", ["", "soil,"])
def test_spreads_and_marks_of_missing_values_are_taken_for_no_answers(root: Path, more: str) -> None:
    cells = [(*(["clay", "sand"][k % 2 :][:1] if more else []), 0.1 * k, 0.2 + k) for k in range(12)]
    spreads = cells_and_sample(f"{more}X4_sd,X11_sd", "X4,X11", cells, (1.5, 2.5))
    asked = "choose with --label 'X4_sd,X11_sd' or --label 'soil'" if more else "choose with --label, several with"
    with pytest.raises(InputError, match=asked):
        read(root, spreads, "rmse")
    flags = cells_and_sample("X4_missing,X11_missing", "X4,X11", [(0, 1), (1, 1), (0, 0)], (1.5, 2.5))
    with pytest.raises(InputError, match="in 3 ways; choose with --label 'X4_missing,X11_missing' or --label"):
        read(root, flags, "rmse")


def test_columns_that_end_alike_are_no_answers_beside_folders_called_as_the_columns_of_the_sample(root: Path) -> None:
    files = cells_and_sample("red_score,blue_score", "red,blue", [(k / 4, k / 3) for k in range(12)], (0.5, 0.5))
    files = {name: value for name, value in files.items() if not name.startswith("train/")}
    files |= images([f"train/{('red', 'blue')[n % 2]}/a{n}.png" for n in range(12)])
    assert read(root, files).train.layout == "folders"


def test_columns_that_end_alike_are_no_answers_beside_the_classes_of_the_sample(root: Path) -> None:
    """Colours of pictures, and kinds that the sample's columns spell otherwise."""
    colours = [(("Red hat", "Blue hat")[k % 2], 0.5 + k, 0.25 + k) for k in range(12)]
    files = cells_and_sample("kind,red_mean,blue_mean", "red,blue", colours, (0.5, 0.5))
    assert columns(root, read(root, files)) == ("Blue hat", "Red hat")


def test_columns_that_the_list_of_test_images_holds_are_no_answers(root: Path) -> None:
    files = cells_and_sample("kind,red_mean,blue_mean", "red,blue", [(k % 3, k / 4, k / 3) for k in range(12)], (0, 0))
    files["test.csv"] = rows("Id,red_mean,blue_mean", *((f"b{n}", 0.5, 0.25) for n in range(3)))
    with pytest.raises(InputError, match="do not match: columns without a class red, blue"):
        read(root, files)


def test_grades_by_value_and_by_order(root: Path) -> None:
    found = read(root, cells_and_sample("grade", "grade", [(0,), (10,), (2,)], (0,)), "quadratic_kappa")
    assert found.target == GradesSpec(kind="grades")
    assert columns(root, found) == ("0", "2", "10")


def test_grades_in_words_ask_for_their_order(root: Path) -> None:
    files = cells_and_sample("grade", "grade", [("mild",), ("bad",), ("worse",)], ("mild",))
    with pytest.raises(InputError, match="give --order LOWEST"):
        read(root, files, "quadratic_kappa")
    with pytest.raises(InputError, match="it lacks worse and names none"):
        read(root, files, "quadratic_kappa", order="mild,bad")
    with pytest.raises(InputError, match="--order mild,bad,worse,bad names bad more than once; name each once"):
        read(root, files, "quadratic_kappa", order="mild,bad,worse,bad")
    found = read(root, files, "quadratic_kappa", order="mild,bad,worse")
    assert columns(root, found) == ("mild", "bad", "worse")


def test_numbers_in_several_columns(root: Path) -> None:
    found = read(root, cells_and_sample("mass,width", "mass,width", [(1.5, 20), (2.25, 3), (0.5, -1)], (0, 0)), "rmse")
    assert found.target.kind == "numbers"
    assert isinstance(found.submission, NumberSubmission)
    assert columns(root, found) == ("mass", "width")


def test_votes_that_the_sample_wants_as_shares(root: Path) -> None:
    found = read(root, cells_and_sample("cat,dog", "cat,dog", [(3, 1), (0, 2), (5, 5)], (0.5, 0.5)))
    assert (found.target.kind, found.metric.name) == ("vote_shares", "kl_divergence")
    assert isinstance(found.submission, ProbabilitySubmission)


def test_several_targets_in_columns(root: Path) -> None:
    found = read(root, cells_and_sample("root,tone", "root,tone", [("ka", "x"), ("ki", "y"), ("ku", "x")], ("ka", "x")))
    assert found.target.kind == "several_targets"
    assert isinstance(found.submission, DecisionSubmission)
    assert columns(root, found) == ("root:ka", "root:ki", "root:ku", "tone:x", "tone:y")


def test_a_class_with_its_confidence(root: Path) -> None:
    found = read(root, cells_and_sample("place", "places", [(7,), (203,), (137790,)], ("137790 0.0979",)))
    assert isinstance(found.submission, LabelConfidenceSubmission)
    assert found.metric.name == "gap"


def test_a_confidence_before_its_class_is_no_list_of_two_classes(root: Path) -> None:
    files = cells_and_sample("place", "place", [(7,), (203,), (137790,)], ("0.0979 137790",))
    with pytest.raises(InputError, match=r"place holds '0.0979 137790', where 0.0979 is no class and no probability"):
        read(root, files)


@pytest.mark.parametrize(("metric", "names"), [("accuracy", {"ant": "0", "bee": "1"}), ("roc_auc", None)])
def test_0_and_1_stand_for_two_named_classes_or_a_probability(
    root: Path, metric: str, names: dict[str, str] | None
) -> None:
    files = animals() | {"sample_submission.csv": rows("Id,Category", *((n, 0) for n in range(3)))}
    found = read(root, files, metric, positive="bee")
    assert isinstance(found.submission, LabelSubmission)
    assert found.submission.names == names
    assert (found.submission.positive is None) == (names is not None)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("numbers", "contradicts column Category"), ("labels", "is no kind of target"), ("vote_shares", "contradicts")],
)
def test_a_kind_that_the_cells_contradict_is_refused(root: Path, kind: str, words: str) -> None:
    with pytest.raises(InputError, match=f"--target {kind} {words}"):
        read(root, animals(), target=kind)


def test_a_cell_that_no_form_explains_is_refused(root: Path) -> None:
    files = animals() | {"sample_submission.csv": rows("Id,Category", *((n, "14 1 0 0 1 1") for n in range(3)))}
    with pytest.raises(InputError, match="Category holds 14 1 0 0 1 1, not among the 2 classes"):
        read(root, files)


def test_a_list_as_long_as_the_classes_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match=r"--metric map_4: there are 3 classes .*, and a list holds each once at most"):
        read(root, dog_breeds(), "map_4")
    with pytest.raises(InputError, match="--metric top_3_accuracy: there are 3 classes"):
        read(root, dog_breeds(), "top_3_accuracy")


@pytest.mark.parametrize("metric", ["top_2_accuracy", "recall_2", "map_3"])
def test_a_list_as_long_as_the_classes_of_one_of_several_targets_is_refused(root: Path, metric: str) -> None:
    files = cells_and_sample("root,tone", "root,tone", [("ka", "x"), ("ki", "y"), ("ku", "x")], ("ka", "x"))
    with pytest.raises(InputError, match=rf"--metric {metric}: there are 2 classes of target tone \(x, y\), and"):
        read(root, files, metric)
    assert read(root, files, "map_2").metric.k == 2  # the order of both counts


def grade_folders() -> Files:
    names = [f"train/{name}/{n}.png" for name in ("mild", "none", "severe") for n in range(4)]
    sample = rows("id,grade", *((f"t{n}", "none") for n in range(3)))
    return {"sample_submission.csv": sample, **images([*names, *(f"test/t{n}.png" for n in range(3))])}


def test_folders_of_grades_in_words_need_an_order_and_take_it(root: Path) -> None:
    with pytest.raises(InputError, match="mild, none, severe, whose order only a person knows; give --order"):
        read(root, grade_folders(), metric="quadratic_kappa")
    found = read(root, grade_folders(), metric="quadratic_kappa", order="none,mild,severe")
    assert found.target == GradesSpec(kind="grades", order=("none", "mild", "severe"))
    assert columns(root, found) == ("none", "mild", "severe")


def test_file_names_take_an_order(root: Path) -> None:
    names = [f"train/{name}.{n}.png" for name in ("mild", "severe") for n in range(4)]
    sample = rows("id,grade", *((f"t{n}", "mild") for n in range(3)))
    files: Files = {"sample_submission.csv": sample, **images([*names, *(f"test/t{n}.png" for n in range(3))])}
    found = read(root, files, order="severe,mild")
    assert found.target == GradesSpec(kind="grades", order=("severe", "mild"))


@pytest.mark.parametrize(
    ("metric", "choices", "message"),
    [
        (None, {"target": "several_labels"}, "--target several_labels contradicts train, where each image has one"),
        ("r2", {}, "--metric r2 judges numbers, but in train each image has one class"),
        (None, {"order": "none,mild"}, "it lacks severe and names none in addition"),
    ],
)
def test_folders_refuse_kinds_of_other_targets(
    root: Path, metric: str | None, choices: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read(root, grade_folders(), metric, **choices)


MARKS = [(1, 1, 0), (0, 0, 0), (0, 1, 1), (1, 0, 1)]


@pytest.mark.parametrize(
    ("train", "ends", "words"),
    [
        ("p,q,r", "", "is called z: it has p, q and, not asked for, r;"),
        (
            "p,q,r",
            "pqz",
            "is called z: it has p, q and, not asked for, r;",
        ),
        ("p,q", "pz", "is called z: it has p and, not asked for, q;"),
        ("p,q", "pqz", "is called z: it has p, q;"),
    ],
)
def test_a_label_that_no_training_column_holds_is_named(root: Path, train: str, ends: str, words: str) -> None:
    files = cells_and_sample(train, "p,q,z", [row[: len(train) // 2 + 1] for row in MARKS], (0.5, 0.5, 0.5))
    if ends:
        files["sample_submission.csv"] = rows("Id,v", *((f"b{n}_{end}", 0.5) for n in range(3) for end in ends))
    with pytest.raises(InputError, match=rf"asks for .*, and no column of train\.csv {words}"):
        read(root, files)


def test_a_name_that_only_the_sample_holds_is_said_with_what_to_write(root: Path) -> None:
    cells = [("ant bee",), ("ant",), ("bee cat",), ("cat",)]
    said = describe_local(root, write(root, cells_and_sample("y", "y", cells, ("ant dog",))))
    assert "y names dog, which no training image has, so that it is never answered: if it is another spelling" in said
