"""Changes to ``params.yaml`` and to files of models that keep their comments."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.tokens import CommentToken

from pipeline.core.config import dump_yaml, read_yaml, round_trip_yaml
from pipeline.core.errors import InputError
from pipeline.core.files import write_text
from pipeline.core.paths import params_path


def write_active(root: Path, models: tuple[str, ...], competition: str | None = None) -> None:
    """Writes which models run, and on which competition, into ``params.yaml``; everything else stays as it is.

    Args:
        root: the repository.
        models: files under configs/models, without .yaml.
        competition: None leaves it.

    Raises:
        InputError: ``params.yaml`` is no YAML mapping.
    """
    path = params_path(root)
    read_yaml(path)  # refuses anything but a YAML mapping, with the message of every stage
    yaml = round_trip_yaml()
    params = yaml.load(path.read_text(encoding="utf-8-sig"))
    if competition is not None:
        params["competition"] = competition
    for key in ("competition", "models"):
        for token in params.ca.items.get(key, ()):
            if isinstance(token, CommentToken):
                token.column = 0  # one space before the comment, not the column where it stood
    params["models"] = _replace_items(params.get("models"), models)
    write_text(path, dump_yaml(yaml, params))


def _replace_items(old: Any, models: tuple[str, ...]) -> CommentedSeq:
    """Puts other items into a list; the comment of a model that stays, and what stands below the list, survive."""
    new = CommentedSeq(models)
    if not isinstance(old, CommentedSeq) or not old:
        return new
    if old.fa.flow_style():
        new.fa.set_flow_style()
    comments = {name: old.ca.items[row][0].value for row, name in enumerate(old) if old.ca.items.get(row)}
    tail = comments.get(old[-1], "").partition("\n")[2]
    for row, name in enumerate(models):
        text = comments.get(name, "").partition("\n")[0] + "\n" + (tail if row == len(models) - 1 else "")
        if text != "\n":
            new.ca.items[row] = [CommentToken(text, CommentMark(0)), None, None, None]
    return new


def write_settings(path: Path, changes: Mapping[str, Any], full: Mapping[str, Any]) -> None:
    """Writes some settings into a YAML file; everything else stays as it is, comments included.

    Args:
        path: of the file.
        changes: new values by path, such as ``training.optimizer.learning_rate`` or ``network.units.0``.
        full: all settings with the new values and every default, for sections that the file does not spell.

    Raises:
        InputError: the file is no YAML mapping, or a comment of it would be lost.
    """
    read_yaml(path)
    yaml, old = round_trip_yaml(), path.read_text(encoding="utf-8-sig")
    data = yaml.load(old)
    for key in changes:
        place, whole = data, full
        parts = [int(part) if part.isdecimal() else part for part in key.split(".")]
        for part in parts[:-1]:
            whole = whole[part]  # type: ignore[index]
            if isinstance(place, list) or place.get(part) is not None:
                place = place[part]
            else:  # a section at its defaults, which the file does not spell
                place[part] = _flow(whole)
                break
        else:
            place[parts[-1]] = _flow(whole[parts[-1]])  # type: ignore[index]
    new = dump_yaml(yaml, data)
    lost = Counter(re.findall(r"#.*", old)) - Counter(re.findall(r"#.*", new))
    if lost:
        raise InputError(f"{path}: the comment {next(iter(lost))!r} would be lost; write {', '.join(changes)} by hand")
    write_text(path, new)


def _flow(value: Any) -> Any:
    """Returns a value as it is written on one line."""
    if isinstance(value, dict):
        mapping = CommentedMap({key: _flow(inner) for key, inner in value.items()})
        mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, list):
        items = CommentedSeq([_flow(inner) for inner in value])
        items.fa.set_flow_style()
        return items
    return value
