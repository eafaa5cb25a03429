"""A model's YAML, whatever kind of model it describes."""

from pathlib import Path

from pipeline.classic import ClassicRecipe, load_classic_recipe, without_mirror
from pipeline.recipe import Recipe, load_recipe, without_flips


def load_model(root: Path, model: str, mirror: bool) -> Recipe | ClassicRecipe:
    """Reads ``configs/models/<model>.yaml``: a classic model where it has a ``classifier``, else a network.

    Args:
        root: the repository folder.
        model: its name.
        mirror: whether mirrored images keep their class; otherwise nothing is mirrored.

    Raises:
        InputError: no such model (the near names are listed), or the file does not fit the schema.
    """
    classic = load_classic_recipe(root, model)
    if classic is not None:
        return classic if mirror else without_mirror(classic)
    recipe = load_recipe(root, model)
    return recipe if mirror else without_flips(recipe)
