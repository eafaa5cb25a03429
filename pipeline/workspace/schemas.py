"""JSON schemas of the YAML files, from their sections: editors complete and check by them.

Draft 7, which editors' YAML servers know. Each key has the sentence that its section's docstring has for it.
Reference: https://json-schema.org/draft-07
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from pydantic import BaseModel

from pipeline.core.config import Section, list_sections

Schema: TypeAlias = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
_REFERENCE = "#/$defs/"
_ATTRIBUTE = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
_DROPPED = ("title", "discriminator")


class FileKind(NamedTuple):
    """One form that a YAML file may have.

    Attributes:
        title: of the form.
        marker: the key by which it is known; empty for the form that is left.
        section: the type of its content.
    """

    title: str
    marker: str
    section: type[Section]


def make_section_schema(section: type[Section]) -> Schema:
    """Makes the schema of a section, with all sections in it under ``$defs``.

    Args:
        section: the type of a file's content, or of a part of it.

    Returns:
        The schema; each key has a `description`, empty where no docstring has one.
    """
    schema: Schema = _clean(section.model_json_schema())
    parts = {each.__name__: each for each in _walk_sections(section)}
    definitions = schema.pop("$defs", {})
    name = schema.get("$ref", "").removeprefix(_REFERENCE) or section.__name__
    definitions.setdefault(name, {key: value for key, value in schema.items() if key != "$ref"})
    for each, definition in definitions.items():
        if each in parts:
            _describe(definition, parts[each], definitions)
    return {"$ref": _REFERENCE + name, "$defs": definitions}


def join_file_kinds(kinds: tuple[FileKind, ...], shared: Mapping[str, Schema] | None = None) -> Schema:
    """Makes the schema of a file that has one of several forms, known by a key.

    Args:
        kinds: the forms, the one without a marker last.
        shared: keys that each form has beside those of its section.
    """
    definitions: Schema = {}
    joined: Schema = {}
    for kind in reversed(kinds):
        schema = make_section_schema(kind.section)
        definitions |= schema["$defs"]
        definitions[kind.section.__name__]["properties"] |= dict(shared or {})
        then = {"$ref": schema["$ref"]}
        joined = {"if": {"required": [kind.marker]}, "then": then, "else": joined} if kind.marker else then
    return {"$schema": DRAFT, "type": "object", **joined, "$defs": definitions}


def join_parts(parts: Mapping[str, type[Section]], plain: Mapping[str, Schema]) -> Schema:
    """Makes the schema of a file whose top keys hold sections.

    Args:
        parts: the sections by key.
        plain: schemas of the other keys, all of which the file must have.
    """
    definitions: Schema = {}
    properties = dict(plain)
    for key, section in parts.items():
        schema = make_section_schema(section)
        definitions |= schema["$defs"]
        properties[key] = {"$ref": schema["$ref"], "description": first_sentence(section)}
    return {
        "$schema": DRAFT,
        "type": "object",
        "additionalProperties": False,
        "required": list(plain),
        "properties": properties,
        "$defs": definitions,
    }


def first_sentence(section: type[BaseModel]) -> str:
    """Returns what a section's docstring begins with, as Markdown."""
    return _as_markdown(inspect.getdoc(section) or "").partition("\n\n")[0].replace("\n", " ")


def find_references(schema: Schema) -> list[str]:
    """Names the sections that a key may hold, in their order."""
    if "$ref" in schema:
        return [str(schema["$ref"]).removeprefix(_REFERENCE)]
    inner = [
        schema.get("items"),
        schema.get("additionalProperties"),
        *schema.get("anyOf", []),
        *schema.get("oneOf", []),
    ]
    return list(dict.fromkeys(name for each in inner if isinstance(each, dict) for name in find_references(each)))


def _clean(value: Any) -> Any:
    """Leaves out what editors have no use for, and writes pairs as draft 7 does."""
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {
        key: _clean(each) for key, each in value.items() if not (key in _DROPPED and not isinstance(each, dict | list))
    }
    mapping = kept.get("discriminator")
    if isinstance(mapping, dict) and "propertyName" in mapping:
        del kept["discriminator"]
    if "prefixItems" in kept:
        kept["items"] = kept.pop("prefixItems")
    return kept


def _describe(definition: Schema, section: type[BaseModel], definitions: Schema) -> None:
    definition["description"] = first_sentence(section)
    sentences: dict[str, str] = {}
    for base in reversed(section.__mro__):
        if issubclass(base, Section):
            found = _ATTRIBUTE.findall((base.__doc__ and inspect.cleandoc(base.__doc__)) or "")
            sentences |= {name: _as_sentence(text) for name, text in found}
    for key, schema in definition.get("properties", {}).items():
        inner = find_references(schema)
        if key in sentences:
            schema["description"] = sentences[key]
        elif "const" in schema:
            schema["description"] = f"Chooses this section: {definition['description']}"
        elif "description" not in schema:
            alone = definitions[inner[0]].get("description", "") if len(inner) == 1 else ""
            schema["description"] = alone.partition("\n\n")[0].replace("\n", " ")


def _as_markdown(text: str) -> str:
    return re.sub(r"\bNone\b", "null", text.replace("``", "`"))


def _as_sentence(text: str) -> str:
    words = " ".join(_as_markdown(text).split()).rstrip(".")
    return words[:1].upper() + words[1:] + "."


def _walk_sections(section: type[BaseModel], reached: set[type[BaseModel]] | None = None) -> Iterator[type[BaseModel]]:
    reached = reached if reached is not None else set()
    if section in reached:
        return
    reached.add(section)
    yield section
    for field in section.model_fields.values():
        for inner in list_sections(field.annotation):
            yield from _walk_sections(inner, reached)
