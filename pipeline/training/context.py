"""What any model is opened with: the prepared images, the folds, and the ``train`` section of ``params.yaml``."""

from pathlib import Path

from pydantic import Field, PositiveInt

from pipeline.core import paths
from pipeline.core.competition import load_competition
from pipeline.core.config import Section, load_params, setting_or_variable
from pipeline.core.errors import InputError
from pipeline.core.paths import prepared_folder
from pipeline.networks import runtime
from pipeline.training.data import load_data
from pipeline.training.setup import Surroundings


class TrainParams(Section):
    """The ``train`` section of ``params.yaml``.

    Attributes:
        seed: of all that is random.
        folds: which are trained; None means all of them.
        workers: processes that train folds at once, each with its part of the cores or a GPU of its own; None means
            one for each GPU, or one.
        precision: what networks compute in.
        weights: folder of files with pretrained weights under Keras's own names; relative to the repository. None
            means the environment variable ``WEIGHTS_DIR``, or ``data/weights``.
    """

    seed: int = Field(default=0, ge=0)
    folds: tuple[int, ...] | None = None
    workers: PositiveInt | None = None
    precision: runtime.Precision = "auto"
    weights: str | None = None


def surroundings(root: Path) -> Surroundings:
    """Reads what any model is opened with, for training, tuning and a learning-rate range test.

    Raises:
        InputError: a setting that does not fit, or tables that do not belong together.
    """
    params, competition = load_params(root, "train", TrainParams), load_competition(root)
    prepared, folds = prepared_folder(root), paths.folds_path(root)
    data = load_data(prepared, folds)
    return Surroundings(
        root=root,
        prepared=prepared,
        folds=folds,
        data=data,
        precision=params.precision,
        weights=root / setting_or_variable(params.weights, "WEIGHTS_DIR", "data/weights"),
        seed=params.seed,
        score=competition.metric.model_dump(mode="json"),
        wanted=_chosen(params, int(data.fold_of.max()) + 1),
        workers=params.workers,
    )


def _chosen(params: TrainParams, n_folds: int) -> tuple[int, ...]:
    chosen = params.folds if params.folds is not None else tuple(range(n_folds))
    wrong = [fold for fold in chosen if not 0 <= fold < n_folds]
    if wrong or not chosen or len(set(chosen)) < len(chosen):
        raise InputError(
            f"train.folds must name different folds in 0..{n_folds - 1}, got {list(chosen)}; see params.yaml"
        )
    return chosen
