"""What a notebook without internet needs of a repository to predict: collected into one folder, laid out as there."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.active import active_members, active_models, active_name, weights_folder
from pipeline.core.cards import EnsembleCard, ModelCard, read_card, write_card
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError, near_names, some
from pipeline.core.paths import (
    ENSEMBLE,
    card_path,
    checkpoints_folder,
    classes_path,
    competition_path,
    folds_path,
    model_path,
    oof_path,
    params_path,
    test_path,
)
from pipeline.ensemble.recombining import check_recombines, used_members

_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Chosen:
    """What is packed.

    Attributes:
        name: a model, or ``ensemble``.
        models: cards of the models that predict.
        members: all whose out-of-fold predictions the combination needs; none for a single model.
    """

    name: str
    models: tuple[ModelCard, ...]
    members: tuple[str, ...]


def choose(root: Path, name: str) -> Chosen:
    """Looks up what a name stands for.

    Raises:
        InputError: an unknown name, nothing trained yet, something trained on another competition, or a member that was
            made elsewhere, of which there are predictions but no checkpoints.
    """
    models = active_models(root)
    elsewhere = set(active_members(root)) - set(models)
    if name in elsewhere:
        raise InputError(f"{name} was made elsewhere: there are predictions of it, but no checkpoints to pack")
    if name not in (*models, ENSEMBLE):
        raise InputError(f"no model of params.yaml is called {name!r}; {near_names(name, (*models, ENSEMBLE))}")
    if name != ENSEMBLE:
        return Chosen(name, (_card(root, name),), ())
    card = read_card(card_path(root, name), EnsembleCard)
    _require_active(root, name, card.competition)
    used = used_members(card)
    foreign = [member for member in used if member not in models]
    if foreign:
        raise InputError(
            f"the ensemble uses {some(foreign)}, made elsewhere: there are no checkpoints to pack; take them out of "
            "ensemble.external in params.yaml and run `dvc repro`, or pack one model: "
            f"python -m pipeline pack {used[0] if used[0] in models else models[0]}"
        )
    check_recombines(root, load_competition(root).metric.metric)
    return Chosen(name, tuple(_card(root, member) for member in used), card.members)


def collect(root: Path, target: Path, chosen: Chosen) -> None:
    """Copies the package, configurations, cards, checkpoints and what the combination needs into a folder.

    Raises:
        InputError: a file is missing.
    """
    shutil.copytree(_PACKAGE, target / "pipeline", ignore=shutil.ignore_patterns("__pycache__", ".tmp-*"))
    for path in _files(root, chosen):
        if not path.is_file():
            raise InputError(f"{path} does not exist; run `dvc repro`, or `dvc checkout`")
        copy = target / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    for card in chosen.models:
        write_card(card_path(target, card.model), _with_presets(root, target, card))


def checkpoints_of(root: Path, card: ModelCard) -> list[Path]:
    """Returns the checkpoints of a model's folds, in their order.

    Raises:
        InputError: one is missing.
    """
    folder = checkpoints_folder(root, card.model)
    kind = "npz" if "classifier" in card.config else "weights.h5"
    paths = [folder / f"fold{fold}.{kind}" for fold in sorted(map(int, card.fold_scores))]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise InputError(f"{folder} lacks {some(missing)}; run `dvc repro train@{card.model}`, or `dvc checkout`")
    return paths


def _files(root: Path, chosen: Chosen) -> Iterator[Path]:
    yield params_path(root)
    yield competition_path(root, active_name(root))
    yield classes_path(root)
    yield test_path(root, chosen.name)  # what the notebook compares itself with
    for card in chosen.models:
        yield model_path(root, card.model)
        yield from checkpoints_of(root, card)
    if chosen.members:
        yield card_path(root, ENSEMBLE)
        yield folds_path(root)
        yield from (oof_path(root, member) for member in chosen.members)


def _card(root: Path, model: str) -> ModelCard:
    card = read_card(card_path(root, model), ModelCard)
    _require_active(root, model, card.competition)
    return card


def _require_active(root: Path, name: str, competition: str) -> None:
    if competition != active_name(root):
        raise InputError(
            f"{name} was trained for {competition}, the active competition is {active_name(root)}; run `dvc repro`"
        )


def _with_presets(root: Path, target: Path, card: ModelCard) -> ModelCard:
    """Copies the preset that tells the shape of a ViT; what comes back names the copy."""
    network: dict[str, Any] = card.config.get("network", {})
    if network.get("name") != "vit" or network.get("weights") != "preset":
        return card
    # Here alone is Keras needed, which costs seconds.
    from pipeline.networks.backbones.vit import Vit, vit_files

    section = Vit.model_validate_json(json.dumps(network))
    files = vit_files(section, weights_folder(root))
    name = f"{card.model}-preset"
    (target / "weights" / name).mkdir(parents=True)
    for path in files:
        shutil.copyfile(path, target / "weights" / name / path.name)
    return card.model_copy(update={"config": card.config | {"network": network | {"preset": name}}})
