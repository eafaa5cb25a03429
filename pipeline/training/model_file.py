"""A model's YAML, whatever kind of model it describes, with what tuning found laid over it."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pipeline.core.active import active_name
from pipeline.core.paths import model_path, tuned_path
from pipeline.training.classic.recipe import ClassicRecipe, parse_classic_recipe, remove_mirror
from pipeline.training.heads.recipe import HeadRecipe, parse_head_recipe, remove_mirrored_rows
from pipeline.training.recipes.model_yaml import Settings, overlay_settings, read_model, read_tuned_settings
from pipeline.training.tabular.recipe import TabularRecipe, parse_tabular_recipe

if TYPE_CHECKING:  # which starts the backend
    from pipeline.training.recipes.recipe import Recipe

ModelRecipe: TypeAlias = "Recipe | ClassicRecipe | TabularRecipe | HeadRecipe"
_WITHOUT_NETWORK = ClassicRecipe, TabularRecipe, HeadRecipe


def load_model(root: Path, model: str, mirror: bool, changes: Settings | None = None) -> ModelRecipe:
    """Reads ``configs/models/<model>.yaml`` and lays ``configs/tuned/<model>.yaml`` over it.

    Args:
        root: the repository folder.
        model: its name.
        mirror: whether mirrored images keep their class; otherwise nothing is mirrored.
        changes: settings by path, laid over both.

    Raises:
        InputError: no such model (the near names are listed), the file does not fit the schema, or what tuning found
            belongs to another competition.
    """
    settings, _ = read_model(root, model)
    recipe = recipe_from(settings, str(model_path(root, model)))
    tuned = read_tuned_settings(root, model, active_name(root))
    for laid, place in ((tuned, str(tuned_path(root, model))), (changes, f"{model} with other settings")):
        if laid:
            full: Settings = recipe.model_dump(mode="json")
            recipe = recipe_from(overlay_settings(full, laid), place)
    if not isinstance(recipe, _WITHOUT_NETWORK):
        from pipeline.training.recipes.recipe import check_teachers

        check_teachers(recipe, model, model_path(root, model))
    return adapted(recipe, mirror)


def recipe_from(settings: Settings, place: str) -> ModelRecipe:
    """Builds a recipe: ``tabular``, ``backbones`` and ``classifier`` have models without a network of their own.

    Args:
        settings: as they stand in the file.
        place: what errors call their origin.

    Raises:
        InputError: they do not fit the schema.
    """
    if "tabular" in settings:
        return parse_tabular_recipe(settings, place)
    if "backbones" in settings:
        return parse_head_recipe(settings, place)
    if "classifier" in settings:
        return parse_classic_recipe(settings, place)
    from pipeline.training.recipes.recipe import parse_network_recipe

    return parse_network_recipe(settings, place)


def adapted(recipe: ModelRecipe, mirror: bool) -> ModelRecipe:
    """Returns the recipe for a competition, in which mirrored images may keep their class or not."""
    if mirror or isinstance(recipe, TabularRecipe):
        return recipe
    if isinstance(recipe, HeadRecipe):
        return remove_mirrored_rows(recipe)
    if isinstance(recipe, ClassicRecipe):
        return remove_mirror(recipe)
    from pipeline.training.recipes.recipe import remove_flips

    return remove_flips(recipe)
