"""Learning-rate schedules: each a function from steps to a factor of the base rate, tabulated before training.

A table of numbers is exact on every backend, easy to test, and resumes by the optimizer's own step counter.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.core.bounds import Epochs
from pipeline.core.config import Section

Factors = NDArray[np.float64]


class Constant(Section):
    """The base rate throughout."""

    name: Literal["constant"]


class Step(Section):
    """Multiplies the rate by a factor every few epochs.

    Attributes:
        every: epochs between two steps.
        factor: what the rate is multiplied by.
    """

    name: Literal["step"]
    every: Epochs
    factor: float = Field(default=0.1, gt=0.0, lt=1.0)


class Exponential(Section):
    """Falls smoothly to a share of the base rate.

    Attributes:
        final: that share, at the last update.
    """

    name: Literal["exponential"]
    final: float = Field(default=0.01, gt=0.0, le=1.0)


class Plateau(Section):
    """Multiplies the rate by a factor when the validation loss has not improved for some epochs.

    It looks at the fold it reports, and the model card says so.

    Attributes:
        factor: what the rate is multiplied by.
        patience: epochs without a lower validation loss.
    """

    name: Literal["plateau"]
    factor: float = Field(default=0.5, gt=0.0, lt=1.0)
    patience: Epochs = 3


class Cosine(Section):
    """Linear warm-up, then half a cosine down.

    Attributes:
        warmup_epochs: length of the warm-up.
        final: share of the base rate at the last update.

    Reference: Loshchilov and Hutter 2017, SGDR, https://arxiv.org/abs/1608.03983
    """

    name: Literal["cosine"]
    warmup_epochs: float = Field(default=0.0, ge=0.0)
    final: float = Field(default=0.0, ge=0.0, le=1.0)


class OneCycle(Section):
    """Half a cosine up over the first part of training, half a cosine down to zero.

    Attributes:
        rise: that part, as a share of all updates.
        start: share of the base rate at the first update.

    Reference: Smith and Topin 2018, Super-Convergence, https://arxiv.org/abs/1708.07120
    """

    name: Literal["one_cycle"]
    rise: float = Field(default=0.25, gt=0.0, lt=1.0)
    start: float = Field(default=0.04, ge=0.0, le=1.0)


Schedule = Annotated[Constant | Step | Exponential | Plateau | Cosine | OneCycle, Field(discriminator="name")]


def _constant(step: Factors, total: int, per_epoch: int, section: Any) -> Factors:
    return np.ones_like(step)


def _step(step: Factors, total: int, per_epoch: int, section: Step) -> Factors:
    return section.factor ** (step // (per_epoch * section.every))


def _exponential(step: Factors, total: int, per_epoch: int, section: Exponential) -> Factors:
    return section.final ** (step / max(total - 1, 1))


def _cosine(step: Factors, total: int, per_epoch: int, section: Cosine) -> Factors:
    warmup = min(round(section.warmup_epochs * per_epoch), total - 1)
    progress = (step - warmup) / max(total - 1 - warmup, 1)
    falling = section.final + (1 - section.final) * (1 + np.cos(np.pi * np.clip(progress, 0, 1))) / 2
    return np.where(step < warmup, (step + 1) / (warmup + 1), falling)


def _one_cycle(step: Factors, total: int, per_epoch: int, section: OneCycle) -> Factors:
    progress = step / max(total - 1, 1)
    rising = section.start + (1 - section.start) * (1 - np.cos(np.pi * progress / section.rise)) / 2
    falling = (1 + np.cos(np.pi * (progress - section.rise) / (1 - section.rise))) / 2
    return np.where(progress < section.rise, rising, falling)


SCHEDULES: dict[str, Callable[[Factors, int, int, Any], Factors]] = {
    "constant": _constant,
    "step": _step,
    "exponential": _exponential,
    "plateau": _constant,  # falls by what training sees, not by the clock
    "cosine": _cosine,
    "one_cycle": _one_cycle,
}


def tabulate_rates(schedule: Schedule, base: float, epochs: int, steps_per_epoch: int) -> NDArray[np.float32]:
    """Tabulates the learning rate of every step.

    Args:
        schedule: which curve.
        base: the highest rate.
        epochs: length of the training.
        steps_per_epoch: optimizer steps in one epoch.

    Returns:
        float32 (epochs * steps_per_epoch,).
    """
    total = epochs * steps_per_epoch
    step = np.arange(total, dtype=np.float64)
    return (base * SCHEDULES[schedule.name](step, total, steps_per_epoch, schedule)).astype(np.float32)
