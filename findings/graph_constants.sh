#!/usr/bin/env bash
# A TensorFlow function that holds its weights as constants takes nine times their bytes, and fourteen while it is made.
#
# Guess, written down before the run: freezing weights into a graph as constants, for a faster answer at rest, costs one
#   more copy of them, two while the graph is made.
# Seen: ten matrices of 1,000 x 1,000 (40 MB in NumPy), multiplied one after the other in a `tf.function`. As variables
#   the process grows by 1.2 times their bytes, the variables themselves, and by no more at its height. As `tf.constant`
#   within the function it grows by 9.3 times their bytes for good, the arrays not counted, and by 14.3 at its height;
#   with 25 matrices by 9.1 and 14.1. A network of 100 MB that is frozen this way needs a gigabyte, on a machine whose
#   card shows the 100.
# Why: nothing was found that says so. Values of constants are part of the nodes, and the function's graph, its entry in
#   the library, what the optimizer makes of it and what is run are each a graph of their own.
# Versions: tensorflow 2.21.0, on a CPU, Linux. Source: tensorflow/python/framework/constant_op.py, which puts the value
#   into the node; tensorflow/core/grappler.
# Output: variables 1.2 1.2 / constants 9.3 14.3 (times the weights, at rest and at most)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0
export HOME="$folder" TF_CPP_MIN_LOG_LEVEL=3
for kind in variables constants; do
    "$folder/venv/bin/python" - "$kind" 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import gc
import resource
import sys

import numpy as np
import tensorflow as tf

kind = sys.argv[1]
rng = np.random.default_rng(0)
weights = [rng.normal(0, 0.03, (1000, 1000)).astype("float32") for _ in range(10)]
whole = sum(each.nbytes for each in weights)
inputs = tf.constant(rng.normal(size=(4, 1000)).astype("float32"))
tf.tanh(inputs @ tf.transpose(inputs))  # what starts with the first operation is no part of it


def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def highest():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


before = resident()
held = [tf.Variable(each) for each in weights] if kind == "variables" else weights


@tf.function(autograph=False)
def answer(x):
    for each in held:
        x = tf.tanh(x @ (each if kind == "variables" else tf.constant(each)))
    return x


answer(inputs)
answer(inputs)
rest, most = (resident() - before) / whole, (highest() - before) / whole
print(kind, round(rest, 1), round(most, 1))
if kind == "variables":
    assert 0.8 < rest < 1.5 and most < 2
else:
    assert 7 < rest < 11 and 11 < most < 17
PYTHON
done
