"""Seeds: how often each fold of a model is trained, and the one prediction that its seeds make together.

A seed is a training of its own, with a fingerprint of its own: adding one later trains that one alone.
Reference: Lakshminarayanan et al. 2017, Simple and scalable predictive uncertainty estimation using deep ensembles,
https://arxiv.org/abs/1612.01474
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from pipeline.core.targets.contract import Target
from pipeline.core.targets.grade_heads import give_head
from pipeline.training.task import AnyRecipe, FoldTask

Kept = TypeVar("Kept")


def list_seeds(recipe: AnyRecipe, first: int, count: int) -> tuple[int, ...]:
    """Returns the seeds that each fold of a model is trained with, in their order.

    Args:
        recipe: of the model, whose own ``seeds`` come before ``count``.
        first: of the model.
        count: ``train.seeds``.

    Returns:
        The first alone where nothing in the model is random: other seeds would train the same again.
    """
    many = recipe.seeds or count if recipe.is_random else 1
    return tuple(range(first, first + many))


def dump_trained_recipe(recipe: AnyRecipe) -> dict[str, Any]:
    """Returns the recipe as plain values, less which seeds there are, on which the training of one does not depend."""
    return {key: value for key, value in recipe.model_dump(mode="json").items() if key not in ("seeds", "seed_offset")}


def are_alike(tasks: Sequence[FoldTask]) -> bool:
    """Says whether all folds of all seeds are trained in one precision by one recipe, batch size included."""
    seeds, prints = ({getattr(task, key) for task in tasks} for key in ("seed", "fingerprint"))
    settings = [(task.precision, dump_trained_recipe(task.recipe)) for task in tasks]
    return len(prints) <= len(seeds) and all(each == settings[0] for each in settings)


def group_by_seed(tasks: Sequence[FoldTask]) -> dict[int, list[FoldTask]]:
    """Returns the folds of each seed, in the order in which both come."""
    grouped: dict[int, list[FoldTask]] = {}
    for task in tasks:
        grouped.setdefault(task.seed, []).append(task)
    return grouped


def name_fold(fold: int, seed: int, first: int) -> str:
    """Names what belongs to one fold of one seed, in names of files: that of the first seed by its fold alone."""
    return f"fold{fold}" if seed == first else f"fold{fold}-seed{seed}"


def give_recipe_head(target: Target, config: dict[str, Any], place: str) -> Target:
    """Returns the target with the head of grades that a model's settings name.

    Args:
        target: of the competition.
        config: the model's settings as plain values.
        place: what errors call their origin.
    """
    section = config.get("classifier") or config.get("training") or config
    return give_head(target, section.get("grades", "classification"), place)
