#!/usr/bin/env bash
# NumPy's standard deviation of float16 columns is wrong by the number of rows: 0.45 for a column of ones.
#
# Guess, written down before the run: numpy computes mean, var and std of float16 in float32 and rounds the result, as the
#   manual says of mean; a constant column has deviation 0, whatever the axis and the order in memory.
# Seen: mean is right along both axes. var and std along axis 0 of 5,000 rows of ones are 0.2048 and 0.4529; of the same
#   array in column order, or in float32, they are 0. Of 5,000 normal numbers about 10 the deviation is three times too
#   large.
# Why: var sums in float16, whose whole numbers end at 2048. Along the fast axis sums are pairwise, so that the
#   error stays small; down the columns they are added one by one.
# Versions: numpy 2.3.4. Source: numpy/_core/_methods.py, _mean (float32 for float16) and _var (no such branch).
# Output: ones: mean, std, std in column order [1.0, 0.4529, 0.0]; about 10 with deviation 1: 3.38 in float16, 1.01 in float32
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.3.4
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np

ones = np.ones((5000, 3), dtype=np.float16)
found = [float(np.round(each[0], 4)) for each in (ones.mean(0), ones.std(0), np.asfortranarray(ones).std(0))]
print("ones: mean, std, std in column order", found)
assert found[0] == 1 and found[2] == 0
assert abs(found[1] - 0.4529) < 1e-3
values = (10 + np.random.default_rng(0).normal(size=(5000, 3))).astype(np.float16)
half, whole = float(values.std(0)[0]), float(values.astype(np.float32).std(0)[0])
print("about 10 with deviation 1: std of float16", round(half, 2), "of the same in float32", round(whole, 2))
assert abs(half - whole) > 0.5
PYTHON
