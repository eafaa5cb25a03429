"""The page of options: every key of the YAML files with its type, default and a sentence, from their schemas."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pipeline.workspace.schemas import Schema, find_references

_LONG = 44  # characters of a default that a cell of the table still holds
_TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false", "null": "null"}


class PagePart(NamedTuple):
    """A form of a file, as the page lists it.

    Attributes:
        title: its heading.
        opening: a sentence below it.
        schema: of the form, with its sections under ``$defs``.
    """

    title: str
    opening: str
    schema: Schema


def make_option_page(opening: str, parts: list[PagePart]) -> str:
    """Makes the page: one table of each section, where it occurs first; later ones are linked.

    Args:
        opening: the lines above all parts.
        parts: in the order of the page.
    """
    headings: dict[str, str] = {}
    listed = [list(_walk(part, headings)) for part in parts]
    lines = [opening.rstrip(), ""]
    for part, found in zip(parts, listed, strict=True):
        lines += [f"## {part.title}", "", part.opening, ""]
        for heading, definition in found:
            lines += [f"### {heading}", ""] if heading else []
            text = str(definition.get("description", ""))
            lines += [_sentence(text), ""] if heading and text else []
            lines += _table(definition, headings)
    return "\n".join(lines).rstrip() + "\n"


def _walk(part: PagePart, headings: dict[str, str]) -> Iterator[tuple[str, Schema]]:
    """Yields the sections of a part that no part before has, each before those in it; the file's own has no heading."""
    definitions = part.schema["$defs"]
    if "properties" in part.schema:
        yield "", part.schema
        waiting = _list_places(part.schema, "", "")
    else:
        waiting = [_Place("", name, "", False) for name in find_references(part.schema)]
    while waiting:
        place = waiting.pop(0)
        if place.name in headings:
            continue
        definition = definitions[place.name]
        variant = _name_variant(definition) if place.one_of_several else place.variant
        heading = f"`{place.path}`, {variant}" if place.one_of_several else f"`{place.path}`" if place.path else ""
        if heading in headings.values():  # the same key in two variants of the section around it
            heading = f"`{place.path}`, of {variant or part.title.rpartition(': ')[2]}"
        headings[place.name] = heading or part.title
        yield heading, definition
        waiting = _list_places(definition, place.path, variant) + waiting


class _Place(NamedTuple):
    """Where a section stands: its path, its type's name, that of the section around it, one of several or not."""

    path: str
    name: str
    variant: str
    one_of_several: bool


def _list_places(definition: Schema, path: str, variant: str) -> list[_Place]:
    prefix = f"{path}." if path else ""
    places = []
    for key, schema in definition.get("properties", {}).items():
        names = find_references(schema)
        places += [_Place(prefix + key, name, variant, len(names) > 1) for name in names]
    return places


def _name_variant(definition: Schema) -> str:
    """Says by which key and value a section is chosen: name `adam`."""
    for key, schema in definition["properties"].items():
        values = [schema["const"]] if "const" in schema else schema.get("enum", [])
        if values and key in ("name", "kind", "by", "layout"):
            return f"{key} " + " or ".join(f"`{value}`" for value in values)
    raise KeyError(definition["title"])


def _table(definition: Schema, headings: dict[str, str]) -> list[str]:
    properties: Schema = definition.get("properties", {})
    if not properties:
        return []
    lines = ["| key | type | default | |", "|---|---|---|---|"]
    required = definition.get("required", [])
    for key, schema in properties.items():
        sentence = "Chooses this section." if "const" in schema else schema.get("description", "")
        cells = (f"`{key}`", _type(schema, headings), _default(key, schema, required), sentence)
        lines.append("| " + " | ".join(_escape(cell) for cell in cells) + " |")
    return [*lines, ""]


def _type(schema: Schema, headings: dict[str, str]) -> str:
    if "$ref" in schema:
        return _link(find_references(schema)[0], headings)
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_type(each, headings) for each in schema[key]))
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items")
        if isinstance(items, list):
            return "[" + ", ".join(_type(each, headings) for each in items) + "]"
        return f"list of {_plural(_type(items, headings))}" if items else "list"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"mapping to {_type(values, headings)}" if isinstance(values, dict) and values else "mapping"
    return (_TYPES.get(str(kind), "any value") + _bounds(schema)).strip()


def _plural(kind: str) -> str:
    """Puts a type into the plural; links and values stay as they are."""
    return re.sub(r"\b(number|text)\b(?!`)", r"\1s", kind, count=1) if kind[0].isalpha() else kind


def _bounds(schema: Schema) -> str:
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    words = [
        *([f">= {low:g}"] if low is not None else []),
        *([f"> {above:g}"] if above is not None else []),
        *([f"<= {high:g}" if high < 10**6 else f"<= {high:,}"] if high is not None else []),
        *([f"< {below:g}" if below < 10**6 else f"< {below:,}"] if below is not None else []),
    ]
    return " " + ", ".join(words) if words else ""


def _default(key: str, schema: Schema, required: list[str]) -> str:
    if key in required:
        return "must be given"
    if "default" not in schema:
        return "empty"
    value: Any = schema["default"]
    if value in ([], {}):
        return "empty"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False).replace('"', "")
    return f"`{text}`" if len(text) <= _LONG else "the section's own"


def _link(name: str, headings: dict[str, str]) -> str:
    heading = headings[name]
    anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    return f"[{heading.partition(', ')[2].removeprefix('of ') or heading}](#{anchor})"


def _sentence(text: str) -> str:
    return " ".join(text.split())


def _escape(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
