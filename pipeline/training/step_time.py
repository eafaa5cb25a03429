"""The time of a training step on this machine: a few of a small network, against the machine of the table.

Recipes were measured on two cores. A machine with other instructions, more cores or a GPU trains networks several times
as fast, while classic models gain little; so networks' seconds are carried over by what a step takes, before any was
trained here.
"""

import time

import numpy as np

from pipeline.core.room import count_cores
from pipeline.networks.runtime import keras, layers

_REFERENCE = 0.043  # seconds of a step on two quiet cores of the machine of the table
_CORES = 1.63  # CPU seconds of a second there
_STEPS = 8


def time_machine() -> float:
    """Returns how many times longer a step takes than on the machine of the table.

    The quickest of a few steps counts, by the clock or by CPU seconds, whichever says less: another process beside this
    one makes the machine busy, which a plan sees by itself, and not slow.
    """
    model = keras.Sequential([keras.Input((32, 32, 3))])
    for filters in (32, 64):
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D())
    for layer in (layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(15)):
        model.add(layer)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images = np.random.default_rng(0).normal(size=(64, 32, 32, 3)).astype(np.float32)
    labels = np.arange(64) % 15
    model.train_on_batch(images, labels)  # builds the graph
    walls, cpus = [], []
    for _ in range(_STEPS):
        wall, cpu = time.perf_counter(), time.process_time()
        model.train_on_batch(images, labels)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    cores = min(_CORES, count_cores())
    return min(*walls, *(cpu / cores for cpu in cpus if cpu > 0)) / _REFERENCE
