#!/usr/bin/env bash
# Pillow turns and shifts 16-bit pictures byte by byte: a flat area of level 300 comes out as levels below 50.
#
# Guess, written down before the run: rotate and transform with bilinear interpolation give of a picture of mode I;16, as
#   a 16-bit PNG or TIFF opens, what they give of the same levels in mode F, within one level; else they refuse it, as
#   reduce does.
# Seen: nearest is right, and so is resize with every filter. rotate and transform with bilinear or bicubic mix the low and
#   the high byte of neighbouring pixels: rows of 300 turn into 37, 6, 39, 5, ..., without a word.
# Why: the interpolating transforms know pixels of one byte, of four bytes, int32 and float; I;16 falls among the first.
# Versions: pillow 12.0.0 and 13.0.0, numpy 2.3.4. Source: src/libImaging/Geometry.c, getfilter (bilinear_filter8 for
#   every image with image8); src/libImaging/Resample.c has a branch for IMAGING_MODE_I_16, which Geometry.c lacks.
# Output: both versions: nearest 0.0 resize 0.0 rotate 499.0 shift 478.0 darkest 1 (largest differences from mode F)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 12.0.0 13.0.0; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "pillow==$version" numpy==2.3.4
    "$folder/$version/bin/python" - <<'PYTHON'
import numpy as np
import PIL
from PIL import Image

BILINEAR, NEAREST = Image.Resampling.BILINEAR, Image.Resampling.NEAREST
levels = np.full((32, 32), 300, dtype=np.uint16)
levels[:, 16:] = 500


def differ(change):
    deep = np.asarray(change(Image.fromarray(levels)), dtype=float)
    wanted = np.asarray(change(Image.fromarray(levels.astype(np.float32))))
    return float(np.abs(deep - wanted).max().round()), int(deep[8:24, 8:12].min())


assert Image.fromarray(levels).mode == "I;16"
nearest, resized = differ(lambda each: each.rotate(10, NEAREST))[0], differ(lambda each: each.resize((20, 20), BILINEAR))[0]
turned, darkest = differ(lambda each: each.rotate(10, BILINEAR))
shifted, _ = differ(lambda each: each.transform((32, 32), Image.Transform.AFFINE, (1, 0, 0.5, 0, 1, 0), BILINEAR))
print(PIL.__version__, "nearest", nearest, "resize", resized, "rotate", turned, "shift", shifted, "darkest", darkest)
assert nearest == 0 and resized <= 1
assert turned > 200 and shifted > 200 and darkest < 50
PYTHON
done
