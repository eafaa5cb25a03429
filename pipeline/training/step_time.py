"""The speed of this machine with networks: a few steps and passes of small ones, against the machine of the table.

Recipes were measured on two cores. A machine with other instructions, more cores or a GPU trains networks several times
as fast, and passes images through frozen ones faster by another factor, while classic models gain little; so seconds of
networks are carried over by what a step and a pass take, before any was trained here.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.core.room import count_cores
from pipeline.networks.runtime import Precision, compile_at_rest, keras, layers, start_backend

# Seconds of each on two quiet cores of the machine of the table. That of a pass is reckoned from features of
# MobileNetV2 at 96 px, which took 93 s there and 64 s where a pass takes 27 ms.
_STEP, _PASS = 0.043, 0.040
_CORES = 1.63  # CPU seconds of a second there
_STEPS = 8
_IMAGES = 64


@dataclass(frozen=True)
class MachineTimes:
    """How many times longer this machine takes than that of the table.

    Attributes:
        step: for a step of training.
        frozen: for a pass of images through a frozen network.
    """

    step: float = 1.0
    frozen: float = 1.0


def time_machine(precision: Precision) -> MachineTimes:
    """Times a few steps and passes.

    Args:
        precision: in which networks are trained. Frozen ones compute in float32, as they do on most CPUs.
    """
    passes = _time_quickest(_make_pass()) / _PASS
    start_backend(precision)
    return MachineTimes(_time_quickest(_make_step()) / _STEP, passes)


def _make_step() -> Callable[[], object]:
    """Returns what trains a network of two convolutions for one step."""
    model = keras.Sequential([keras.Input((32, 32, 3))])
    for filters in (32, 64):
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D())
    for layer in (layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(15, dtype="float32")):
        model.add(layer)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images, labels = _draw(32), np.arange(_IMAGES) % 15
    return lambda: model.train_on_batch(images, labels)


def _make_pass() -> Callable[[], object]:
    """Returns what passes images through two blocks like those of MobileNetV2."""
    start_backend("float32")
    images = keras.Input((64, 64, 3))
    maps = layers.Conv2D(24, 3, strides=2, padding="same", use_bias=False)(images)
    for _ in range(2):
        for layer in (
            layers.Conv2D(144, 1, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.DepthwiseConv2D(3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.Conv2D(24, 1, use_bias=False),
            layers.BatchNormalization(),
        ):
            maps = layer(maps)
    compute, drawn = compile_at_rest(keras.Model(images, layers.GlobalAveragePooling2D()(maps))), _draw(64)
    return lambda: compute(drawn)


def _draw(side: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).normal(size=(_IMAGES, side, side, 3)).astype(np.float32)


def _time_quickest(work: Callable[[], object]) -> float:
    """Returns the seconds of the quickest of a few times, by the clock or by CPU seconds, whichever says less.

    Another process beside this one makes the machine busy, which a plan sees by itself, and not slow.
    """
    work()  # builds the graph
    walls, cpus = [], []
    for _ in range(_STEPS):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    cores = min(_CORES, count_cores())
    return min(*walls, *(cpu / cores for cpu in cpus if cpu > 0))
