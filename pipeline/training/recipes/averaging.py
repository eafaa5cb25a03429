"""The mean of the weights at the ends of the last epochs, as a section of a model's file."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.core.config import Section


class EpochAverage(Section):
    """What is kept is the mean of the weights at the ends of the last epochs, its batch normalisation measured afresh.

    The statistics of normalisation are those of up to 2,048 training images, without augmentation.

    Attributes:
        epochs: how many, of the last phase.
        learning_rate: of these epochs, constant; None lets the schedule go on.

    Reference: Izmailov et al. 2018, Averaging weights leads to wider optima and better generalization,
    https://arxiv.org/abs/1803.05407
    """

    epochs: int = Field(ge=2, le=100_000)
    learning_rate: float | None = Field(default=None, gt=0.0)


def hold_rates(rates: NDArray[np.float32], average: EpochAverage | None, steps: int) -> NDArray[np.float32]:
    """Returns the learning rate of each step of the last phase, constant while weights are averaged.

    Args:
        rates: float32 (epochs * steps,), of the schedule.
        average: what is averaged, if anything.
        steps: of an epoch.
    """
    if average is None or average.learning_rate is None:
        return rates
    held = rates.copy()
    held[-average.epochs * steps :] = average.learning_rate
    return held


def add_weights(mean: list[NDArray[np.float64]], weights: list[NDArray[np.floating]], count: int) -> None:
    """Adds the weights of an epoch to the mean of those before, in place; ``count`` epochs are then in it."""
    if count == 1:
        mean[:] = [weight.astype(np.float64) for weight in weights]
        return
    for kept, weight in zip(mean, weights, strict=True):
        kept += (weight - kept) / count
