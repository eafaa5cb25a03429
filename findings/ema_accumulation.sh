#!/usr/bin/env bash
# Accumulated gradients shorten the memory of Keras's average of weights: it moves at each batch, not at each update.
#
# Guess, written down before the run: with `gradient_accumulation_steps=4` an optimizer updates the weights once in four
#   batches, and `use_ema` averages the weights after each update: the same updates give the same average.
# Seen: ten updates, each of which adds 1 to a weight that begins at 0, with `ema_momentum=0.9`. The weight is 10 each
#   time; `fit` puts the average in its place at the end: 4.49 without accumulation, 5.97 with two batches an update,
#   7.44 with four, 8.42 with eight. Between two updates the average is drawn towards the unchanged weight once more for
#   each batch, as if the momentum were 0.9 to the power of the batches. Whoever halves the batch and accumulates two,
#   to fit a card's memory, gets another average, nearer to the last weights. To keep it, take the root of the momentum.
#   `ema_overwrite_frequency` counts updates meanwhile, and overwrites the weights at each batch of one it falls on.
# Why: the average is moved in `_backend_apply_gradients` behind the branch that asks whether this batch updates.
# Versions: keras 3.15.1 on tensorflow 2.21.0 and on jax 0.10.2, alike. Source: keras/src/optimizers/base_optimizer.py,
#   _backend_apply_gradients; keras/src/backend/jax/optimizer.py, the same method.
# Output, of either backend: {1: 4.487, 2: 5.974, 4: 7.442, 8: 8.421}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow-cpu==2.21.0 jax==0.10.2
export HOME="$folder" TF_CPP_MIN_LOG_LEVEL=3
for backend in tensorflow jax; do
    KERAS_BACKEND=$backend "$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import keras
import numpy as np


def average_of_ten_updates(batches):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    optimizer = keras.optimizers.SGD(
        1.0, use_ema=True, ema_momentum=0.9, gradient_accumulation_steps=batches if batches > 1 else None
    )
    model.compile(optimizer, loss=lambda truth, made: -keras.ops.mean(made))  # each update adds 1
    ones = np.ones((10 * batches, 1), "float32")
    model.fit(ones, ones, batch_size=1, epochs=1, verbose=0, shuffle=False)
    assert int(optimizer.iterations) == 10
    return round(float(model.get_weights()[0][0, 0]), 3)


averages = {batches: average_of_ten_updates(batches) for batches in (1, 2, 4, 8)}
print(keras.backend.backend(), averages)
assert averages == {1: 4.487, 2: 5.974, 4: 7.442, 8: 8.421}
PYTHON
done
