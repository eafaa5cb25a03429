"""A schedule of learning rates as Keras takes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.networks.runtime import keras, ops


class TabulatedRate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The learning rate of each step, read from a table."""

    def __init__(self, rates: NDArray[np.float32]) -> None:
        """Takes the rates: float32 (n_steps,)."""
        self._rates = rates

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the rate at a step; the last one from there on."""
        last = len(self._rates) - 1
        return ops.take(ops.convert_to_tensor(self._rates), ops.minimum(ops.cast(step, "int32"), last))
