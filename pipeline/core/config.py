"""YAML -> frozen, strict pydantic sections; an unknown key is an error that names the near ones.

YAML is read as DVC reads it (YAML 1.2 through ruamel.yaml): PyYAML would read ``1e-4`` as a string.
"""

import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.core.errors import InputError, near_names, one_line
from pipeline.core.paths import params_path
from pipeline.core.yaml_text import load_yaml_text


class Section(BaseModel):
    """A part of a YAML file: immutable, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


S = TypeVar("S", bound=Section)

PARAMS = ("competition", "models", "prepare", "split", "tune", "train", "ensemble", "track")
_SHOWN = 200  # letters of a value that does not fit
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML 1.2 mapping with plain Python values.

    Raises:
        InputError: no such file, not YAML, or not a mapping.
    """
    if not path.is_file():
        known = [file.stem for file in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
        raise InputError(f"{path} does not exist; {near_names(path.stem, known)}")
    try:
        text = path.read_text(encoding="utf-8-sig")
        bomb, data = load_yaml_text(text)
        if bomb:
            raise InputError(f"{path} {bomb}; correct it")
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {_where(error)}; correct it there") from error
    except InputError:
        raise
    except RecursionError as error:
        raise InputError(f"{path} nests lists and mappings too deeply; correct it") from error
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:  # of a number or a date that is none
        raise InputError(f"{path} holds a value that cannot be read ({one_line(error)}); correct it") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise InputError(f"{path} must hold a mapping (key: value), got {type(data).__name__}")
    return data


def parse_text(text: str, section: type[S], place: str) -> S:
    """Validates a text of YAML that the project made, as `load` validates it once it is written.

    Raises:
        InputError: as `parse`.
    """
    return parse(load_yaml_text(text)[1], section, place)


def parse(data: Mapping[str, Any], section: type[S], place: str) -> S:
    """Validates a mapping; every problem becomes one line that says where, what and which keys exist.

    Args:
        data: values as read from YAML.
        section: the type to build.
        place: what the error calls the origin, for instance ``params.yaml: split``.

    Raises:
        InputError: unknown keys, missing keys, wrong types or values out of range.
    """
    try:
        # YAML has lists where Python wants tuples; JSON mode allows exactly that and stays strict otherwise.
        return section.model_validate_json(_to_json(data, place))
    except ValidationError as error:
        lines = [_explain(problem, section) for problem in error.errors()]
        raise InputError(f"{place}: " + "; ".join(lines)) from error


def load(path: Path, section: type[S]) -> S:
    """Reads a whole YAML file as one section."""
    return parse(read_yaml(path), section, str(path))


def read_params(root: Path) -> dict[str, Any]:
    """Reads ``params.yaml`` without looking into its sections.

    Raises:
        InputError: no such file, not YAML, or a section that nobody reads.
    """
    params = read_yaml(params_path(root))
    for key in params:
        if key not in PARAMS:
            raise InputError(f"params.yaml: unknown key {key}; {near_names(str(key), PARAMS)}")
    return params


def load_params(root: Path, key: str, section: type[S]) -> S:
    """Reads one section of ``params.yaml``; an absent section means its defaults."""
    value = read_params(root).get(key)
    value = {} if value is None else value
    if not isinstance(value, dict):
        raise InputError(f"params.yaml: {key} must be a mapping, got {value!r}")
    return parse(value, section, f"params.yaml: {key}")


def expand(text: str, place: str) -> str:
    """Replaces ``${NAME}`` and ``${NAME:-default}`` by environment variables.

    Raises:
        InputError: a variable without a default is not set.
    """

    def value(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        found = os.environ.get(name) or default
        if found is None:
            raise InputError(f"{place} is {text}, but the environment variable {name} is not set; export {name}=...")
        return found

    return _VARIABLE.sub(value, text)


def setting_or_variable(value: str | None, name: str, default: str) -> str:
    """Returns a setting of ``params.yaml``; where it is null the environment variable, then the default.

    Such settings hold no ``${NAME}``: `dvc exp run -S` reads the file with OmegaConf, which takes that for its own.
    """
    return value if value is not None else os.environ.get(name) or default


def round_trip_yaml() -> YAML:
    """Makes a reader and writer of YAML that keeps comments, quotes and order."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    # Left alone, ruamel writes an empty place for null.
    yaml.representer.add_representer(type(None), lambda rep, _: rep.represent_scalar("tag:yaml.org,2002:null", "null"))
    return yaml


def dump_yaml(yaml: YAML, data: Any) -> str:
    """Returns YAML as text."""
    text = io.StringIO()
    yaml.dump(data, text)
    return text.getvalue()


def _where(error: YAMLError | UnicodeDecodeError) -> str:
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    mark = error.problem_mark
    return f"{error.problem}, line {mark.line + 1}, column {mark.column + 1}"


def _to_json(data: Mapping[str, Any], place: str) -> bytes:
    import json

    try:
        return json.dumps(data, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InputError(f"{place}: only text, finite numbers, lists and mappings are allowed ({error})") from error


def _explain(problem: Any, section: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        key = str(problem["loc"][-1])
        return f"unknown key {where}; {near_names(key, _keys(section, problem['loc'][:-1]))}"
    if problem["type"] == "missing":
        return f"{where} is missing"
    if problem["type"].startswith("union_tag"):
        return _explain_tag(problem, where)
    got = "" if problem["type"] == "value_error" else f", got {_shorten(repr(problem['input']))}"
    if problem["type"] == "string_type" and isinstance(problem["input"], int | float):
        got += f"; put it in quotes: '{problem['input']}'"
    message = _shorten(problem["msg"].removeprefix("Value error, "), 2 * _SHOWN)
    return f"{where}: {message}{got}" if where else f"{message}{got}"


def _shorten(text: str, longest: int = _SHOWN) -> str:
    """Cuts a text off where it gets too long for a line."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text):,} letters)"


def _explain_tag(problem: Any, where: str) -> str:
    """Says which kinds of a section there are: of sources, of layouts, of submissions."""
    key = problem["ctx"]["discriminator"].strip("'")
    known = problem["ctx"].get("expected_tags", "")
    if not known:
        return f"{where}.{key} is missing"
    tag = problem["ctx"]["tag"]
    return f"{where}.{key}: unknown {tag!r}; {near_names(tag, [name.strip(chr(39)) for name in known.split(', ')])}"


def _keys(section: type[BaseModel], path: tuple[object, ...]) -> list[str]:
    """Names the keys known at ``path`` below ``section``, as far as the types tell."""
    current: list[type[BaseModel]] = [section]
    for part in path:
        following: list[type[BaseModel]] = []
        for model in current:
            field = model.model_fields.get(str(part))
            if field is not None:
                following += list_sections(field.annotation)
            elif any(part in _tags(candidate) for candidate in current):
                following += [model] if part in _tags(model) else []
        current = following or current
    return sorted({name for model in current for name in model.model_fields})


def list_sections(annotation: Any) -> list[type[BaseModel]]:
    """Lists the sections that a type names, at any depth of unions and lists."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in list_sections(inner)]


def _tags(model: type[BaseModel]) -> set[object]:
    """The literal values that pick this model in a discriminated union."""
    return {
        value
        for field in model.model_fields.values()
        for value in getattr(field.annotation, "__args__", ())
        if isinstance(value, str)
    }
