"""The outlook of a plan: models with what they are expected to cost and score, shortened trainings among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.planning.candidates import ModelsToTry, estimate_candidates
from pipeline.planning.prior import DataSize, Estimate, MeasuredRecipe
from pipeline.planning.shortened import estimate_shortened


@dataclass(frozen=True)
class Outlook:
    """What a plan may still do.

    Attributes:
        estimates: of each model that may be tried.
        left_out: models that may not, with the reason.
        on_ray: whether the next models train on what a step leaves free.
    """

    estimates: dict[str, Estimate | None]
    left_out: dict[str, str]
    on_ray: bool = False


def look_ahead(
    root: Path,
    competition: str,
    models: ModelsToTry,
    size: DataSize,
    table: Sequence[MeasuredRecipe],
    on_ray: bool,
) -> Outlook:
    """Estimates what may be tried.

    Args:
        root: the repository.
        competition: the active one.
        models: that may be tried.
        size: of the competition.
        table: of measured recipes.
        on_ray: whether the next models train on what a step leaves free.
    """
    estimates = estimate_shortened(root, competition, estimate_candidates(models, size, table))
    return Outlook(estimates, models.left_out, on_ray)
