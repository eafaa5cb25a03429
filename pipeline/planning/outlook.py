"""The outlook of a plan: models with what they are expected to cost and score, shortened trainings among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.room import count_cores
from pipeline.planning.candidates import ModelsToTry, estimate_candidates
from pipeline.planning.choosing import Option
from pipeline.planning.plan import Plan
from pipeline.planning.prior import DataSize, Estimate, MeasuredRecipe
from pipeline.planning.reseeded import estimate_reseeded
from pipeline.planning.shortened import estimate_shortened
from pipeline.training.context import TrainParams

_LONG = (
    120.0  # seconds of a step: with less, what starts and gathers the folds beside it takes too much of what it saves
)


@dataclass(frozen=True)
class Outlook:
    """What a plan may still do.

    Attributes:
        first: estimates of each model that may be tried from the start.
        left_out: models that may not, with the reason.
        on_ray: whether the next models train on what any step leaves free of a cluster.
        at_once: whether those train on cores that a network's step leaves free here.
    """

    first: dict[str, Estimate | None]
    left_out: dict[str, str]
    on_ray: bool = False
    at_once: bool = False

    def estimate(self, root: Path, plan: Plan) -> dict[str, Estimate | None]:
        """Estimates each model that may be tried now, further seeds of those that stayed among them."""
        return estimate_reseeded(root, plan, self.first)

    def may_train_beside(self, option: Option) -> bool:
        """Says whether it pays that the next models train beside a step."""
        return self.on_ray or (self.at_once and option.length is not None and option.seconds >= _LONG)


def look_ahead(
    root: Path,
    competition: str,
    models: ModelsToTry,
    size: DataSize,
    table: Sequence[MeasuredRecipe],
    machines: tuple[bool, bool],
) -> Outlook:
    """Estimates what may be tried.

    Args:
        root: the repository.
        competition: the active one.
        models: that may be tried.
        size: of the competition.
        table: of measured recipes.
        machines: `Outlook.on_ray` and `Outlook.at_once`.
    """
    estimates = estimate_shortened(root, competition, estimate_candidates(models, size, table))
    return Outlook(estimates, models.left_out, *machines)


def find_machines(train: TrainParams) -> tuple[bool, bool]:
    """Finds out whether folds train on a cluster, and whether several of them train here at once.

    Args:
        train: the section ``train`` of params.yaml.
    """
    on_ray = train.executor == "ray"
    return on_ray, not on_ray and train.workers != 1 and count_cores() > 1
