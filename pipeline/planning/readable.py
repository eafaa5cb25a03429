"""Facts of models' files that a plan has to know; checking their settings starts Keras, so a process apart does it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.core.active import weights_folder
from pipeline.core.competition import Competition
from pipeline.core.errors import InputError
from pipeline.planning.prior import PASS_MARK, ModelFacts, TrainingLength, Work
from pipeline.training.heads.recipe import FrozenBackbone, HeadRecipe
from pipeline.training.missing_weights import explain_missing_weights
from pipeline.training.model_file import ModelRecipe, load_model
from pipeline.training.recipes.recipe import Recipe


def read_model_facts(
    root: Path, competition: Competition, names: Sequence[str]
) -> tuple[dict[str, ModelFacts], dict[str, str]]:
    """Reads models' files.

    Args:
        root: the repository.
        competition: the active one.
        names: of the models.

    Returns:
        What a plan has to know of each, and the reasons of those that it may not try.
    """
    found, left_out, weights = {}, {}, weights_folder(root)
    for name in names:
        try:
            recipe = load_model(root, name, competition.mirror)
            missing = explain_missing_weights(recipe, competition.storage.size, weights)
        except InputError as error:
            left_out[name] = str(error)
            continue
        if isinstance(recipe, Recipe) and (recipe.training.pseudo or recipe.training.distill):
            left_out[name] = "learns from the predictions of another model"
            continue
        if missing:
            left_out[name] = missing
            continue
        length, features = _find_length(name, recipe), _list_features(name, recipe)
        found[name] = ModelFacts(_sees_stored_size(recipe), features, length, _find_work(recipe))
    return found, left_out


def _list_features(name: str, recipe: ModelRecipe) -> frozenset[str]:
    """Names the features that a head reads: the frozen network and its input, then what tells passes of it apart."""
    if isinstance(recipe, HeadRecipe):
        return frozenset(
            _name_network(each, each.network) + PASS_MARK + each.model_dump_json() for each in recipe.backbones
        )
    if isinstance(recipe, Recipe) and recipe.training.unfreeze == "head":
        return frozenset({_name_network(recipe, recipe.network.model_dump(mode="json")) + PASS_MARK + name})
    return frozenset()


def _find_work(recipe: ModelRecipe) -> Work:
    if not isinstance(recipe, Recipe):
        return "other"
    name = recipe.network.model_dump(mode="json").get("name")
    if name == "mlp_hog":
        return "other"  # its gradients take more than the head on them
    if recipe.training.unfreeze == "head" or recipe.training.prefix:
        return "pass"
    return "backbone" if name == "pretrained" else "step"


def _name_network(section: FrozenBackbone | Recipe, network: Mapping[str, Any]) -> str:
    which = [network.get(key) for key in ("name", "backbone", "preset", "model", "folder")]
    weights = [network.get("weights") or "imagenet", network.get("arguments") or {}]
    return json.dumps([*which, *weights, section.input.size])


def _sees_stored_size(recipe: ModelRecipe) -> bool:
    """Whether a recipe takes images at the size that they are stored at, and so costs more where that is larger."""
    if isinstance(recipe, HeadRecipe):
        return any(each.input.size is None for each in recipe.backbones)
    return recipe.input.size is None if isinstance(recipe, Recipe) else True


def _find_length(name: str, recipe: ModelRecipe) -> TrainingLength | None:
    """Finds how long a network trains, where fewer epochs of its last phase are a training, too."""
    if not isinstance(recipe, Recipe):
        return None
    training = recipe.training
    by_epochs = training.patience or training.average or training.plain_epochs
    if by_epochs or training.unfreeze == "head" or training.schedule.name in ("plateau", "step"):
        return None  # settings that count epochs, and heads, whose features cost more than they
    return TrainingLength(name, training.epochs, training.all_epochs - training.epochs, training.epochs)
