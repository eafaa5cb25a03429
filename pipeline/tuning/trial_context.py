"""Context of a model's trials: search space, training context and metric; and the tasks of folds made from them."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.active import active_name
from pipeline.core.arrays import Truth, Values
from pipeline.core.closure import code_digest
from pipeline.core.competition import Score
from pipeline.core.errors import InputError
from pipeline.core.files import sha256
from pipeline.core.measures.metric import Metric
from pipeline.core.paths import doubted_path, work_folder
from pipeline.core.predictions import read_predictions
from pipeline.networks import hardware
from pipeline.training.context import TrainingContext
from pipeline.training.dependencies import digest_dependencies
from pipeline.training.model_file import ModelRecipe
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.task import FoldTask, Trainable
from pipeline.tuning.params import TuneParams
from pipeline.tuning.space import Space


@dataclass(frozen=True)
class TrialContext:
    """All that the trials of a model share.

    Attributes:
        root: the repository folder.
        model: its name.
        space: the search space.
        training: context of every training.
        score: the competition's metric.
        params: the ``tune`` section.
        deadline: of `time.time`; None for none.
    """

    root: Path
    model: str
    space: Space
    training: TrainingContext
    score: Score
    params: TuneParams
    deadline: float | None

    @property
    def metric(self) -> Metric:
        """The competition's metric of its target."""
        return self.score.metric_for(self.training.data.target)

    @property
    def n_folds(self) -> int:
        """Number of folds of the fold table."""
        return int(self.training.data.fold_of.max()) + 1

    @property
    def epochs(self) -> int:
        """Epochs of the longest training that a change of one setting makes."""
        recipes = [self.space.make_recipe({})]
        for name, parameter in self.space.parameters.items():
            recipes += _make_valid_recipes(self.space, name, parameter.extremes())
        return max(recipe.training.all_epochs if isinstance(recipe, Recipe) else 1 for recipe in recipes)

    @property
    def study_name(self) -> str:
        """The model's name and a fingerprint of data, folds, space and code: other scores are another study's."""
        prepared = self.training.prepared
        files = [prepared / name for name in ("train_images.npy", "train.csv", "classes.json")]
        determined_by = {
            "data": [sha256(path) for path in [*files, self.training.folds]],
            "default": {key: value for key, value in self.space.default.items() if key != "seeds"},  # trains the first
            "search": {name: parameter.model_dump(mode="json") for name, parameter in self.space.parameters.items()},
            "order": list(self.space.parameters),
            "mirror": self.space.mirror,
            "folds": self.params.folds,
            "objectives": self.params.objectives,
            "score": self.training.score,
            "seeds": [self.training.seed, self.params.seed],
            "precision": self.training.precision,
            "outside": digest_dependencies(self.space.make_recipe({}), self.training),
            **self._digest_list(),
            "code": code_digest("pipeline.tuning.trials"),
            "versions": hardware.read_versions(),
        }
        digest = hashlib.sha256(json.dumps(determined_by, sort_keys=True).encode()).hexdigest()
        return f"{self.model}-{digest[:16]}"

    def _digest_list(self) -> dict[str, str]:
        """Digests the list of doubted labels where a search chooses what becomes of them."""
        path = doubted_path(self.root, active_name(self.root))
        searched = "doubted" in self.space.parameters and path.is_file()
        return {"doubted": sha256(path)} if searched else {}


def make_fold_task(context: TrialContext, trainable: Trainable, fold: int, seed: int, display_name: str) -> FoldTask:
    """Returns the task that `train` would run for a fold, but for the name in its messages."""
    return FoldTask(
        model=context.model,
        fold=fold,
        recipe=trainable.recipe,
        prepared=context.training.prepared,
        folds=context.training.folds,
        work=work_folder(context.root, "train"),
        fingerprint=trainable.fingerprint,
        score=context.score,
        seed=seed,
        precision=trainable.precision,
        display_name=display_name,
    )


def read_valid_predictions(task: FoldTask, context: TrainingContext) -> tuple[Truth, Values]:
    """Reads the truth and the predictions of a fold's valid rows."""
    path = task.folder / "valid.parquet"
    rows = context.data.rows(task.fold)[1]
    ids = [context.data.ids[row] for row in rows]
    return context.data.truth[rows], read_predictions(path, context.data.target).aligned(ids, str(path))


def _make_valid_recipes(space: Space, name: str, values: list[object]) -> list[ModelRecipe]:
    recipes = []
    for value in values:
        try:
            recipes.append(space.make_recipe({name: value}))
        except InputError:
            continue  # suggested under a condition alone
    return recipes
