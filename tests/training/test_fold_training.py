"""A fold in training: averages hold weights that were stepped alone, and no fold ends with nothing but zeros.

Seen with Keras 3.15.1: after steps that all overflow, its optimizer's averages are zeros.
"""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pipeline.core.errors import DivergedError
from pipeline.networks.runtime import keras, ops
from pipeline.training.callback import StateCallback
from pipeline.training.fold_training import FoldTraining

FIRST = np.array([3.0, -2.0], dtype=np.float32)


def begun() -> tuple[FoldTraining, Any, keras.Variable]:
    """A fold whose optimizer averages weights in float16, before its first step."""
    weight = keras.Variable(FIRST, name="kernel")
    inner = keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.75)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0)
    optimizer.build([weight])
    model = SimpleNamespace(trainable_variables=[weight], optimizer=optimizer)
    phase = SimpleNamespace(model=model, scope=SimpleNamespace(section="training"))
    return FoldTraining(cast(Any, None), (cast(Any, phase),), 0, 0), optimizer, weight


def step(optimizer: Any, weight: keras.Variable, gradient: float) -> None:
    scale = float(optimizer.dynamic_scale)  # halved by each step that overflows
    optimizer.apply([ops.full((2,), gradient * scale)], [weight])


def test_steps_that_all_overflowed_leave_the_weights_as_they_are() -> None:
    training, optimizer, weight = begun()
    for _ in range(3):
        step(optimizer, weight, np.inf)
    training.use_average()
    np.testing.assert_array_equal(ops.convert_to_numpy(weight), FIRST)


def test_a_step_that_overflowed_is_no_part_of_the_average() -> None:
    training, optimizer, weight = begun()
    step(optimizer, weight, np.inf)
    step(optimizer, weight, 1.0)  # 2.5, -2.5
    step(optimizer, weight, 2.0)
    scaled = ops.convert_to_numpy(weight)
    training.use_average()
    np.testing.assert_allclose(ops.convert_to_numpy(weight), 0.75 * (FIRST - 0.5) + 0.25 * scaled, rtol=1e-6)


def test_a_fold_that_would_end_with_zeros_is_refused() -> None:
    training, _, weight = begun()
    callback = StateCallback.__new__(StateCallback)
    callback._training, callback.name = training, "one fold 0"
    callback._recipe = cast(Any, SimpleNamespace(select="last", average=None))
    callback.use_chosen_weights()
    weight.assign(np.zeros(2, dtype=np.float32))
    with pytest.raises(DivergedError, match=r"one fold 0: all weights that were trained are zero; lower training\."):
        callback.use_chosen_weights()
