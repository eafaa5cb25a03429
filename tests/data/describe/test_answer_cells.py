"""Cells of sample submissions that differ from the training table in form: written as the sample has them, or asked."""

from pathlib import Path

import pytest
from support.competition_files import cells_and_sample, images, read, rows, write

from pipeline.core.answers import DecisionSubmission, LabelSetSubmission, LabelSubmission, RankedSubmission
from pipeline.core.errors import InputError
from pipeline.core.targets.spec import GradesSpec
from pipeline.data.describe.description import describe_files
from pipeline.data.describe.match import Choices
from pipeline.data.describe.spellings import find_spelling
from pipeline.kaggle.answers.parts import find_length

SETS = [("haze|road",), ("road|water",), ("water|haze",), ("haze",)]
KINDS = [(name,) for name in ("ant", "bee", "cow", "dog")]


@pytest.mark.parametrize(("shown", "separator"), [('"haze, road"', ", "), ('"haze,road"', ","), ("haze|road", "|")])
def test_a_set_is_written_with_the_separator_of_the_sample_to_the_blank(root: Path, shown: str, separator: str) -> None:
    found = read(root, cells_and_sample("tags", "tags", SETS, (shown,)), "row_f1")
    assert isinstance(found.submission, LabelSetSubmission)
    assert found.submission.separator == separator


def test_a_list_is_written_with_the_separator_of_the_sample_to_the_blank(root: Path) -> None:
    found = read(root, cells_and_sample("kind", "kinds", KINDS, ('"ant, bee"',)), "map_2")
    assert isinstance(found.submission, RankedSubmission)
    assert found.submission.separator == ", "
    assert find_length(found.submission, ["ant, bee"]) == 2


@pytest.mark.parametrize(("last", "wanted"), [("haze", True), ("", False)])
def test_no_cell_stays_empty_where_every_training_image_has_a_label(root: Path, last: str, wanted: bool) -> None:
    found = read(root, cells_and_sample("tags", "tags", [*SETS[:3], (last,)], ("haze|road",)), "row_f1")
    assert isinstance(found.submission, LabelSetSubmission)
    assert found.submission.at_least_one is wanted


@pytest.mark.parametrize(("none", "wanted"), [((1, 1), True), ((0, 0), False)])
def test_marks_of_every_row_make_sets_with_at_least_one_label(root: Path, none: tuple[int, int], wanted: bool) -> None:
    files = cells_and_sample("haze,road", "tags", [(1, 1), none, (1, 0)], ("haze road",))
    found = read(root, files, "row_f1", label="haze,road", target="several_labels")
    assert isinstance(found.submission, LabelSetSubmission)
    assert found.submission.at_least_one is wanted


@pytest.mark.parametrize(
    "cells", [[("\"['haze', 'road']\"",), ("\"['road']\"",)], [('"[""haze"", ""road""]"',), ('"[""road""]"',)]]
)
def test_lists_in_brackets_are_refused_instead_of_read_with_their_brackets(root: Path, cells: list[tuple[str]]) -> None:
    with pytest.raises(InputError, match=r"tags of train.csv holds lists in brackets, such as \[.haze., .road.\]"):
        read(root, cells_and_sample("tags", "tags", cells, ("haze road",)), "row_f1")


@pytest.mark.parametrize("shown", ["ant", "new_kind", "new_kind new_kind"])
def test_a_metric_of_lists_makes_a_list_of_a_sample_that_shows_one_class(root: Path, shown: str) -> None:
    found = read(root, cells_and_sample("kind", "kind", KINDS, (shown,)), "map_3")
    assert isinstance(found.submission, RankedSubmission)
    assert (found.submission.k, found.submission.separator) == (3, " ")
    assert found.submission.new == (None if shown == "ant" else "new_kind")


def test_a_class_of_two_words_is_no_list(root: Path) -> None:
    found = read(
        root, cells_and_sample("kind", "kind", [("red ant",), ("bee",), ("cow",), ("dog",)], ("red ant",)), "map_3"
    )
    assert isinstance(found.submission, LabelSubmission)


BLANKS = [("ant red",), ("bee",), ("cat",)]


