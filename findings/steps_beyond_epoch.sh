#!/usr/bin/env bash
# `steps_per_epoch=5` trains six steps an epoch once `steps_per_execution` does not divide it, on a stream alone.
#
# Guess, written down before the run: steps_per_execution only decides how many steps one call makes, so an epoch of 5
#   steps makes calls of 2, 2 and 1, as it does on arrays.
# Seen: on arrays, where Keras knows where the data end, 2 epochs are 10 updates whatever the setting. On a generator or
#   a tf.data.Dataset with more to give, 2 epochs of 5 steps are 12 updates with 2 or 3 steps a call: the last call of an
#   epoch is a whole one, it takes batches of the next epoch, and on_train_batch_end is told of step 5 of 0 to 4.
#   A schedule over epochs * steps_per_epoch ends early, and data reckoned to last run out before the last epoch.
# Why: the epoch's iterator counts range(0, steps_per_epoch, steps_per_execution), and a call ends early only where the
#   data do.
# Versions: keras 3.15.1 on tensorflow 2.21.0. Source: keras/src/trainers/epoch_iterator.py, _enumerate_iterator;
#   keras/src/backend/tensorflow/trainer.py, multi_step_on_iterator.
# Output: arrays {1: 10, 2: 10, 3: 10, 5: 10}, stream {1: 10, 2: 12, 3: 12, 5: 10}, steps told of [1, 3, 5, 1, 3, 5]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow-cpu==2.21.0
export HOME="$folder" TF_CPP_MIN_LOG_LEVEL=3
"$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import keras
import numpy as np


def compiled(per_call):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=per_call)
    return model


def on_arrays(per_call):
    model, zeros = compiled(per_call), np.zeros((20, 1), "float32")
    model.fit(zeros, zeros, batch_size=4, epochs=2, verbose=0)
    return int(model.optimizer.iterations)


def on_stream(per_call):
    model, zeros, told = compiled(per_call), np.zeros((4, 1), "float32"), []
    note = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: told.append(batch))
    stream = ((zeros, zeros) for _ in range(1000))
    model.fit(stream, steps_per_epoch=5, epochs=2, verbose=0, callbacks=[note])
    return int(model.optimizer.iterations), told


arrays = {per_call: on_arrays(per_call) for per_call in (1, 2, 3, 5)}
stream = {per_call: on_stream(per_call)[0] for per_call in (1, 2, 3, 5)}
told = on_stream(2)[1]
print(f"arrays {arrays}, stream {stream}, steps told of {told}")
assert arrays == {1: 10, 2: 10, 3: 10, 5: 10}
assert stream == {1: 10, 2: 12, 3: 12, 5: 10}
assert told == [1, 3, 5, 1, 3, 5]
PYTHON
