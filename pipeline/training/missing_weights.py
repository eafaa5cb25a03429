"""Weights that a model needs and nobody has: said before it is tried, by the names of files alone."""

from pathlib import Path

from pipeline.networks.backbones.pretrained import Pretrained, list_wanted_weights
from pipeline.networks.backbones.published import explain_unreachable, find_local
from pipeline.training.heads.frozen_networks import make_network_recipe
from pipeline.training.heads.recipe import TORCH_NETWORKS, HeadRecipe
from pipeline.training.model_file import ModelRecipe
from pipeline.training.recipes.recipe import Recipe


def explain_missing_weights(recipe: ModelRecipe, stored: int, folder: Path) -> str:
    """Says which weights are neither at hand nor to be downloaded; nothing where none are missing.

    Only networks of `keras.applications` are looked at: what others need shows when they are built.

    Args:
        recipe: of any model.
        stored: side of the stored images in pixels.
        folder: of files with pretrained weights.

    Raises:
        InputError: a head names no backbone, or one without published weights.
    """
    for network, size in _list_pretrained(recipe, stored):
        files = list_wanted_weights(network, size)
        if files and find_local(files, folder) is None and (reason := explain_unreachable(files[0])):
            return f"its weights ({files[0].name}) are not in {folder} and cannot be downloaded ({reason})"
    return ""


def _list_pretrained(recipe: ModelRecipe, stored: int) -> list[tuple[Pretrained, int]]:
    """Lists the networks with published weights that a recipe reads, and the sides of their inputs in pixels."""
    if isinstance(recipe, Recipe):
        sections = [(recipe.network, recipe.first_size(stored))]
    elif isinstance(recipe, HeadRecipe):
        keras_ones = [each for each in recipe.backbones if each.network.get("name") not in TORCH_NETWORKS]
        sections = [(make_network_recipe(each, "backbones").network, each.input.size or stored) for each in keras_ones]
    else:
        return []
    return [(network, size) for network, size in sections if isinstance(network, Pretrained)]
