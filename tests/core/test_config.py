"""YAML to strict sections: what is accepted, and how each mistake is named."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError
from ruamel.yaml import YAML
from support.project_imports import ROOT

from pipeline.core import yaml_text
from pipeline.core.config import PARAMS, Section, expand, load, load_params, parse, read_params, read_yaml
from pipeline.core.errors import InputError


class Circle(Section):
    kind: Literal["circle"]
    radius: float


class Square(Section):
    kind: Literal["square"]
    side: int = Field(ge=1)


class Drawing(Section):
    shape: Annotated[Circle | Square, Field(discriminator="kind")]
    shapes: tuple[Annotated[Circle | Square, Field(discriminator="kind")], ...] = ()
    inner: "Inner | None" = None
    sizes: tuple[int, ...] = ()
    title: str = ""


class Inner(Section):
    learning_rate: float = 0.1
    epochs: int = 1
    shuffle: bool = True


SQUARE = {"shape": {"kind": "square", "side": 2}}


def read(tmp_path: Path, text: str) -> Drawing:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    return load(tmp_path / "a.yaml", Drawing)


def test_a_whole_file_becomes_a_section(tmp_path: Path) -> None:
    drawing = read(tmp_path, "shape: {kind: circle, radius: 2.5}\nsizes: [1, 2]\ninner: {epochs: 3}\n")
    assert drawing == Drawing(shape=Circle(kind="circle", radius=2.5), sizes=(1, 2), inner=Inner(epochs=3))


@pytest.mark.parametrize(("text", "value"), [("1e-4", 1e-4), ("1E3", 1000.0), ("3", 3.0), (".5", 0.5)])
def test_numbers_are_read_as_yaml_1_2_reads_them(tmp_path: Path, text: str, value: float) -> None:
    drawing = read(tmp_path, f"shape: {{kind: square, side: 1}}\ninner: {{learning_rate: {text}}}\n")
    assert drawing.inner == Inner(learning_rate=value)


@pytest.mark.parametrize("word", ["no", "yes", "on", "off"])
def test_words_that_yaml_1_1_took_for_booleans_are_text(tmp_path: Path, word: str) -> None:
    assert read(tmp_path, f"shape: {{kind: square, side: 1}}\ntitle: {word}\n").title == word


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfkey: 1\n")
    assert read_yaml(tmp_path / "a.yaml") == {"key": 1}


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("# nothing yet\n", encoding="utf-8")
    assert read_yaml(tmp_path / "a.yaml") == {}


def test_a_section_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Inner(), "epochs", 2)  # noqa: B010 (mypy refuses the plain assignment where it knows pydantic)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({**SQUARE, "titel": "x"}, "unknown key titel; did you mean title"),
        ({**SQUARE, "inner": {"epoch": 2}}, r"unknown key inner\.epoch; did you mean epochs"),
        ({"shape": {"kind": "square", "sid": 2}}, r"unknown key shape\.square\.sid; did you mean side"),
        (
            {"shape": {"kind": "circle", "radius": 1.0, "side": 2}},
            r"unknown key shape\.circle\.side; did you mean kind\?",
        ),
        (
            {**SQUARE, "shapes": [{"kind": "circle", "radius": 1, "radios": 2}]},
            "unknown key .*radios; did you mean radius",
        ),
    ],
)
def test_an_unknown_key_names_the_near_ones_at_its_own_place(data: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=f"place: .*{message}"):
        parse(data, Drawing, "place")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "shape is missing"),
        ({"shape": {"side": 2}}, "kind"),
        ({"shape": {"kind": "star"}}, "shape.kind: unknown 'star'; did you mean square"),
        ({"shape": {"kind": "square", "side": "2"}}, r"side: .*valid integer, got '2'"),
        ({"shape": {"kind": "square", "side": 2.0}}, "side: .*got 2.0"),
        ({"shape": {"kind": "square", "side": 0}}, "side: .*greater than or equal to 1, got 0"),
        ({**SQUARE, "title": 3}, "title: .*valid string, got 3; put it in quotes: '3'"),
        ({**SQUARE, "inner": {"shuffle": "yes"}}, "inner.shuffle: .*boolean, got 'yes'"),
        ({**SQUARE, "inner": {"shuffle": 1}}, "inner.shuffle: .*boolean, got 1"),
        ({**SQUARE, "sizes": 3}, "sizes: .*got 3"),
    ],
)
def test_a_missing_key_or_a_wrong_type_names_place_and_value(data: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=f"place: .*{message}"):
        parse(data, Drawing, "place")


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(InputError, match=r"title: .*; unknown key colour"):
        parse({**SQUARE, "title": 3, "colour": "red"}, Drawing, "place")


def test_values_that_json_cannot_say_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only text, finite numbers"):
        read(tmp_path, "shape: {kind: circle, radius: .nan}\n")
    with pytest.raises(InputError, match="only text, finite numbers"):
        read(tmp_path, "title: 2026-11-20\n")


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n", "3\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"a\.yaml must hold a mapping"):
        read(tmp_path, text)


@pytest.mark.parametrize("text", ["a: [1\n", "a: 1\na: 2\n", "a: b: c\n", "\tx: 1\n"])
def test_a_file_that_is_no_yaml_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"a\.yaml is not valid YAML: ") as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes("title: ä".encode("latin-1"))
    with pytest.raises(InputError, match=r"a\.yaml is not valid YAML"):
        read_yaml(tmp_path / "a.yaml")


def test_a_missing_file_names_the_near_ones(tmp_path: Path) -> None:
    (tmp_path / "animals15.yaml").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"animals\.yaml does not exist; did you mean animals15\?"):
        read_yaml(tmp_path / "animals.yaml")


def test_a_missing_folder_knows_no_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist; there is none yet"):
        read_yaml(tmp_path / "nowhere" / "a.yaml")


def test_params_have_defaults_where_a_section_is_absent(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("train: {}\n", encoding="utf-8")
    assert load_params(tmp_path, "split", Inner) == Inner()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("split: 3\n", "split must be a mapping, got 3"),
        ("split: {epoch: 3}\n", "split: unknown key epoch; did you mean epochs"),
    ],
)
def test_params_that_fit_no_section_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=f"params.yaml: {message}"):
        load_params(tmp_path, "split", Inner)


def test_variables_are_replaced_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA", "/disk")
    monkeypatch.setenv("NAME", "dogs")
    assert expand("${DATA}/${NAME}.zip", "path") == "/disk/dogs.zip"


def test_a_default_stands_in_for_a_variable_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA", raising=False)
    assert expand("${DATA:-../shared}/x", "path") == "../shared/x"
    monkeypatch.setenv("DATA", "/disk")
    assert expand("${DATA:-../shared}/x", "path") == "/disk/x"


def test_text_without_variables_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert expand("a/$b/{c}.zip", "path") == "a/$b/{c}.zip"


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA", raising=False)
    with pytest.raises(InputError, match=r"source.path is \$\{DATA\}/x, .*variable DATA is not set; export DATA="):
        expand("${DATA}/x", "source.path")


def test_a_section_that_nobody_reads_is_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("competition: digits\nspilt: {n_splits: 3}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"params\.yaml: unknown key spilt; did you mean split\?"):
        load_params(tmp_path, "split", Inner)


def test_the_shipped_params_hold_every_section_that_is_read() -> None:
    assert tuple(read_params(ROOT)) == PARAMS


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("{kind: sqare, side: 1}", r"shape\.kind: unknown 'sqare'; did you mean square\?"),
        ("{side: 1}", r"shape\.kind is missing"),
    ],
)
def test_a_kind_that_does_not_exist_names_the_near_ones(tmp_path: Path, shape: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, f"shape: {shape}\n")


def test_a_tab_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.yaml is not valid YAML: .*, line 2, column 1; correct it there"):
        read(tmp_path, "shape:\n\tkind: square\n")


def test_a_file_is_read_as_it_stands_whatever_a_reader_did_to_the_values_before(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("a: &list [1, 2]\nb: *list\n")
    first = read_yaml(path)
    first["a"].append(3)
    first["c"] = 4
    assert read_yaml(path) == {"a": [1, 2], "b": [1, 2]}
    path.write_text("a: [1]\n")
    assert read_yaml(path) == {"a": [1]}
    path.write_text("a: [1\n")
    for _ in range(2):
        with pytest.raises(InputError, match=r"file.yaml is not valid YAML: .* line 2"):
            read_yaml(path)


@pytest.mark.parametrize(("letters", "times"), [(30, 1), (20_001, 2)])
def test_a_text_is_loaded_once_where_it_is_short(monkeypatch: pytest.MonkeyPatch, letters: int, times: int) -> None:
    begun = []

    class Counted(YAML):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            begun.append(settings)

    monkeypatch.setattr(yaml_text, "YAML", Counted)
    word = "loaded-once-" + "a" * letters
    for _ in range(2):
        assert yaml_text.load_yaml_text(f"own: {word}\n") == ("", {"own": word})
    assert len(begun) == times
