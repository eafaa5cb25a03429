#!/usr/bin/env bash
# A DICOM window applied after the rescale to Hounsfield units gives grey levels that begin below zero.
#
# Guess, written down before the run: apply_windowing gives what a display shows, from 0 to 255 or to the largest value
#   of the stored bits (4095 of 12); the picture may then be stored as unsigned integers.
# Seen: of a 12-bit CT with slope 1 and intercept -1024 it runs from -1024 to 3071, the range of the rescaled values; cast
#   to uint16, all that is below the window turns into 64512, brighter than all that is above it.
# Why: the standard leaves the output range to the application; pydicom takes the range of the modality's values.
# Versions: pydicom 3.0.1, numpy 2.3.4. Source: pydicom/pixels/processing.py, apply_windowing; DICOM PS3.3 C.11.2.1.2.
# Output: [-1024.0, -1024.0, 1028.6, 3071.0, 3071.0], as uint16 [64512, 64512, 1028, 3071, 3071]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.1 numpy==2.3.4
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_rescale, apply_windowing

scan = Dataset()
scan.BitsStored, scan.PixelRepresentation, scan.PhotometricInterpretation = 12, 0, "MONOCHROME2"
scan.RescaleSlope, scan.RescaleIntercept = 1, -1024
scan.WindowCenter, scan.WindowWidth = 40, 400
stored = np.array([[0, 864, 1064, 1264, 4095]], dtype=np.uint16)
units = apply_rescale(stored, scan)
shown = apply_windowing(units, scan)
cast = shown.astype(np.int64).astype(np.uint16)
print(shown.round(1).tolist()[0], "as uint16", cast.tolist()[0])
assert units.tolist() == [[-1024, -160, 40, 240, 3071]]
assert shown.round(1).tolist() == [[-1024, -1024, 1028.6, 3071, 3071]]
assert cast[0, 0] > cast[0, -1]
PYTHON
