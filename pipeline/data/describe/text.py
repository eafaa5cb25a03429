"""The text of a new competition's file: every section below comments on what was read and what was guessed."""

from collections.abc import Mapping
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from pipeline.core.config import dump_yaml, round_trip_yaml
from pipeline.core.errors import printable
from pipeline.data.describe.description import MIRROR, Description
from pipeline.data.describe.proposal import ProposedModels


def format_competition(
    description: Description, title: str, source: Mapping[str, str], models: ProposedModels, made_by: str
) -> str:
    """Formats a competition's file: every section below comments with its facts and its guesses.

    Args:
        description: the sections.
        title: for people.
        source: the source section.
        models: the proposed models.
        made_by: the command, for the first comment.
    """
    data = CommentedMap({"title": title, "source": dict(source)})
    for key, reading in description.sections.items():
        data[key] = {name: _flow(value) for name, value in reading.section.items()}
    if description.names.names is not None:
        data["class_names"] = dict(description.names.names)
    data["mirror"] = description.mirror
    data["models"] = _flow(models.names)
    if description.solution is not None:
        data["solution"] = description.solution
    if description.encoding is not None:
        data["encoding"] = description.encoding
    data.yaml_set_start_comment(f"Described by `{made_by}`; the comments say what was read.")
    _comment(data, "source", [description.summary])
    _comment(data, "class_names", [*description.names.facts])
    _comment(
        data,
        "mirror",
        [f"CHECK: {line}" for line in (*description.names.check, MIRROR[description.mirror])],
    )
    _comment(data, "models", [models.reason])
    for key, reading in description.sections.items():
        _comment(data, key, [*reading.facts, *(f"CHECK: {line}" for line in reading.check)])
    return dump_yaml(round_trip_yaml(), data)


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
