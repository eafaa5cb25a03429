"""Dependencies of a training beside images and labels: pretrained weights, and predictions of other models."""

from pathlib import Path
from typing import Any

from pipeline.core.files import sha256
from pipeline.core.tables import folds_digest, read_folds
from pipeline.networks.build import list_weight_files
from pipeline.training.classic.recipe import ClassicRecipe
from pipeline.training.context import TrainingContext
from pipeline.training.doubted import apply_doubts
from pipeline.training.fingerprints import digest_images
from pipeline.training.heads.backbones import open_backbone
from pipeline.training.heads.recipe import HeadRecipe
from pipeline.training.model_file import ModelRecipe
from pipeline.training.recipes.distillation import find_oof_file
from pipeline.training.recipes.pseudo import Teachers, find_teachers
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.tabular.features import digest_members
from pipeline.training.tabular.recipe import TabularRecipe


def digest_dependencies(recipe: ModelRecipe, context: TrainingContext) -> dict[str, Any]:
    """Digests all that a model depends on beside the images and their labels, of which some may be doubted.

    Raises:
        InputError: a file of these cannot be had.
    """
    return _digest_files(recipe, context) | apply_doubts(context, recipe.doubted).digest_doubts()


def _digest_files(recipe: ModelRecipe, context: TrainingContext) -> dict[str, Any]:
    if isinstance(recipe, ClassicRecipe):
        return {}
    if isinstance(recipe, HeadRecipe):
        images = digest_images(context.prepared)
        return {"features": [open_backbone(each, context, images).digest for each in recipe.backbones]}
    if isinstance(recipe, TabularRecipe):
        return digest_members(context.root, recipe)
    weights = list_weight_files(recipe.network, context.weights, recipe.first_size(context.data.images.shape[1]))
    return {"weights": [sha256(path) for path in weights], **digest_predictions(recipe, context)}


def digest_predictions(recipe: Recipe, context: TrainingContext) -> dict[str, dict[str, str]]:
    """Digests the predictions of other models that a model is trained on, by what they are used for."""
    teachers = find_pseudo_teachers(recipe, context)
    return {
        "oof": {name: sha256(path) for name, path in find_oof_files(recipe, context).items()},
        "pseudo": teachers.digests(int(context.data.fold_of.max()) + 1) if teachers else {},
    }


def find_oof_files(recipe: Recipe, context: TrainingContext) -> dict[str, Path]:
    """Finds the OOF predictions that a recipe names.

    Returns:
        Paths of the ``teacher`` of a student, and of the predictions that show ``weak`` classes.

    Raises:
        InputError: one is missing, or was made on other classes or folds.
    """
    distill, weak = recipe.training.distill, recipe.balance.weak
    if not distill and not weak:
        return {}
    made_on = context.data.target, folds_digest(read_folds(context.folds))
    files = {"teacher": find_oof_file(context.root, distill.oof, "training.distill.oof", *made_on)} if distill else {}
    return files | ({"weak": find_oof_file(context.root, weak.oof, "balance.weak.oof", *made_on)} if weak else {})


def find_pseudo_teachers(recipe: Recipe, context: TrainingContext) -> Teachers | None:
    """Finds the teachers of ``training.pseudo``; None without that section.

    Raises:
        InputError: a teacher is missing, or was trained on other classes or folds.
    """
    pseudo = recipe.training.pseudo
    if pseudo is None:
        return None
    return find_teachers(context.root, pseudo, context.data.target, context.folds, context.chosen_folds)
