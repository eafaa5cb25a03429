#!/usr/bin/env bash
# Pillow 13 resizes some pictures along the columns first, by how many rows and columns they lose: other pixels than 12.
#
# Guess, from memory: Image.resize goes along the rows, then along the columns, for every size, so that the same bicubic
#   resize of the same pixels is equal in Pillow 12 and 13.
# Seen: in 12.0.0 rows come first for all sizes. In 13.0.0 a picture that loses more than twice as many rows as columns,
#   counted in pixels, goes columns first: 70 x 101 to 48 x 48 does (53 rows, 22 columns), to 33 x 33 does not (68, 37).
#   Each pass rounds to whole levels, so that the two orders differ by up to 7 levels on noise.
# Why: the shorter intermediate picture makes the second pass cheaper; the release notes do not name it.
# Versions: pillow 12.0.0 and 13.0.0, numpy 2.3.4. Source: src/libImaging/Resample.c, ImagingResampleInner
#   (horizontal_first).
# Output: 12.0.0 rows rows rows; 13.0.0 columns rows columns; largest difference between the versions 7 0 7
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 12.0.0 13.0.0; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "pillow==$version" numpy==2.3.4
    "$folder/$version/bin/python" - "$folder/$version.npz" <<'PYTHON'
import sys

import numpy as np
import PIL
from PIL import Image

BICUBIC = Image.Resampling.BICUBIC
random = np.random.default_rng(0)
orders, made = [], []
for width, height, to_width, to_height in ((70, 101, 48, 48), (70, 101, 33, 33), (60, 90, 120, 30)):
    picture = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
    at_once = np.asarray(picture.resize((to_width, to_height), BICUBIC))
    end = to_width, to_height
    by_order = {
        "rows": np.asarray(picture.resize((to_width, height), BICUBIC).resize(end, BICUBIC)),
        "columns": np.asarray(picture.resize((width, to_height), BICUBIC).resize(end, BICUBIC)),
    }
    orders.append("/".join(name for name, each in by_order.items() if (each == at_once).all()))
    made.append(at_once)
print(PIL.__version__, *orders)
assert orders == (["rows"] * 3 if PIL.__version__ == "12.0.0" else ["columns", "rows", "columns"])
np.savez(sys.argv[1], *made)
PYTHON
done
"$folder/13.0.0/bin/python" - "$folder" <<'PYTHON'
import sys

import numpy as np

before, after = (np.load(f"{sys.argv[1]}/{version}.npz") for version in ("12.0.0", "13.0.0"))
apart = [int(np.abs(before[name].astype(int) - after[name].astype(int)).max()) for name in before.files]
print("largest difference between the versions", *apart)
assert apart[0] > 2 and apart[1] == 0 and apart[2] > 2
PYTHON
