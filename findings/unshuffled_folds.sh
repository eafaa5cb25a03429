#!/usr/bin/env bash
# Folds of MultilabelStratifiedKFold without shuffle are others at every call, and no seed may be given.
#
# Guess, written down before the run, with some doubt: shuffle=False makes the same folds at every call, as all splitters of
#   scikit-learn do that this class derives from; only the balance of labels is its own.
# Seen: two calls on the same labels agree in the fold of 15 to 30 % of the rows, which is chance for five folds;
#   random_state with shuffle=False is an error. With shuffle=True and a seed, folds repeat.
# Why: ties in the iterative deal are broken by a random state that without a seed is NumPy's global one.
# Versions: iterative-stratification 0.1.9, scikit-learn 1.7.2, numpy 2.3.4. Source: iterstrat/ml_stratifiers.py,
#   IterativeStratification (random_state.choice among equal folds) and MultilabelStratifiedKFold._make_test_folds.
# Output: agreement of two calls 0.17 to 0.28 without shuffle, 1.0 with a seed; labels a fold differ by 1 at most
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check iterative-stratification==0.1.9 scikit-learn==1.7.2 numpy==2.3.4
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

random = np.random.default_rng(0)
labels = (random.random((1000, 8)) < random.uniform(0.01, 0.3, 8)).astype(int)


def deal(**settings):
    fold = np.zeros(len(labels), dtype=int)
    for number, (_, valid) in enumerate(MultilabelStratifiedKFold(5, **settings).split(labels, labels)):
        fold[valid] = number
    return fold


plain = float((deal() == deal()).mean())
seeded = float((deal(shuffle=True, random_state=1) == deal(shuffle=True, random_state=1)).mean())
fold = deal()
counts = np.stack([labels[fold == number].sum(axis=0) for number in range(5)])
print(f"agreement of two calls {plain:.2f} without shuffle, {seeded:.2f} with a seed; labels a fold differ by "
      f"{int(np.ptp(counts, axis=0).max())} at most")
assert plain < 0.5 and seeded == 1
try:
    MultilabelStratifiedKFold(5, random_state=1)
except ValueError as error:
    print("random_state without shuffle:", error)
else:
    raise AssertionError("random_state without shuffle is taken")
PYTHON
