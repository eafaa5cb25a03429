"""The models that a plan may try: those of ``params.yaml`` and those of the table of measured recipes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.core.competition import Competition
from pipeline.core.errors import InputError
from pipeline.core.paths import models_folder
from pipeline.planning.prior import DataSize, Estimate, MeasuredRecipe, estimate_recipe
from pipeline.training.heads.recipe import HeadRecipe
from pipeline.training.model_file import ModelRecipe, load_model
from pipeline.training.recipes.recipe import Recipe


def estimate_candidates(
    root: Path, competition: Competition, named: Sequence[str], size: DataSize, table: Sequence[MeasuredRecipe]
) -> tuple[dict[str, Estimate | None], dict[str, str]]:
    """Estimates what each candidate costs and scores here.

    Args:
        root: the repository.
        competition: the active one.
        named: models that ``params.yaml`` names: also tried where the table does not know them.
        size: of the competition.
        table: of measured recipes.

    Returns:
        The estimates by model, and the reasons of those that are left out.
    """
    files = {file.stem for file in models_folder(root).glob("*.yaml")}
    names = sorted(files & ({row.recipe for row in table} | set(named) | set(competition.models)))
    estimates, left_out = {}, {}
    for name in names:
        try:
            recipe = load_model(root, name, competition.mirror)
        except InputError as error:
            left_out[name] = str(error)
            continue
        if isinstance(recipe, Recipe) and (recipe.training.pseudo or recipe.training.distill):
            left_out[name] = "learns from the predictions of another model"
            continue
        estimate = estimate_recipe(name, size, table, _sees_stored_size(recipe))
        if estimate and isinstance(recipe, HeadRecipe):
            read = frozenset(each.model_dump_json() for each in recipe.backbones)
            estimate = replace(estimate, backbones=read)
        estimates[name] = estimate
    return estimates, left_out


def _sees_stored_size(recipe: ModelRecipe) -> bool:
    """Whether a recipe takes images at the size that they are stored at, and so costs more where that is larger."""
    if isinstance(recipe, HeadRecipe):
        return any(each.input.size is None for each in recipe.backbones)
    return recipe.input.size is None if isinstance(recipe, Recipe) else True
