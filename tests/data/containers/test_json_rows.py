import json
from pathlib import Path

import pytest

from pipeline.core.errors import InputError
from pipeline.data.containers.json_rows import find_json_form, iterate_json
from pipeline.data.containers.tables import read_rows


def _write(folder: Path, text: str, name: str = "a.json") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('[{"id": "a"}]', "records"),
        ('{"info": {}, "annotations": [], "images": [{"id": 1}]}', "coco"),
        ('{"id": ["a", "b"], "kind": [1, 2]}', "columns"),
        ('{"a.jpg": "ant", "b.jpg": "bee"}', "pairs"),
        ('{"a.jpg": {"kind": "ant"}, "b.jpg": {"kind": "bee"}}', "keyed"),
        ("[1, 2]", "other"),
        ('"x"', "other"),
        ('{"images": []}', "columns"),
        ('{"data": [{"id": 1}]}', "inner"),
        ('{"info": {"x": [1]}, "n": 2, "labels": [{"id": 1}]}', "inner"),
        ('{"a": [{"id": 1}], "b": [{"id": 1}]}', "other"),
        ('{"id": {"0": "a"}, "kind": {"0": "ant"}}', "numbered"),
        ('{"columns": ["id"], "index": [0], "data": [["a"]]}', "split"),
    ],
)
def test_the_form_is_read_off_the_beginning(tmp_path: Path, text: str, form: str) -> None:
    assert find_json_form(_write(tmp_path, text)) == form


@pytest.mark.parametrize(
    "text",
    [
        '[{"id": "007", "kind": 1.10}, {"id": "008", "kind": 2}]',
        '{"id": ["007", "008"], "kind": [1.10, 2]}',
        '{"info": {"year": 1}, "rows": [{"id": "007", "kind": 1.10}, {"id": "008", "kind": 2}]}',
        '{"id": {"0": "007", "1": "008"}, "kind": {"0": 1.10, "1": 2}}',
        '{"columns": ["id", "kind"], "index": [0, 1], "data": [["007", 1.10], ["008", 2]]}',
    ],
)
def test_records_and_columns_are_one_table_with_every_digit(tmp_path: Path, text: str) -> None:
    table = read_rows(_write(tmp_path, text))
    assert table.to_dict("list") == {"id": ["007", "008"], "kind": ["1.10", "2"]}


def test_values_of_numbered_classes_by_image_are_rows_and_no_columns(tmp_path: Path) -> None:
    path = _write(tmp_path, json.dumps({f"{n}.png": {"0": n % 2, "1": 1 - n % 2} for n in range(30)}))
    assert find_json_form(path) == "keyed"
    assert read_rows(path).iloc[1].to_dict() == {"key": "1.png", "0": "1", "1": "0"}
    table = {name: {str(n): n for n in range(40)} for name in "abcdefghijklmnopqrstuvwxyz"}
    assert find_json_form(_write(tmp_path, json.dumps(table))) == "numbered"


@pytest.mark.parametrize("other", [5, [1, 2], {"0": 1}])
@pytest.mark.parametrize("numbered", [True, False])
def test_what_stands_behind_long_columns_and_is_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: object, numbered: bool
) -> None:
    monkeypatch.setattr("pipeline.data.containers.json_rows._LOOKED_AT", 100)
    cells = {str(n): n for n in range(99)} if numbered else list(range(99))
    path = _write(tmp_path, json.dumps({"id": cells, "n": other}))
    if type(other) is type(cells):
        assert find_json_form(path) == ("numbered" if numbered else "columns")
        return
    with pytest.raises(InputError, match=r"a\.json: n holds .*, and the values before it are columns of a table; move"):
        read_rows(path)


@pytest.mark.parametrize("rows", [10, 1000])
def test_two_lists_of_records_are_no_table_however_long_the_first_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr("pipeline.data.containers.json_rows._LOOKED_AT", 100)
    first = [{"id": n} for n in range(rows)]
    assert len(read_rows(_write(tmp_path, json.dumps({"about": 1, "train": first})))) == rows
    with pytest.raises(InputError, match=r"a\.json holds no rows"):
        read_rows(_write(tmp_path, json.dumps({"train": first, "test": first})))


def test_json_lines_are_rows_and_a_bad_one_is_named(tmp_path: Path) -> None:
    path = _write(tmp_path, '{"id": 12345678901234567890}\n\n{"id": 2, "kind": null}\n', "a.jsonl")
    assert read_rows(path).to_dict("list") == {"id": ["12345678901234567890", "2"], "kind": ["", ""]}
    with pytest.raises(InputError, match="line 2 is not JSON"):
        read_rows(_write(tmp_path, '{"id": 1}\n{"id": \n', "b.jsonl"))


