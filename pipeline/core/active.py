"""The active competition, models and members, and the folder of pretrained weights: what ``params.yaml`` names."""

from pathlib import Path

from pipeline.core.config import read_params, setting_or_variable
from pipeline.core.errors import InputError, near_names
from pipeline.core.paths import check_model_name, competitions_folder, models_folder


def active_name(root: Path) -> str:
    """Returns the competition that ``params.yaml`` names.

    Raises:
        InputError: ``params.yaml`` names none.
    """
    name = read_params(root).get("competition")
    if not isinstance(name, str):
        known = [file.stem for file in competitions_folder(root).glob("*.yaml")]
        raise InputError(
            f"params.yaml: competition must name a file under configs/competitions, got {name!r}; "
            f"{near_names(str(name), known)}"
        )
    return name


def active_models(root: Path) -> tuple[str, ...]:
    """Returns the models that ``params.yaml`` names.

    Raises:
        InputError: the list is empty or repeats a name, or a name is reserved or has no file under configs/models.
    """
    names = read_params(root).get("models")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"params.yaml: models must list files under configs/models, got {names!r}")
    known = [file.stem for file in models_folder(root).glob("*.yaml")]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"params.yaml: models lists {name} more than once; keep one")
        check_model_name(name)
        if name not in known:
            raise InputError(
                f"params.yaml: models lists {name!r}, configs/models has no such file; {near_names(name, known)}"
            )
    return tuple(names)


def active_members(root: Path) -> tuple[str, ...]:
    """Returns the members of the ensemble: the models, and those made elsewhere (``ensemble.external``).

    Raises:
        InputError: as `active_models`, or a member made elsewhere has the name of a model.
    """
    models = active_models(root)
    section = read_params(root).get("ensemble")
    external = section.get("external") if isinstance(section, dict) else None
    names = external if isinstance(external, list) else []
    for name in names:
        try:
            check_model_name(str(name))
        except InputError as error:
            raise InputError(
                f"params.yaml: ensemble.external: {name!r} cannot name a member: letters, digits, _ and - only; "
                "add it again under another name"
            ) from error
        if name in models or names.count(name) > 1:
            raise InputError(f"params.yaml: ensemble.external: {name} is the name of another member; rename one")
    return (*models, *(str(name) for name in names))


def weights_folder(root: Path) -> Path:
    """Returns the folder of pretrained weights: ``train.weights``, else ``WEIGHTS_DIR``, else ``data/weights``."""
    section = read_params(root).get("train") or {}
    if not isinstance(section, dict):
        raise InputError(f"params.yaml: train must be a mapping, got {section!r}")
    weights = None if section.get("weights") == "auto" else section.get("weights")
    if weights is not None and not isinstance(weights, str):
        raise InputError(f"params.yaml: train.weights must be the path of a folder, got {weights!r}")
    return root / setting_or_variable(weights, "WEIGHTS_DIR", "data/weights")