@pytest.mark.parametrize(("shown", "separator"), [('"ant red, bee"', ", "), ("bee;ant red", ";")])
def test_names_with_blanks_are_listed_where_the_sample_parts_them_otherwise(
    root: Path, shown: str, separator: str
) -> None:
    found = read(root, cells_and_sample("kind", "kind", BLANKS, (shown,)), "map_2")
    assert found.target.kind == "one_class"
    assert isinstance(found.submission, RankedSubmission)
    assert (found.submission.k, found.submission.separator) == (2, separator)


def test_names_with_blanks_between_blanks_are_asked_about_and_then_refused(root: Path) -> None:
    files = cells_and_sample("kind", "kind", BLANKS, ("ant red bee cat",))
    with pytest.raises(InputError, match="choose with --target 'one_class' or --target 'several_labels'"):
        read(root, files, "map_3")
    with pytest.raises(InputError, match="a blank is inside 'ant red': no reader could tell them apart; rename"):
        read(root, files, "map_3", target="one_class")


@pytest.mark.parametrize(
    ("cells", "shown", "metric", "words"),
    [
        (BLANKS, "bee", "map_2", "kind was read as one class, as the sample shows no list and names such as 'ant red'"),
        (BLANKS, '"ant red, bee"', "map_3", "map_3 counts the first 3, but kind lists 2"),
        (SETS, "haze|road|water", "map_2", "map_2 counts the first 2, but the sample's longest cell lists 3"),
    ],
)
def test_lists_that_the_metric_and_the_sample_count_otherwise_are_said(
    tmp_path: Path, cells: list[tuple[str]], shown: str, metric: str, words: str
) -> None:
    files = cells_and_sample("kind", "kind", cells, (shown,))
    check = describe_files(write(tmp_path / "files", files), Choices(), metric).check
    assert any(line.startswith(words) for line in check)


@pytest.mark.parametrize(
    ("shown", "names"),
    [
        ("ANT", {"ant": "ANT", "bee": "BEE", "cow": "COW", "dog": "DOG"}),
        ("Ant", {"ant": "Ant", "bee": "Bee", "cow": "Cow", "dog": "Dog"}),
    ],
)
def test_classes_are_written_as_the_sample_spells_them(root: Path, shown: str, names: dict[str, str]) -> None:
    found = read(root, cells_and_sample("kind", "kind", KINDS, (shown,)), "accuracy")
    assert isinstance(found.submission, LabelSubmission)
    assert found.submission.names == names


def test_whole_numbers_and_fractions_of_one_value_are_one_class(root: Path) -> None:
    found = read(root, cells_and_sample("grade", "grade", [("0.0",), ("1.0",), ("2.0",)], (0,)), "quadratic_kappa")
    assert isinstance(found.submission, LabelSubmission)
    assert found.submission.names == {"0.0": "0", "1.0": "1", "2.0": "2"}


def test_a_spelling_that_several_ways_explain_is_none() -> None:
    assert find_spelling(["red ant", "bee"], ["Red ant"]) == (
        "a capital letter first",
        {"red ant": "Red ant", "bee": "Bee"},
    )
    assert find_spelling(["red ant", "bee"], ["Bee"]) is None  # Red ant, or Red Ant?
    assert find_spelling(["ant", "bee"], ["wasp"]) is None
    assert find_spelling(["01", "1"], ["1"]) is None


@pytest.mark.parametrize(
    ("shown", "answers"),
    [("2", ("1", "2")), ("02", ("01", "02")), ("Red ant", ("Bee", "Red ant")), ("0", None), ("Wasp", None)],
)
def test_classes_numbered_one_after_the_other_are_written_by_the_half_that_the_sample_shows(
    shown: str, answers: tuple[str, str] | None
) -> None:
    """Birds of CUB: ``001.Black_footed_Albatross``."""
    found = find_spelling(["01.Bee", "02.Red ant"], [shown])
    assert (None if found is None else tuple(found[1].values())) == answers


@pytest.mark.parametrize(
    ("metric", "shown", "offered"),
    [("accuracy", "0", True), ("roc_auc", "0", False), ("roc_auc", "none", True), ("map_5", "nothing", True)],
)
def test_a_placeholder_is_offered_where_a_name_may_be_wanted(
    root: Path, metric: str, shown: str, offered: bool
) -> None:
    """ALASKA2: a 0 for the probability of three of four classes together is no name's place; a word may be one."""
    with pytest.raises(InputError, match=r"no probability of one of two|one probability for each row") as error:
        read(root, cells_and_sample("kind", "Label", KINDS, (shown,)), metric)
    assert (f"--placeholder '{shown}'" in str(error.value)) is offered


