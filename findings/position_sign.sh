#!/usr/bin/env bash
# KerasHub saves the trained positions of a DINOv2 or forgets them by the sign of the sum of what training changed.
#
# Guess, written down before the run: save_weights and load_weights of a DINOV2Backbone at 112 pixels, whose preset has 518,
#   give the same features within the error of interpolating positions to 518 pixels and back.
# Seen: where the changes of the position embeddings sum to less than nothing they come back, within 0.003. Where they sum
#   to more than nothing all of them are lost without a word, and features differ by as much as they are large.
# Why: save_own_variables writes the trained positions into the file's ones only if the sum of original minus trained is
#   above an epsilon: a sum with signs where absolute differences are meant.
# Versions: keras-hub 0.29.0, keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.3.4. Source:
#   keras_hub/src/models/dinov2/dinov2_layers.py, _is_interpolated_position_embeddings_updated.
# Output: changed by +0.001 on average: kept 0.00 of the change, features off by 1.985; by -0.001: 1.00 and 0.006
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
install() {
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$@"
}
install tensorflow-cpu==2.21.0 keras==3.15.1 numpy==2.3.4 kagglehub==1.0.2 regex==2026.11.15 tokenizers==0.23.3 sentencepiece==0.2.3
install --no-deps keras-hub==0.29.0 # it asks for tensorflow-text, which wants another TensorFlow
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" -W ignore - "$folder" <<'PYTHON'
import sys

import keras
import keras_hub
import numpy as np


def build():
    keras.utils.set_random_seed(0)
    shape = {"patch_size": 14, "num_layers": 1, "hidden_dim": 32, "num_heads": 2, "intermediate_dim": 64}
    model = keras_hub.models.DINOV2Backbone(**shape, image_shape=(112, 112, 3), position_embedding_shape=(518, 518))
    held = next(layer for layer in model.layers if hasattr(layer, "interpolated_position_embeddings"))
    return model, held.interpolated_position_embeddings


image = np.random.default_rng(0).random((1, 112, 112, 3)).astype(np.float32)
kept, apart = [], []
for mean in (0.001, -0.001):
    model, positions = build()
    before = np.asarray(positions)
    change = np.random.default_rng(1).normal(0, 0.1, before.shape).astype(np.float32)
    change += mean - change.mean()
    positions.assign(before + change)
    model.save_weights(f"{sys.argv[1]}/it.weights.h5")
    again, read = build()
    again.load_weights(f"{sys.argv[1]}/it.weights.h5")
    kept.append(float(((np.asarray(read) - before) * change).sum() / (change**2).sum()))
    apart.append(float(np.abs(np.asarray(model(image)) - np.asarray(again(image))).max()))
    print(f"changed by {mean:+} on average: kept {kept[-1]:.2f} of the change, features off by {apart[-1]:.3f}")
assert abs(kept[0]) < 0.01 and kept[1] > 0.99
assert apart[0] > 0.1 > 0.05 > apart[1]
PYTHON
