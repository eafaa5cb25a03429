#!/usr/bin/env bash
# In bfloat16 on a CPU the gradient of a Keras layer's bias stops growing after a few hundred places: 3 % of it is left.
#
# Guess, written down before the run: TensorFlow sums bfloat16 in float32 and rounds the sum, as its reductions do, so
#   that in `mixed_bfloat16` the gradient of a bias is as near to that of float32 as a kernel's, within a percent.
# Seen: a layer with 8 units on maps of 32 x 32, 32 images, and a loss whose gradient has one sign: 32,768 places are
#   added up for each bias. Kernels' gradients in Dense and Conv2D keep 0.99 to 1.00 of those in float32. Biases' keep
#   0.03 in Dense (as on the tokens of a transformer), DepthwiseConv2D and Conv2D, called at once and in a `tf.function`;
#   that of DepthwiseConv2D's kernel 0.79. With oneDNN's operations on, as they are by themselves on CPUs with VNNI,
#   biases of Dense and DepthwiseConv2D keep 0.03 as well; a Conv2D in a `tf.function` and kernels are right then. A
#   gradient of both signs loses less: biases of a DINOv2-S at its first step are off by 0.3 of their size (median). The
#   same sum by `tf.reduce_sum`, which the gradient of `x + bias` is, keeps 1.00.
# Why: Keras's `ops.add` recognises a bias and takes `tf.nn.bias_add` for it, whose gradient is `BiasAddGrad`. On a CPU
#   its sum over rows is kept in the type of what is added up: from 256 on, a bfloat16 does not grow by 1 any more.
# Versions: tensorflow 2.21.0, keras 3.15.1, on a CPU, Linux. Source: keras/src/backend/tensorflow/numpy.py (`add`),
#   tensorflow/core/kernels/bias_op.cc (`AccumulatorType` is float for Eigen::half alone; that of bias_op_gpu.cu.cc is
#   so for bfloat16 as well).
# Output: kernels 1.00 1.00 0.79 0.79 0.99 0.99 / biases Dense 0.03 0.03 DepthwiseConv2D 0.03 0.03 Conv2D 0.03 0.03 / as a sum 1.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 keras==3.15.1
export HOME="$folder" TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=0 KERAS_BACKEND=tensorflow
"$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import sys

import keras
import numpy as np
import tensorflow as tf

SIDE, IMAGES, UNITS = 32, 32, 8
rng = np.random.default_rng(0)
images = tf.constant(rng.random((IMAGES, SIDE, SIDE, UNITS), dtype=np.float32))
steps = tf.constant(rng.random((IMAGES, SIDE, SIDE, UNITS), dtype=np.float32))
LAYERS = {
    "Dense": lambda policy: keras.layers.Dense(UNITS, dtype=policy),
    "DepthwiseConv2D": lambda policy: keras.layers.DepthwiseConv2D(3, padding="same", dtype=policy),
    "Conv2D": lambda policy: keras.layers.Conv2D(UNITS, 3, padding="same", dtype=policy),
}


def share(name, graph):
    """What mixed_bfloat16 keeps of the gradients of float32: of the kernel's, of the bias's."""
    found = []
    for policy in ("mixed_bfloat16", "float32"):
        keras.utils.set_random_seed(0)
        layer = LAYERS[name](policy)
        layer.build(images.shape)

        def gradients():
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(tf.cast(layer(images), tf.float32) * steps)
            return tape.gradient(loss, layer.trainable_variables)

        run = tf.function(gradients, autograph=False) if graph else gradients
        found.append([float(tf.reduce_sum(tf.cast(each, tf.float32))) for each in run()])
    return [low / full for low, full in zip(*found)]


shares = {(name, graph): share(name, graph) for name in LAYERS for graph in (False, True)}
low = tf.cast(steps, tf.bfloat16)
whole = float(tf.reduce_sum(steps))
summed = float(tf.reduce_sum(tf.cast(tf.reduce_sum(low, (0, 1, 2)), tf.float32))) / whole
kernels = " ".join(f"{shares[name, False][0]:.2f} {shares[name, True][0]:.2f}" for name in LAYERS)
biases = " ".join(f"{name} {shares[name, False][1]:.2f} {shares[name, True][1]:.2f}" for name in LAYERS)
print(f"kernels {kernels} / biases {biases} / as a sum {summed:.2f}")
sys.exit(not (all(kernel > 0.7 for kernel, _ in shares.values()) and all(bias < 0.1 for _, bias in shares.values()) and 0.99 < summed < 1.01))
PYTHON
