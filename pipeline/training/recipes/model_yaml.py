"""A model's YAML as plain values: its settings, its search space, and the settings of tuning over it; settings by path.

A path names one setting of a file: ``training.optimizer.learning_rate``, ``network.units.0``.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field
from ruamel.yaml import YAML

from pipeline.core.config import Section, load, read_yaml
from pipeline.core.errors import InputError, near_names
from pipeline.core.files import atomic_path
from pipeline.core.paths import check_model_name, model_path, tuned_path

SEARCH = "search"
Settings = dict[str, Any]


FOUND = "Written by the verb search."


class TunedSettings(Section):
    """The settings that tuning chose for a model, from ``configs/tuned/<model>.yaml``.

    Attributes:
        competition: on which they were found; None where there are none.
        settings: by path, laid over the model's own file.
        model_file: digest of what that file said, so that DVC's run cache tells all of its versions apart.
    """

    competition: str | None = None
    settings: Settings = Field(default_factory=dict)
    model_file: str = ""


def read_model(root: Path, model: str) -> tuple[Settings, Settings]:
    """Reads a model's file as plain values.

    Returns:
        Its settings, and its search space, empty where it has none.

    Raises:
        InputError: no such model (the near names are listed), not YAML, or a search space that is no mapping.
    """
    check_model_name(model)
    path = model_path(root, model)
    settings = read_yaml(path)
    search = settings.pop(SEARCH, None)
    if search is not None and (not isinstance(search, dict) or not search):
        raise InputError(f"{path}: {SEARCH} must map settings to the values to try, got {search!r}; or leave it out")
    return settings, search or {}


def read_tuned_settings(root: Path, model: str, competition: str) -> Settings:
    """Reads the settings of tuning, by path; empty where there are none.

    Raises:
        InputError: it was found on another competition.
    """
    path = tuned_path(root, model)
    if not path.is_file():
        return {}
    tuned = load(path, TunedSettings)
    if tuned.settings and tuned.competition != competition:
        raise InputError(
            f"{path} was found on {tuned.competition}, but the active competition is {competition}; run `dvc repro "
            f"tune@{model}`, or remove the file"
        )
    return tuned.settings


def is_found_by_search(path: Path) -> bool:
    """Says whether a model's file is one that a search wrote, and may write again or remove."""
    return path.is_file() and FOUND in path.read_text(encoding="utf-8").partition("\n")[0]


def write_model_settings(path: Path, headline: str, settings: Mapping[str, Any]) -> None:
    """Writes settings as YAML below a comment, whole or not at all.

    Args:
        path: the file.
        headline: the comment.
        settings: in their order; where there are none the comment is all.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(f"# {headline}\n")
        if settings:
            yaml.dump(dict(settings), file)


def get_setting(settings: Mapping[str, Any], path: str) -> Any:
    """Returns the value at a path.

    Raises:
        InputError: there is none; names the near ones.
    """
    found: Any = settings
    for part in path.split("."):
        known = _keys(found)
        if part not in known:
            raise InputError(f"{path}: no setting {part}; {near_names(part, known)}")
        found = found[int(part)] if isinstance(found, list) else found[part]
    return found


def overlay_settings(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> Settings:
    """Returns a copy of the settings with the values at some paths replaced, in order.

    Raises:
        InputError: nothing lies above a path.
    """
    result = copy.deepcopy(dict(settings))
    for path, value in changes.items():
        above, _, last = path.rpartition(".")
        parent = get_setting(result, above) if above else result
        if isinstance(parent, list):
            get_setting(result, path)  # a list does not grow
            parent[int(last)] = copy.deepcopy(value)
        elif isinstance(parent, dict):
            parent[last] = copy.deepcopy(value)
        else:
            raise InputError(f"{path}: {above} is {parent!r}, which has no settings of its own")
    return result


def _keys(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(place) for place in range(len(value))]
    return list(value) if isinstance(value, dict) else []
