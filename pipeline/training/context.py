"""The context of a training: prepared images, folds, and the ``train`` section of ``params.yaml``."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt

from pipeline.core import paths
from pipeline.core.active import weights_folder
from pipeline.core.bounds import AllFolds, AutoText, AutoWorkers, Seed, SeedCount
from pipeline.core.competition import load_competition
from pipeline.core.config import Section, load_params
from pipeline.core.errors import InputError
from pipeline.core.paths import prepared_folder
from pipeline.networks.processor import Precision
from pipeline.training import fingerprints
from pipeline.training.data import Data, load_data
from pipeline.training.seeds import dump_trained_recipe
from pipeline.training.task import AnyRecipe


class RayParams(Section):
    """The section ``train.ray``: where `train-all` trains, and what a fold takes.

    Attributes:
        address: of a cluster; None starts Ray on this machine for one run.
        cpus_per_fold: cores of a fold; how many decides its bits.
        gpus_per_fold: GPUs of a fold; 0.25 puts four folds on one.
        memory_gb: memory of a fold, for the placement; 0 reserves none.
        shared: whether all nodes see the repository's folder under this path; if not, files go there and folds come
            back through Ray's object store.
    """

    address: str | None = None
    cpus_per_fold: PositiveInt = 1
    gpus_per_fold: float = Field(default=0.0, ge=0)
    memory_gb: float = Field(default=0.0, ge=0)
    shared: bool = True


class TrainParams(Section):
    """The ``train`` section of ``params.yaml``.

    Attributes:
        seed: of all that is random.
        seeds: trainings of each fold, each with the next seed; the model is the mean of what they predict.
        folds: which are trained; ``all``, or a list of their numbers.
        workers: processes that train folds at once, each with its part of the cores or a GPU of its own; ``auto`` means
            one for each GPU; without one as many as there are cores, folds, and 3 GB of memory for each, and one where
            images times epochs are below 10,000, or a head alone is trained.
        executor: what `train-all` trains on: ``ray``, or ``local`` for nothing but the `train` stage.
        ray: the cluster.
        precision: what networks compute in.
        same_hardware: whether all folds of a model must be trained on one kind of hardware.
        weights: folder of files with pretrained weights under Keras's own names; relative to the repository. ``auto``
            means the environment variable ``WEIGHTS_DIR``, or ``data/weights``.
    """

    seed: Seed = 0
    seeds: SeedCount = 1
    folds: AllFolds = None
    workers: AutoWorkers = None
    executor: Literal["local", "ray"] = "local"
    ray: RayParams = RayParams()
    precision: Precision = "auto"
    same_hardware: bool = False
    weights: AutoText = None


@dataclass(frozen=True)
class TrainingContext:
    """All that a training depends on beside its recipe.

    Attributes:
        root: the repository folder.
        prepared: folder of the image stores and indices.
        folds: path of the fold table.
        data: what lies there, opened.
        precision: as in params.yaml.
        weights: folder of files with pretrained weights.
        seed: the run's seed, or the first of several of a model.
        score: the competition's metric, as plain values.
        chosen_folds: the folds that will be trained.
        workers: how many of them at once; None leaves it to the machine, as in params.yaml.
        same_hardware: whether all folds of a model must be trained on one kind of hardware.
        seeds: how many each model is trained with, where its file says nothing else.
    """

    root: Path
    prepared: Path
    folds: Path
    data: Data
    precision: Precision
    weights: Path
    seed: int
    score: dict[str, Any]
    chosen_folds: tuple[int, ...]
    workers: int | None = None
    same_hardware: bool = False
    seeds: int = 1

    def fingerprint(self, trainer: str, images: list[str], recipe: AnyRecipe, precision: str, **more: Any) -> str:
        """Returns the fingerprint of a training."""
        more |= self.digest_doubts()
        known = {"recipe": dump_trained_recipe(recipe), "score": self.score, "seed": self.seed}
        return fingerprints.fingerprint_training(
            self.prepared, self.folds, images, trainer, known | more | {"precision": precision}
        )

    def offset_seed(self, recipe: AnyRecipe) -> "TrainingContext":
        """Returns the same with the first seed of a model, whose file may add to the run's."""
        return replace(self, seed=self.seed + recipe.seed_offset)

    def digest_doubts(self) -> dict[str, str]:
        """Digests the doubts of the data, for a fingerprint; empty where there are none."""
        return {} if self.data.doubts is None else {"doubts": self.data.doubts.digest}


def read_train_params(root: Path) -> TrainParams:
    """Reads the ``train`` section of ``params.yaml``.

    Raises:
        InputError: a setting that does not fit.
    """
    return load_params(root, "train", TrainParams)


def read_context(root: Path, params: TrainParams | None = None) -> TrainingContext:
    """Reads the context, for training, tuning and a learning-rate range test.

    Args:
        root: the repository.
        params: instead of those of ``params.yaml``, whose folder of weights stays.

    Raises:
        InputError: a setting that does not fit, or tables that do not belong together.
    """
    params = params or read_train_params(root)
    competition = load_competition(root)
    prepared, folds = prepared_folder(root), paths.folds_path(root)
    data = load_data(prepared, folds)
    return TrainingContext(
        root=root,
        prepared=prepared,
        folds=folds,
        data=data,
        precision=params.precision,
        weights=weights_folder(root),
        seed=params.seed,
        score=competition.metric.model_dump(mode="json"),
        chosen_folds=_chosen(params, int(data.fold_of.max()) + 1),
        workers=params.workers,
        same_hardware=params.same_hardware,
        seeds=params.seeds,
    )


def _chosen(params: TrainParams, n_folds: int) -> tuple[int, ...]:
    chosen = params.folds if params.folds is not None else tuple(range(n_folds))
    wrong = [fold for fold in chosen if not 0 <= fold < n_folds]
    if wrong or not chosen or len(set(chosen)) < len(chosen):
        raise InputError(
            f"train.folds must name different folds in 0..{n_folds - 1}, got {list(chosen)}; see params.yaml"
        )
    return chosen
