"""Rules about training rows: those left out are listed with their reason, groups come from ids or from a list."""

from pathlib import Path

import pandas as pd
import pytest
from support import tiny

from pipeline.core import tables
from pipeline.core.competition import Competition
from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.files import read_json
from pipeline.core.paths import prepared_folder
from pipeline.core.row_rules import Groups
from pipeline.data.prepared.records import ListedRecords, list_records
from pipeline.stages import fetch, prepare


def _images(base: Path, *names: str) -> None:
    for name in names:
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"decoded later")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Images 1 to 4 and a test image, with their tables."""
    _images(tmp_path, "train/1.png", "train/2.png", "train/3.png", "train/4.png", "test/1.png")
    (tmp_path / "train.csv").write_text(
        "Id,Label,quality,width\n1,dog,good,9\n2,cat,bad,20\n3,dog,good,\n4,cat,good,20\n"
    )
    (tmp_path / "sample_submission.csv").write_text("Id,Label\n1,cat\n")
    return tmp_path


def _list(base: Path, layout: str = "csv_images", **keys: object) -> ListedRecords:
    data = tiny.describe(layout, "label", 8, 3, ("small_cnn",), False)
    for key, value in keys.items():
        data[key] = {**data[key], **value} if key == "train" and isinstance(value, dict) else value  # type: ignore[dict-item]
    return list_records(base, parse(data, Competition, "tiny.yaml"))


def test_rows_without_label_or_image_are_left_out_by_a_rule_and_listed(base: Path) -> None:
    (base / "train.csv").write_text("Id,Label\n1,dog\n2,cat\n3,\n4,nan\n.DS_Store,\n77,cat\n")
    listed = _list(base, leave_out={"no_label": True, "no_image": True})
    assert [record.id for record in listed.train] == ["1", "2"]
    assert listed.left_out == [
        ("3", "it has no label"),
        ("4", "it has no label"),
        (".DS_Store", "it has no label"),
        ("77", "it has no image"),
    ]


def test_test_rows_without_an_image_stay_without_a_file_where_a_rule_says_so(base: Path) -> None:
    (base / "sample_submission.csv").write_text("Id,Label\n77,cat\n1,cat\n")
    with pytest.raises(InputError, match=r"77; .* leave_out: {no_image: true}, which .* predicts such test rows"):
        _list(base)
    listed = _list(base, leave_out={"no_image": True})
    assert [(record.id, record.files) for record in listed.test] == [("77", ()), ("1", ("test/1.png",))]
    (base / "sample_submission.csv").write_text("Id,Label\n77,cat\n1,cat\n78,cat\n")
    with pytest.raises(InputError, match=r"2 ids have no image in .*test: 77, 78"):
        _list(base, leave_out={"no_image": True})


def test_ids_and_rows_that_meet_a_condition_are_left_out(base: Path) -> None:
    _images(base, "train/5.png")
    with (base / "train.csv").open("a") as file:
        file.write("5,cat,good,30\n")
    rules = [{"column": "quality", "equals": ["bad"]}, {"column": "width", "below": 10}]
    listed = _list(base, leave_out={"ids": ["4"], "rows": rules})
    assert [record.id for record in listed.train] == ["3", "5"]
    assert {row.id: row.reason for row in listed.left_out} == {
        "1": "width below 10",
        "2": "quality is bad",
        "4": "leave_out.ids names it",
    }


def test_images_that_no_row_names_are_left_out_when_a_rule_says_so(base: Path) -> None:
    _images(base, "train/5.png", "test/6.png")
    with pytest.raises(InputError, match=r"2 images have no id in any table: test/6.png, train/5.png; .*not_in_table"):
        _list(base)
    listed = _list(base, leave_out={"not_in_table": True})
    assert [row.id for row in listed.left_out] == ["test/6.png", "train/5.png"]


def test_classes_with_few_images_are_left_out(base: Path) -> None:
    _images(base, "train/5.png")
    with (base / "train.csv").open("a") as file:
        file.write("5,owl,good,30\n")
    listed = _list(base, leave_out={"classes_rarer_than": 2})
    assert {record.label for record in listed.train} == {"dog", "cat"}
    assert listed.left_out == [("5", "its class owl has 1 images")]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"ids": ["77"]}, "has no ids 77; correct leave_out.ids"),
        ({"classes_rarer_than": 9}, "there is no train image after 4 were left out; correct leave_out in"),
        ({"rows": [{"column": "qualty", "equals": ["bad"]}]}, "no column 'qualty'; did you mean 'quality'"),
        ({"rows": [{"column": "quality", "below": 3}]}, "quality holds 'good' in row 1, which is no number"),
        ({"rows": [{"column": "quality"}]}, "one of equals, below and above"),
    ],
)
def test_rules_that_do_not_fit_the_table_are_refused(base: Path, rules: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        _list(base, leave_out=rules)


def test_images_in_folders_are_left_out_by_path_and_know_no_rules_of_rows(base: Path) -> None:
    _images(base, "kinds/cat/1.png", "kinds/cat/2.png", "kinds/dog/3.png")
    train = {"images": "kinds"}
    listed = _list(base, "folders", train=train, leave_out={"ids": ["cat/2.png"]})
    assert [record.id for record in listed.train] == ["cat/1.png", "dog/3.png"]
    with pytest.raises(InputError, match=r"leave_out.no_label is about the rows of a table, train.layout is folders"):
        _list(base, "folders", train=train, leave_out={"no_label": True})
    with pytest.raises(InputError, match=r"names cat/9.png, which are no training images"):
        _list(base, "folders", train=train, leave_out={"ids": ["cat/9.png"]})


def test_a_table_of_groups_may_name_images_by_the_folders_above_them(base: Path) -> None:
    _images(base, "all/kinds/cat/1.png", "all/kinds/cat/2.png", "all/kinds/dog/3.png")
    (base / "meta.csv").write_text("path,who\nkinds/cat/1.png,p\nkinds/cat/2.png,q\nkinds/dog/3.png,q\ntest/1.png,r\n")
    groups = {"table": "meta.csv", "id": "path", "column": "who"}
    listed = _list(base, "folders", train={"images": "all/kinds"}, groups=groups)
    assert [record.group for record in listed.train] == ["p", "q", "q"]


@pytest.mark.slow
def test_a_row_of_pixels_that_is_left_out_shifts_no_other(tmp_path: Path) -> None:
    tiny.build(tmp_path, "csv_pixels", per_class=4, n_test=3, zipped=False)
    fetch.run(tmp_path)
    prepare.run(tmp_path)
    prepared = prepared_folder(tmp_path)
    before = tables.read_index(prepared / "train.csv").set_index("id")
    path = next((tmp_path / "configs/competitions").glob("*.yaml"))
    path.write_text(path.read_text() + "leave_out: {ids: ['3', '5']}\n")
    prepare.run(tmp_path)
    after = tables.read_index(prepared / "train.csv").set_index("id")
    assert set(before.index) - set(after.index) == {"3", "5"}
    pd.testing.assert_frame_equal(after, before.loc[after.index])
    assert [row["id"] for row in read_json(prepared / "report.json", "")["left_out"]] == ["3", "5"]


def test_a_pattern_ties_images_by_their_ids(base: Path) -> None:
    _images(base, "eyes/10_left.png", "eyes/10_right.png", "eyes/x.png")
    (base / "train.csv").write_text("Id,Label\n10_left,a\n10_right,b\nx,a\n")
    with pytest.raises(InputError, match=r"groups.pattern '\(zzz\)' finds no group in any training id, such as "):
        _list(base, train={"images": "eyes"}, groups={"pattern": "(zzz)"})
    listed = _list(base, train={"images": "eyes"}, groups={"pattern": r"^(\d+)_"})
    assert [record.group for record in listed.train] == ["10", "10", ""]


def test_a_list_beside_folders_ties_images(base: Path) -> None:
    _images(base, "kinds/cat/1.png", "kinds/cat/2.png", "kinds/dog/3.png")
    (base / "drivers.csv").write_text("subject,img\np1,3.png\np2,1.png\np1,2.png\n")
    keys = {"table": "drivers.csv", "id": "img", "column": "subject"}
    listed = _list(base, "folders", train={"images": "kinds"}, groups=keys)
    assert {record.id: record.group for record in listed.train} == {
        "cat/1.png": "p2",
        "cat/2.png": "p1",
        "dog/3.png": "p1",
    }
    (base / "drivers.csv").write_text("subject,img\np1,3.png\np2,1.png\n")
    with pytest.raises(InputError, match=r"drivers.csv: 1 training images have no row: kinds/cat/2.png"):
        _list(base, "folders", train={"images": "kinds"}, groups=keys)


def test_two_sources_of_groups_are_refused(base: Path) -> None:
    with pytest.raises(InputError, match=r"train.group and groups both say what belongs together"):
        _list(base, train={"group": "quality"}, groups={"pattern": "(.)"})


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "pattern alone, dicom alone, or table, id and column together"),
        ({"pattern": "(.)", "table": "a.csv"}, "pattern alone"),
        ({"pattern": "^\\d+_"}, "needs brackets"),
        ({"pattern": "("}, "is not a regular expression"),
    ],
)
def test_groups_that_say_nothing_or_too_much_are_refused(keys: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse(keys, Groups, "it.yaml")