@pytest.mark.parametrize("classes", [["1 dollar", "5 dollars"], ["1. Bee", "1. Ant"], ["1.Bee", "Ant"]])
def test_numbers_before_classes_that_do_not_count_them_are_no_answers(classes: list[str]) -> None:
    assert find_spelling(classes, ["1"]) is None


@pytest.mark.parametrize(("classes", "positive"), [(("no", "yes"), "yes"), (("False", "True"), "True")])
def test_the_positive_class_of_yes_and_no_is_not_asked_for(root: Path, classes: tuple[str, str], positive: str) -> None:
    found = read(root, cells_and_sample("sick", "sick", [(name,) for name in classes], (0.5,)), "roc_auc")
    assert isinstance(found.submission, LabelSubmission)
    assert found.submission.positive == positive


def test_columns_of_false_and_true_are_answered_so(root: Path) -> None:
    files = cells_and_sample("x,y,z", "x,y,z", [(1, 1, 0), (0, 0, 0), (0, 1, 1)], ("False", "False", "False"))
    found = read(root, files, "macro_f1")
    assert isinstance(found.submission, DecisionSubmission)
    assert found.submission.marks == ("False", "True")


def test_columns_of_false_and_true_are_no_probabilities(root: Path) -> None:
    files = cells_and_sample("x,y,z", "x,y,z", [(1, 1, 0), (0, 0, 0), (0, 1, 1)], ("False", "False", "False"))
    with pytest.raises(InputError, match="x holds 'False', which is no number"):
        read(root, files, "roc_auc")


def test_a_blank_makes_no_number_of_marks_of_which_the_sample_shows_probabilities(root: Path) -> None:
    files = cells_and_sample("x,y", "x,y", [(1, 0), (0, 0), (0, 1), (1, 1), (0, 0), (1, "")], (0.5, 0.5))
    with pytest.raises(InputError, match="they hold blanks in addition to 0 and 1: for several labels write 0 or 1"):
        read(root, files)
    found = read(root, cells_and_sample("x", "x", [(1,), (0,), (0,), (1,), (0,), ("",)], (0.5,)))
    assert found.target.kind == "one_class"
    assert found.leave_out is not None
    assert found.leave_out.no_label


@pytest.mark.parametrize(("odd", "words"), [("-1", "-1"), ("", "blanks")])
def test_marks_that_are_neither_0_nor_1_are_asked_about(root: Path, odd: str, words: str) -> None:
    files = cells_and_sample("x,y,z", "x,y,z", [(1, 1, odd), (0, 0, 0), (0, 1, 1)], (0, 0, 0))
    with pytest.raises(
        InputError, match=f"they hold {words} in addition to 0 and 1: for several labels write 0 or 1 there"
    ):
        read(root, files, "roc_auc")


