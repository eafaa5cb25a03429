#!/usr/bin/env bash
# Quadratic kappa measures the distance of grades by their place among the grades that occur.
#
# Guess, written down before the run: cohen_kappa_score with quadratic weights and grades 0 to 4 given as integers weighs
#   a confusion of 1 and 4 nine times as much as one of 0 and 1, whether or not a fold holds grades 2 and 3.
# Seen: in a fold without grades 2 and 3, grades 1 and 4 count as neighbours. The same answers score 0.571, and 0.412
#   once all five labels are named; renaming grade 4 to 2 changes nothing in the former.
# Why: weights are made of positions in the confusion matrix, whose rows are the values that occur.
# Versions: scikit-learn 1.7.2, numpy 2.3.4. Source: sklearn/metrics/_classification.py, cohen_kappa_score.
# Output: grades that occur 0.571, grade 4 renamed to 2 0.571, all grades named 0.412
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-learn==1.7.2 numpy==2.3.4
"$folder/venv/bin/python" - <<'PYTHON'
from sklearn.metrics import cohen_kappa_score

truth, predicted = [0, 0, 1, 1, 4, 4], [0, 1, 1, 4, 4, 1]
occurring = cohen_kappa_score(truth, predicted, weights="quadratic")
renamed = [[2 if grade == 4 else grade for grade in grades] for grades in (truth, predicted)]
nearer = cohen_kappa_score(*renamed, weights="quadratic")
named = cohen_kappa_score(truth, predicted, weights="quadratic", labels=[0, 1, 2, 3, 4])
print(f"grades that occur {occurring:.3f}, grade 4 renamed to 2 {nearer:.3f}, all grades named {named:.3f}")
assert occurring == nearer
assert (round(occurring, 3), round(named, 3)) == (0.571, 0.412)
PYTHON
