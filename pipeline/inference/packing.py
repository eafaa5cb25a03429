"""Packed models: all that predicts, collected into one folder laid out as the repository, for a notebook offline."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.core.active import active_name, weights_folder
from pipeline.core.cards import ModelCard, SubmissionCard, read_card, write_card
from pipeline.core.competition import load_competition
from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.paths import (
    ENSEMBLE,
    card_path,
    classes_path,
    competition_path,
    folds_path,
    index_path,
    model_path,
    oof_path,
    params_path,
    predicted_test_path,
    submission_path,
    target_path,
)
from pipeline.inference.selection import Selection, list_checkpoints, list_shared_backbones
from pipeline.training.heads.recipe import TORCH_NETWORKS, FrozenBackbone

_TRANSFORMERS = ("vit", "dinov2", "dinov3", "siglip")
_PACKAGE = Path(__file__).parents[1]


def collect_pack(root: Path, target: Path, selection: Selection) -> None:
    """Copies the package, configurations, cards, checkpoints and what the combination needs into a folder.

    Raises:
        InputError: a file is missing.
    """
    shutil.copytree(_PACKAGE, target / "pipeline", ignore=shutil.ignore_patterns("__pycache__", ".tmp-*"))
    for path in _files(root, selection):
        if not path.is_file():
            raise InputError(f"{path} does not exist; run `dvc repro`, or `dvc checkout`")
        copy = target / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    for card in selection.models:
        write_card(card_path(target, card.model), _with_weights(root, target, card))


def _files(root: Path, selection: Selection) -> Iterator[Path]:
    yield params_path(root)
    yield competition_path(root, active_name(root))
    yield classes_path(root)
    if target_path(root).is_file():
        yield target_path(root)
        yield index_path(root, "train")  # holds the truth that an ensemble of such targets is fitted to again
    written = submission_path(root, selection.name).with_suffix(".json")
    if written.is_file() and read_card(written, SubmissionCard).needs_rule:
        yield written
    yield predicted_test_path(root, selection.name)  # for the notebook to compare its own with
    for card in selection.models:
        yield model_path(root, card.model)
        yield from (path for of_seeds in list_checkpoints(root, card).values() for path in of_seeds)
        yield from list_shared_backbones(root, card)
    if selection.members:
        yield card_path(root, ENSEMBLE)
        yield folds_path(root)
        yield from (oof_path(root, member) for member in selection.members)


def _with_weights(root: Path, target: Path, card: ModelCard) -> ModelCard:
    """Copies what a model needs beside its checkpoints; the returned card names the copies.

    The preset holds the shape of a transformer; below a head on cached features lie whole backbones.
    """
    if card.has_network:
        network = _copy_preset(root, target, card.config["network"], f"{card.model}-preset")
        return card.model_copy(update={"config": card.config | {"network": network}})
    if "backbones" not in card.config:
        return card
    # Only this needs Keras, which takes seconds to import.
    from pipeline.training.heads.frozen_networks import list_backbone_weights

    weights, stored, sections = weights_folder(root), load_competition(root).storage.size, []
    for number, backbone in enumerate(card.config["backbones"]):
        network = _copy_preset(root, target, backbone["network"], f"{card.model}-preset{number}")
        if network == backbone["network"]:
            section = parse(backbone, FrozenBackbone, f"card of {card.model}: config.backbones")
            for path in list_backbone_weights(section, weights, section.input.size or stored):
                copy = target / "weights" / _name_weights(path, weights, network)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
        sections.append(backbone | {"network": network})
    return card.model_copy(update={"config": card.config | {"backbones": sections}})


def _name_weights(path: Path, weights: Path, network: dict[str, Any]) -> Path:
    """Names a file of a backbone's weights as its notebook looks for it: PyTorch's by the path in the model's file."""
    if network["name"] not in TORCH_NETWORKS:
        return Path(path.name)
    named = Path(network.get("weights") or network["folder"])
    if named.is_absolute() or ".." in named.parts:
        raise InputError(
            f"backbones: {named} is no path below the folder of weights, where a packed notebook looks for it; copy it "
            f"into {weights}, name it by its path in there, and train the model again"
        )
    return path.relative_to(weights)


def _copy_preset(root: Path, target: Path, network: dict[str, Any], name: str) -> dict[str, Any]:
    """Copies the files of a transformer's preset, where it has one; returns the section that names the copy."""
    if network.get("name") not in _TRANSFORMERS:
        return network
    from pydantic import TypeAdapter

    from pipeline.networks.backbones.transformers import Transformer, list_transformer_files

    section = TypeAdapter[Transformer](Transformer).validate_json(json.dumps(network))
    if section.weights != "preset":
        return network
    (target / "weights" / name).mkdir(parents=True)
    for path in list_transformer_files(section, weights_folder(root)):
        shutil.copyfile(path, target / "weights" / name / path.name)
    return network | {"preset": name}
