"""Rows of an image and label that say whether the label is there, or how much of it."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from support.competition_files import images, labels, read, rows

from pipeline.core.competition import Competition
from pipeline.core.errors import InputError
from pipeline.core.layouts import CsvImages

LABELS = ("bell", "drum", "horn")
IMAGES = tuple(f"a{n}" for n in range(8))


def describe(root: Path, more: str, tell: Callable[[int, int], tuple[object, ...]], skip: bool = False) -> Competition:
    """Describes eight pictures with a row for each of three labels; some rows alone with ``skip``."""
    pairs = [(n, m) for n, m in product(range(8), range(3)) if not skip or (n + m) % 3]
    return read(
        root,
        {
            **images([f"train/{name}.png" for name in IMAGES] + [f"test/b{n}.png" for n in range(3)]),
            "train.csv": rows(f"image,finding,{more}", *((IMAGES[n], LABELS[m], *tell(n, m)) for n, m in pairs)),
            "sample.csv": rows("image,bell,drum,horn", *((f"b{n}", 0.5, 0.5, 0.5) for n in range(3))),
        },
        metric="roc_auc",
    )


def text(root: Path) -> str:
    return (root / "configs" / "competitions" / "shape.yaml").read_text()


@pytest.mark.parametrize("words", [("0", "1"), ("no", "yes"), ("False", "True"), ("0.0", "1.0")])
def test_labels_of_rows_that_say_no_are_absent(root: Path, words: tuple[str, str]) -> None:
    found = describe(root, "present", lambda n, m: (words[n >> m & 1],))
    assert isinstance(found.train, CsvImages)
    assert found.train.present == "present"
    assert "rows whose present is 0, false or no were read as labels that are absent, and 1 images" in text(root)
    assert [(cell or "").split("\x1f") for cell in labels(root, found).values()] == [
        [name for m, name in enumerate(LABELS) if n >> m & 1] or [""] for n in range(8)
    ]


def test_verified_absent_labels_are_told_where_some_rows_are_listed_alone(root: Path) -> None:
    found = describe(root, "Source,Confidence", lambda n, m: (f"reader {n * m % 3}", int(n % 2 == m % 2)), skip=True)
    assert isinstance(found.train, CsvImages)
    assert found.train.present == "Confidence"
    assert "# CHECK: Source differ between rows of one image" in text(root)


def test_rows_that_name_no_label_need_not_tell(root: Path) -> None:
    found = describe(root, "present", lambda n, m: (n >> m & 1,), skip=True)
    table = root / "unpacked" / "train.csv"
    table.write_text(table.read_text().replace("a0,drum,0\na0,horn,0\n", "a0,,\n"))
    assert labels(root, found)["train/a0.png"] == ""
    files = {name.name: name.read_text() for name in (root / "unpacked").glob("*.csv")}
    shown = images([f"train/{name}.png" for name in IMAGES] + [f"test/b{n}.png" for n in range(3)])
    (root / "configs" / "competitions" / "shape.yaml").unlink()
    (root.parent / "shape.zip").unlink()
    again = read(root, {**files, **shown}, metric="roc_auc")
    assert isinstance(again.train, CsvImages)
    assert again.train.present == "present"


@pytest.mark.parametrize(
    "tell", [lambda n, m: (0.5 * n + m,), lambda n, m: (n + m,), lambda n, m: ((0, 0.3, 1)[(n + m) % 3],)]
)
@pytest.mark.parametrize("skip", [False, True])
def test_amounts_are_refused(root: Path, tell: Callable[[int, int], tuple[object, ...]], skip: bool) -> None:
    with pytest.raises(InputError, match="whose value may say how much of it there is: such rows are not read; write"):
        describe(root, "value", tell, skip)


def test_two_columns_of_marks_and_rows_that_say_nothing_are_refused(root: Path) -> None:
    with pytest.raises(InputError, match="whose seen, sure may say"):
        describe(root, "seen,sure", lambda n, m: (n >> m & 1, n >> (2 - m) & 1))
    with pytest.raises(InputError, match="whose state may say"):
        describe(root, "state", lambda n, m: (("none", "weak", "strong")[(n + m) % 3],))


@pytest.mark.parametrize(
    ("more", "tell"),
    [
        ("x0,y0,occluded", lambda n, m: (n * 5 % 8 + m, n * m + 5, n >> m & 1)),  # boxes
        ("note", lambda n, m: (f"seen by {n * m}",)),
        ("row_id", lambda n, m: (n * 7 % 8 * 3 + m,)),
        ("number", lambda n, m: (n * 3 + m,)),
        ("code", lambda n, m: (m * 10,)),  # of the label
        ("male", lambda n, m: (n % 2,)),  # of the image
    ],
)
def test_other_columns_decide_nothing(root: Path, more: str, tell: Callable[[int, int], tuple[object, ...]]) -> None:
    found = describe(root, more, tell, skip=True)
    assert isinstance(found.train, CsvImages)
    assert found.train.present is None


def test_prepare_refuses_cells_that_say_neither(root: Path) -> None:
    found = describe(root, "present", lambda n, m: (n >> m & 1,))
    table = root / "unpacked" / "train.csv"
    table.write_text(table.read_text().replace("a3,horn,0", "a3,horn,perhaps"))
    with pytest.raises(InputError, match="present holds 'perhaps' in 1 rows such as row 12"):
        labels(root, found)


def test_present_is_about_rows_of_labels(root: Path) -> None:
    described = describe(root, "present", lambda n, m: (n >> m & 1,)).model_dump()
    with pytest.raises(ValueError, match=r"train\.present is about rows of one label each"):
        Competition(**{**described, "target": {"kind": "one_class"}})


def by_hand(root: Path, found: Competition, **keys: object) -> Competition:
    """The description as by hand, without ``present``."""
    described = found.model_dump()
    return Competition(**{**described, "train": {**described["train"], "present": None, **keys}})


@pytest.mark.parametrize("words", [("0", "1"), ("no", "yes"), ("False", "True")])
def test_a_description_without_present_is_refused_where_rows_say_nothing(root: Path, words: tuple[str, str]) -> None:
    found = describe(root, "male,there", lambda n, m: (n % 2, words[n >> m & 1]))
    said = rf"every image has a row of every finding.*write present: there under train.*if there, whose {words[0]} and"
    with pytest.raises(InputError, match=said):
        labels(root, by_hand(root, found))
    kept = labels(root, by_hand(root, found, present="there"))
    assert kept == labels(root, found)


def test_where_some_rows_are_listed_alone_a_line_says_so(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = describe(root, "there", lambda n, m: (n >> m & 1,), skip=True)
    capsys.readouterr()
    labels(root, found)
    assert capsys.readouterr().out == ""
    labels(root, by_hand(root, found))
    assert "without a look at there, whose 0 and 1 differ between the rows of an image" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "tell", "skip"),
    [
        ("male", lambda n, m: (n % 2,), False),  # of the image
        ("rare", lambda n, m: (m % 2,), False),  # of the label
        ("x0,y0,occluded", lambda n, m: (n * 5 % 8 + m, n * m + 5, n >> m & 1), True),  # boxes
    ],
)
def test_marks_of_images_of_labels_and_of_boxes_are_no_answers(
    root: Path,
    more: str,
    tell: Callable[[int, int], tuple[object, ...]],
    skip: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = by_hand(root, describe(root, more, tell, skip))
    capsys.readouterr()
    assert len(labels(root, found)) == 8
    assert capsys.readouterr().out == ""
