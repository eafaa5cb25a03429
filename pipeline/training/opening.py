"""A model opened for training: from its recipe to folds that can be trained; a head on features starts no backend."""

from typing import TYPE_CHECKING

from pipeline.core.competition import Score
from pipeline.core.paths import work_folder
from pipeline.networks.hardware import name_array_hardware, name_hardware, read_versions
from pipeline.training.context import TrainingContext
from pipeline.training.fingerprints import read_array_surroundings
from pipeline.training.heads.recipe import HeadRecipe
from pipeline.training.model_file import ModelRecipe
from pipeline.training.task import FoldTask, Trainable

if TYPE_CHECKING:  # which starts the backend
    from pipeline.training.setup import SettledModel


def open_model(recipe: ModelRecipe, context: TrainingContext) -> Trainable:
    """Makes a model ready; a head on features that are kept starts no backend.

    Raises:
        InputError: the recipe does not fit the images or the classes, or a file that it names cannot be had.
    """
    if isinstance(recipe, HeadRecipe):
        return _make_head(recipe, context)
    from pipeline.training.setup import make_trainable

    return make_trainable(recipe, context)


def settle_trained_model(recipe: ModelRecipe, context: TrainingContext) -> "SettledModel | Trainable":
    """Settles what determines a model's results, before its network is built; a head is made ready at once.

    Raises:
        InputError: as `open_model`.
    """
    if isinstance(recipe, HeadRecipe):
        return _make_head(recipe, context)
    from pipeline.training.setup import settle_model

    return settle_model(recipe, context)


def _make_head(recipe: HeadRecipe, context: TrainingContext) -> Trainable:
    from pipeline.training.heads.training import make_head  # takes scikit-learn, which takes seconds to start

    return make_head(recipe, context)


def define_fold_task(
    opened: "SettledModel | Trainable", model: str, fold: int, context: TrainingContext, score: Score
) -> FoldTask:
    """Makes the task of one fold of a model that is settled.

    Args:
        opened: the model.
        model: its name.
        fold: the fold held out.
        context: what it was opened with.
        score: the metric shown while training.
    """
    return FoldTask(
        model=model,
        fold=fold,
        recipe=opened.recipe,
        prepared=context.prepared,
        folds=context.folds,
        work=work_folder(context.root, "train"),
        fingerprint=opened.fingerprint,
        score=score,
        seed=context.seed,
        precision=opened.precision,
    )


def describe_surroundings(recipe: ModelRecipe) -> tuple[dict[str, str], str]:
    """Returns the versions of what a model is trained with, and names what it is trained on."""
    if isinstance(recipe, HeadRecipe):
        return read_array_surroundings()["versions"], name_array_hardware()
    return read_versions(), name_hardware()
