"""Means of the weights at the ends of several epochs, the last or the best ones, as a section of a model's file."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pipeline.core.config import Section

BEST_MARK = "epochs chosen on the validation fold"


class EpochAverage(Section):
    """What is kept is the mean of the weights at the ends of epochs, its batch normalisation measured afresh.

    The statistics of normalisation are those of up to 2,048 training images, without augmentation.

    Attributes:
        epochs: how many, the last ones of the last phase.
        best: how many, those of the last phase with the lowest validation loss; it uses the fold whose score is
            reported, and the card says so. Memory and the state on disk hold as many copies of the trained weights.
        learning_rate: of the last ``epochs``, constant; None lets the schedule go on.

    Reference: Izmailov et al. 2018, Averaging weights leads to wider optima and better generalization,
    https://arxiv.org/abs/1803.05407; best checkpoints: Vaswani et al. 2017, section 6.1,
    https://arxiv.org/abs/1706.03762 (which takes the last ones)
    """

    epochs: int | None = Field(default=None, ge=2, le=100_000, exclude_if=lambda epochs: epochs is None)
    best: int | None = Field(default=None, ge=2, le=100, exclude_if=lambda best: best is None)
    learning_rate: float | None = Field(default=None, gt=0.0)

    @model_validator(mode="after")
    def _one_choice(self) -> "EpochAverage":
        if (self.epochs is None) == (self.best is None):
            raise ValueError("average takes epochs (the last ones) or best (those of the lowest validation loss)")
        if self.best is not None and self.learning_rate is not None:
            raise ValueError("average.learning_rate is of the last epochs; it does not go with best")
        return self

    @property
    def count(self) -> int:
        """How many epochs are averaged."""
        return self.epochs or self.best or 0


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
    held[-average.count * steps :] = average.learning_rate
    return held


def add_weights(mean: list[NDArray[np.float64]], weights: list[NDArray[np.floating]], count: int) -> None:
    """Adds the weights of an epoch to the mean of those before, in place; ``count`` epochs are then in it."""
    if count == 1:
        mean[:] = [weight.astype(np.float64) for weight in weights]
        return
    for kept, weight in zip(mean, weights, strict=True):
        kept += (weight - kept) / count


def keep_best_weights(
    kept: list[NDArray[Any]], losses: list[float], weights: list[NDArray[Any]], loss: float, count: int
) -> None:
    """Keeps the weights of an epoch where it is among the ``count`` best so far, in place of the worst of them.

    Of equal losses the earlier one stays.

    Args:
        kept: the weights of all epochs that are kept, one after another.
        losses: validation loss of each of these epochs.
        weights: of the epoch that ended.
        loss: its validation loss.
        count: how many epochs are kept at most.
    """
    if len(losses) < count:
        kept += weights
        losses.append(loss)
        return
    worst = len(losses) - 1 - int(np.argmax(losses[::-1]))
    if loss < losses[worst]:
        kept[worst * len(weights) : (worst + 1) * len(weights)] = weights
        losses[worst] = loss


def mean_of_kept(kept: list[NDArray[Any]], count: int) -> list[NDArray[np.float64]]:
    """Returns the mean of the weights of ``count`` epochs, which stand one after another in ``kept``."""
    each, mean = len(kept) // count, list[NDArray[np.float64]]()
    for number in range(count):
        add_weights(mean, kept[number * each : (number + 1) * each], number + 1)
    return mean
