"""Writes YAML that people read: comments, order and quotes survive a round trip."""

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from pipeline.infer import Inferred


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


def competition_text(inferred: Inferred, title: str, source: str, models: tuple[str, ...]) -> str:
    """Writes a competition's file: every section under comments that say what was seen and what was guessed."""
    data = CommentedMap({"title": title, "source": {"kind": "local", "path": source}})
    for key, reading in inferred.sections.items():
        data[key] = {name: _flow(value) for name, value in reading.section.items()}
    data["mirror"] = True
    data["models"] = _flow(models)
    if inferred.solution is not None:
        data["solution"] = inferred.solution
    data.yaml_set_start_comment("Described by `python -m pipeline init --from`; the comments say what was seen.")
    _comment(data, "source", [inferred.summary])
    _comment(data, "mirror", ["CHECK: false where a mirrored image may change its class (digits, letters, text)"])
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
    if lines:
        data.yaml_set_comment_before_after_key(key, before="\n".join(" ".join(line.split()) for line in lines))
