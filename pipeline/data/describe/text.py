"""Writes YAML that people read: comments, order and quotes survive a round trip."""

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from pipeline.core.errors import printable
from pipeline.data.describe.infer import MIRROR, Inferred
from pipeline.data.describe.proposal import Models


def round_trip() -> YAML:
    """Makes a reader and writer that keeps comments, quotes and order."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    # Left alone, ruamel writes an empty place for null.
    yaml.representer.add_representer(type(None), lambda rep, _: rep.represent_scalar("tag:yaml.org,2002:null", "null"))
    return yaml


def dump(yaml: YAML, data: Any) -> str:
    """Returns YAML as text."""
    text = io.StringIO()
    yaml.dump(data, text)
    return text.getvalue()


def competition_text(inferred: Inferred, title: str, source: Mapping[str, str], models: Models, made_by: str) -> str:
    """Writes a competition's file: every section under comments that say what was seen and what was guessed.

    Args:
        inferred: the sections.
        title: for people.
        source: the source section.
        models: the proposed models.
        made_by: the command, for the first comment.
    """
    data = CommentedMap({"title": title, "source": dict(source)})
    for key, reading in inferred.sections.items():
        data[key] = {name: _flow(value) for name, value in reading.section.items()}
    if inferred.names.names is not None:
        data["class_names"] = dict(inferred.names.names)
    data["mirror"] = inferred.mirror
    data["models"] = _flow(models.names)
    if inferred.solution is not None:
        data["solution"] = inferred.solution
    data.yaml_set_start_comment(f"Described by `{made_by}`; the comments say what was seen.")
    _comment(data, "source", [inferred.summary])
    _comment(data, "class_names", [*inferred.names.seen])
    _comment(
        data, "mirror", [*(f"CHECK: {line}" for line in inferred.names.check), f"CHECK: {MIRROR[inferred.mirror]}"]
    )
    _comment(data, "models", [models.reason])
    for key, reading in inferred.sections.items():
        _comment(data, key, [*reading.seen, *(f"CHECK: {line}" for line in reading.check)])
    return dump(round_trip(), data)


def _flow(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return value
    items = CommentedSeq(value)
    items.fa.set_flow_style()
    return items


def _comment(data: CommentedMap, key: str, lines: list[str]) -> None:
    if lines and key in data:
        data.yaml_set_comment_before_after_key(
            key, before="\n".join(printable(" ".join(line.split())) for line in lines)
        )
