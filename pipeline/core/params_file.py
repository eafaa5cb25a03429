"""Changes to ``params.yaml`` that keep its comments."""

from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.tokens import CommentToken

from pipeline.core.config import dump_yaml, read_yaml, round_trip_yaml
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