def test_a_patient_that_the_sample_asks_about_is_no_answer(root: Path) -> None:
    train = rows("image,patient,sick", *((f"a{n}", f"p{n // 3}", n // 3 % 2) for n in range(24)))
    files = cells_and_sample("x", "y", [(1,)], (1,)) | {
        "train.csv": train,
        "test.csv": rows("image,patient", *((f"b{n}", f"q{n // 2}") for n in range(6))),
        "sample_submission.csv": rows("patient,sick", *((f"q{n}", 0.5) for n in range(3))),
        **images([f"train/a{n}.png" for n in range(24)] + [f"test/b{n}.png" for n in range(6)], (32, 32)),
    }
    found = read(root, files, "roc_auc")
    assert found.target.kind == "one_class"
    assert found.submission.unit is not None
    assert found.submission.unit.train is not None


def test_the_order_of_grades_is_read_from_a_file(root: Path) -> None:
    cells = [('"mild, early"',), ("none",), ("bad",)]
    files = cells_and_sample("grade", "grade", cells, ("none",))
    order = root / "order.txt"
    order.write_text("\ufeffnone\nmild, early\n\n bad \n", encoding="utf-8")
    found = read(root, files, "quadratic_kappa", order=str(order))
    assert found.target == GradesSpec(kind="grades", order=("none", "mild, early", "bad"))


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_an_order_that_is_no_text_file_is_one_line(root: Path, content: bytes | None) -> None:
    order = root / "order.txt"
    if content is not None:
        order.write_bytes(content)
    files = cells_and_sample("grade", "grade", [("mild",), ("none",), ("bad",)], ("none",))
    with pytest.raises(InputError, match=r"order\.txt is no file of UTF-8 text .*; write one grade on each line"):
        read(root, files, "quadratic_kappa", order=str(order))


@pytest.mark.parametrize(
    ("cells", "target"), [([("mild",), ("none",), ("bad",)], "one_class"), ([("0",), ("1.5",), ("2",)], "numbers")]
)
def test_an_order_of_what_is_no_grade_is_refused(root: Path, cells: list[tuple[str]], target: str) -> None:
    files = cells_and_sample("grade", "grade", cells, cells[0])
    order = ",".join(cell for (cell,) in cells)
    with pytest.raises(InputError, match=f"is for one target of grades, and this one is {target}; leave --order"):
        read(root, files, order=order, target=target)


def test_a_separator_that_is_inside_labels_is_refused(root: Path) -> None:
    cells = [("red ant|bee",), ("bee|cow",), ("cow|red ant",)]
    with pytest.raises(InputError, match="tags lists labels between ' ', which is inside 1 labels, such as 'red ant'"):
        read(root, cells_and_sample("tags", "tags", cells, ("bee cow",)), "row_f1")
    assert not (root / "configs" / "competitions" / "shape.yaml").exists()


def test_a_group_with_one_value_is_refused_before_anything_is_written(root: Path) -> None:
    files = cells_and_sample("site,kind", "kind", [("x", "ant"), ("x", "bee")], ("ant",))
    with pytest.raises(InputError, match=r"--group site: all 12 rows of train\.csv have one value, 'x'"):
        read(root, files, "accuracy", group="site")
    assert not (root / "configs" / "competitions" / "shape.yaml").exists()


def test_a_sample_with_rows_of_images_and_rows_of_their_parts_is_refused_with_both(root: Path) -> None:
    files = images([*(f"train/{n}.png" for n in range(12)), *(f"test/{n}.png" for n in range(20, 24))])
    marks = [(n, n % 2, n % 3 // 2) for n in range(12)]
    asked = [*((n, 0.5) for n in range(20, 24)), ("exam_wet", 0.5), ("exam_dry", 0.5)]
    tables = {"train.csv": rows("id,wet,dry", *marks), "sample_submission.csv": rows("id,label", *asked)}
    told = r"rows of two kinds: 2 end in a label, such as 'exam_wet', and 4 do not, such as '20'"
    with pytest.raises(InputError, match=told):
        read(root, {**files, **tables}, "log_loss", label="wet,dry")


NUMBERED = [(5056,), (12387,), (22664,), (80041,)]


@pytest.mark.parametrize("placeholder", [None, "36363 53586 18807"])
def test_a_list_of_no_class_is_a_list_where_the_metric_counts_as_many(root: Path, placeholder: str | None) -> None:
    """Hotel-ID 2022: the sample lists five numbers, of hotels that are not in the training data."""
    chosen = {} if placeholder is None else {"placeholder": placeholder}
    found = read(root, cells_and_sample("hotel", "hotel", NUMBERED, ("36363 53586 18807",)), "map_3", **chosen)
    assert isinstance(found.submission, RankedSubmission)
    assert (found.submission.k, found.submission.separator) == (3, " ")


def test_a_placeholder_of_several_names_stands_for_no_class_where_lists_are_counted(root: Path) -> None:
    files = cells_and_sample("kind", "kind", KINDS, ("x y z",))
    with pytest.raises(InputError, match=r"holds 'x y z', as many names as map_3 counts, .* leave --placeholder out"):
        read(root, files, "map_3", placeholder="x y z")


@pytest.mark.parametrize(("shown", "metric"), [("36363 53586", "map_3"), ("36363 53586 x", "map_3"), ("7 8", None)])
def test_other_lists_of_no_class_are_refused(root: Path, shown: str, metric: str | None) -> None:
    with pytest.raises(InputError, match="not among the 4 classes"):
        read(root, cells_and_sample("hotel", "hotel", NUMBERED, (shown,)), metric)
