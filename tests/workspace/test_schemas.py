"""Schemas of the YAML files: they agree with what the code reads, and know each mistake that the code refuses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from pipeline.core.config import PARAMS, read_yaml
from pipeline.stages.options import PARAMS_SECTIONS, make_schemas
from pipeline.workspace.schemas import Schema

ROOT = Path(__file__).parents[2]
SCHEMAS = make_schemas()
FILES = {
    "params": [ROOT / "params.yaml"],
    "competition": sorted((ROOT / "configs" / "competitions").glob("*.yaml")),
    "model": sorted((ROOT / "configs" / "models").glob("*.yaml")),
}


def errors(kind: str, data: Any) -> list[str]:
    return [error.message for error in Draft7Validator(SCHEMAS[kind]).iter_errors(data)]


def keys(definition: Schema) -> Iterator[tuple[str, Schema]]:
    yield from definition.get("properties", {}).items()


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_files_in_the_repository_are_those_of_the_code(kind: str) -> None:
    path = ROOT / "configs" / "schemas" / f"{kind}.json"
    assert json.loads(path.read_text(encoding="utf-8")) == SCHEMAS[kind], "run `python -m pipeline options`"


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_is_one_of_draft_7(kind: str) -> None:
    Draft7Validator.check_schema(SCHEMAS[kind])


SHIPPED = [pytest.param(kind, path, id=f"{kind}-{path.stem}") for kind, paths in FILES.items() for path in paths]


@pytest.mark.parametrize(("kind", "path"), SHIPPED)
def test_every_shipped_file_is_free_of_mistakes(kind: str, path: Path) -> None:
    assert errors(kind, read_yaml(path)) == []


@pytest.mark.parametrize(
    ("kind", "file", "key", "value", "named"),
    [
        ("model", "small_cnn", "training.optimizer.learning_rat", 0.1, "learning_rat"),
        ("model", "small_cnn", "training.epochs", "many", "many"),
        ("model", "small_cnn", "augmentation.flip", "sometimes", "sometimes"),
        ("model", "hog_logreg", "classifier.c", 1.0, "'c'"),
        ("model", "mobilenet_v2_160_logistic", "head.penalties", [-1.0], "-1.0"),
        ("competition", "digits", "metric.names", "accuracy", "names"),
        ("competition", "digits", "storage.channels", 0, "0"),
        ("params", "params", "tune.sampler", "tpes", "tpes"),
        ("params", "params", "ensembles", {}, "ensembles"),
    ],
)
def test_a_mistake_is_marked(kind: str, file: str, key: str, value: Any, named: str) -> None:
    data = read_yaml(next(path for path in FILES[kind] if path.stem == file))
    *above, last = key.split(".")
    place = data
    for part in above:
        place = place.setdefault(part, {})
    place[last] = value
    assert any(named in message for message in errors(kind, data))


def test_a_search_space_is_checked_in_every_kind_of_model() -> None:
    for file in ("small_cnn", "hog_logreg", "mobilenet_v2_160_logistic"):
        data = read_yaml(ROOT / "configs" / "models" / f"{file}.yaml")
        assert errors("model", data | {"search": {"a.b": {"kind": "float", "low": 0.1, "high": 1.0}}}) == []
        assert errors("model", data | {"search": {"a.b": {"kind": "float", "low": 0.1}}})


def test_the_network_of_a_frozen_backbone_is_one_of_those_of_a_network() -> None:
    data = read_yaml(ROOT / "configs" / "models" / "mobilenet_v2_160_logistic.yaml")
    data["backbones"][0]["network"] = {"name": "pretrained", "backbones": "MobileNetV2"}
    assert errors("model", data)


def test_every_section_of_params_has_its_type() -> None:
    assert {*PARAMS_SECTIONS, "competition", "models"} == set(PARAMS)


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_key_has_a_sentence(kind: str) -> None:
    definitions = {"": SCHEMAS[kind], **SCHEMAS[kind]["$defs"]}
    dumb = [
        (name, key) for name, each in definitions.items() for key, schema in keys(each) if not schema["description"]
    ]
    assert dumb == []


def test_an_editor_finds_the_schema_of_each_file() -> None:
    settings = json.loads((ROOT / ".vscode" / "settings.json").read_text(encoding="utf-8"))["yaml.schemas"]
    assert all((ROOT / schema).is_file() for schema in settings)
    for kind, paths in FILES.items():
        assert set(ROOT.glob(settings[f"configs/schemas/{kind}.json"])) == set(paths)
