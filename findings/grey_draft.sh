#!/usr/bin/env bash
# The grey picture that a JPEG holds is not the grey picture of the colours that it decodes to.
#
# Guess, written down before the run: a JPEG stores luma by ITU-R 601 and Pillow's convert("L") computes just that, so
#   draft("L"), which skips the colour planes, gives the same levels within rounding, whatever the subsampling.
# Seen: with full colour planes both are equal; with planes of half the width and height they differ by up to 27 levels.
# Why: colour that is spread over the edge of a saturated area leaves the cube of RGB, is cut to 0 to 255 there, and the
#   grey of what is left is another; luma alone is never cut.
# Versions: pillow 12.0.0 (its wheel's libjpeg-turbo), numpy 2.3.4. Source: PIL/JpegImagePlugin.py, draft;
#   libjpeg's jdcolor.c, range limits of ycc_rgb_convert.
# Output: 4:4:4 largest difference 0, 4:2:0 largest difference 27
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==12.0.0 numpy==2.3.4
"$folder/venv/bin/python" - <<'PYTHON'
import io

import numpy as np
from PIL import Image

random = np.random.default_rng(0)
tiles = random.integers(0, 2, (16, 16, 3)).astype(np.uint8) * 255
picture = Image.fromarray(tiles).resize((256, 256), Image.Resampling.NEAREST)
largest = {}
for name, subsampling in (("4:4:4", 0), ("4:2:0", 2)):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90, subsampling=subsampling)
    converted = Image.open(file).convert("L")
    drafted = Image.open(file)
    drafted.draft("L", drafted.size)
    assert drafted.mode == "L" and drafted.size == converted.size
    largest[name] = int(np.abs(np.asarray(converted, dtype=int) - np.asarray(drafted, dtype=int)).max())
    print(name, "largest difference", largest[name])
assert largest["4:4:4"] <= 1
assert largest["4:2:0"] >= 20
PYTHON