def _coco(**more: object) -> dict[str, object]:
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "location": "p"}, {"id": 2, "file_name": "b.jpg", "location": "q"}],
        "annotations": [{"id": 9, "image_id": 2, "category_id": 7}, {"id": 8, "image_id": 1, "category_id": 0}],
        "categories": [{"id": 7, "name": "bee", "count": 1}, {"id": 0, "name": "ant", "count": 1}],
    } | more


def test_images_annotations_and_categories_are_one_table(tmp_path: Path) -> None:
    table = read_rows(_write(tmp_path, json.dumps(_coco())))
    assert table.to_dict("list") == {
        "id": ["1", "2"],
        "file_name": ["a.jpg", "b.jpg"],
        "location": ["p", "q"],
        "category_id": ["0", "7"],
        "category_name": ["ant", "bee"],
        "category_count": ["1", "1"],
    }


def test_boxes_of_one_category_are_one_row_and_an_image_without_any_has_no_category(tmp_path: Path) -> None:
    boxes = [{"image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4]}, {"image_id": 1, "category_id": 7}]
    table = read_rows(_write(tmp_path, json.dumps(_coco(annotations=boxes))))
    assert table[["id", "category_id"]].to_numpy().tolist() == [["1", "7"], ["2", ""]]


@pytest.mark.parametrize(("given", "cell"), [(5, "5"), (["1", "12"], "1 12")])
@pytest.mark.parametrize(("image", "label"), [("image_id", "label_id"), ("imageId", "labelId")])
def test_labels_of_images_may_be_the_annotations(
    tmp_path: Path, image: str, label: str, given: object, cell: str
) -> None:
    """iMaterialist: furniture has one label for each image, fashion a list of them."""
    whole = {"images": [{"url": "u/1", image: "1"}, {"url": "u/2", image: "2"}]}
    marks = [{label: given, image: "2"}]
    table = read_rows(_write(tmp_path, json.dumps(whole | {"annotations": marks})))
    assert table[[image, label]].to_numpy().tolist() == [["1", ""], ["2", cell]]


@pytest.mark.parametrize(("second", "cell"), [("bee", "bee ant"), ("honey bee", "honey bee|ant")])
def test_names_of_a_list_of_labels_are_one_cell(tmp_path: Path, second: str, cell: str) -> None:
    kinds = [{"id": 0, "name": "ant", "count": 1}, {"id": 7, "name": second, "count": 1}]
    marks = [{"image_id": 2, "labelId": ["7", 0]}, {"image_id": 1, "labelId": []}]
    table = read_rows(_write(tmp_path, json.dumps(_coco(annotations=marks, categories=kinds))))
    assert table[["id", "labelId", "category_name"]].to_numpy().tolist() == [["1", "", ""], ["2", "7 0", cell]]


@pytest.mark.parametrize("given", [{"a": 7}, [{"a": 7}], [[7]]])
def test_a_category_that_is_neither_text_nor_a_number_marks_nothing(tmp_path: Path, given: object) -> None:
    marks = [{"image_id": 2, "label_id": given}, {"image_id": {"a": 1}, "label_id": 7}, {"image_id": 1, "label_id": 0}]
    table = read_rows(_write(tmp_path, json.dumps(_coco(annotations=marks))))
    assert table[["id", "label_id"]].to_numpy().tolist() == [["1", "0"], ["2", ""]]


def test_an_annotation_without_a_category_or_a_label_marks_nothing(tmp_path: Path) -> None:
    marks = [{"id": 9, "image_id": 2, "caption": "a bee", "label": "x"}]
    table = read_rows(_write(tmp_path, json.dumps(_coco(annotations=marks))))
    assert list(table.columns) == ["id", "file_name", "location"]


def test_image_id_and_category_id_may_be_the_keys(tmp_path: Path) -> None:
    whole = {
        "annotations": [{"image_id": "00__1", "category_id": 3}],
        "images": [{"image_id": "00__1", "file_name": "000/00__1.jpg"}],
        "categories": [{"category_id": 3, "scientificName": "Abies alba"}],
    }
    table = read_rows(_write(tmp_path, json.dumps(whole)))
    assert table.iloc[0].to_dict() == {
        "image_id": "00__1",
        "file_name": "000/00__1.jpg",
        "category_id": "3",
        "category_scientificName": "Abies alba",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"id": 1}, {"id": 2', "no whole JSON"),
        ('[{"id": 1}, 5]', "no record"),
        ('{"id": [1, 2], "kind": [1]}', "several lengths"),
        ("[1, 2]", "holds no rows"),
        ("", "no whole JSON"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        list(iterate_json(_write(tmp_path, text), None))
