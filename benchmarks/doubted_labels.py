"""What dropping and relabelling doubted labels seems to gain and gains, by lists of two kinds, on simulated data.

Out-of-fold: the list of the report, whose doubts come from models that have learnt the labels of the fold scored.
Nested: that of `python -m pipeline doubt`, by models that have not. The true gain is that on 5,000 test rows.
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from pipeline.reports.models.mistakes import find_label_errors

ROWS, TESTS, WIDTH, FOLDS = 1000, 5000, 20, 5
MODELS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: LogisticRegression(max_iter=300),
    "15 neighbours": lambda: KNeighborsClassifier(15),
}
Doubts = list[tuple[NDArray[np.int64], NDArray[np.int64]]]  # of each fold: rows, likely classes


def draw(seed: int, noise: float) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
    """Draws features, labels of which a share ``noise`` is turned, and folds; the test rows last, in fold -1."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(ROWS + TESTS, WIDTH))
    clean = features[:, 0] + features[:, 1] + 0.7 * rng.normal(size=len(features)) > 0
    labels = np.where(rng.random(len(features)) < noise, ~clean, clean).astype(np.int64)
    return features, labels, np.concatenate([rng.permutation(ROWS) % FOLDS, np.full(TESTS, -1)])


def doubt(make: Callable[[], Any], features: NDArray[Any], labels: NDArray[np.int64], folds: NDArray[Any]) -> Doubts:
    """Doubts out-of-fold: the same for every fold's training, but for the fold's own rows."""
    rows, probs = np.flatnonzero(folds >= 0), np.zeros((ROWS, 2))
    for fold in range(FOLDS):
        trained = (folds >= 0) & (folds != fold)
        probs[folds[rows] == fold] = (
            make().fit(features[trained], labels[trained]).predict_proba(features[folds == fold])
        )
    found = find_label_errors(labels[rows], probs)  # type: ignore[arg-type]  # float64
    of_fold = [found[folds[found] != fold] for fold in range(FOLDS)]
    return [(each, probs[each].argmax(axis=1)) for each in of_fold]


def doubt_nested(
    make: Callable[[], Any], features: NDArray[Any], labels: NDArray[np.int64], folds: NDArray[Any]
) -> Doubts:
    """Doubts of each fold's training by models that saw neither the fold nor the doubted rows."""
    probs = np.zeros((FOLDS, ROWS, 2))
    for pair in combinations(range(FOLDS), 2):
        trained = (folds >= 0) & ~np.isin(folds, pair)
        model = make().fit(features[trained], labels[trained])
        for fold, other in (pair, pair[::-1]):
            rows = np.flatnonzero(folds == other)
            probs[fold, rows] = model.predict_proba(features[rows])
    doubts = []
    for fold in range(FOLDS):
        rows = np.flatnonzero((folds >= 0) & (folds != fold))
        found = rows[find_label_errors(labels[rows], probs[fold, rows])]
        doubts.append((found, probs[fold, found].argmax(axis=1)))
    return doubts


def score(make: Callable[[], Any], data: tuple[NDArray[Any], ...], doubts: Doubts | None, drop: bool) -> list[float]:
    """Scores a model trained without or with relabelled doubts: out-of-fold accuracy, and on the test rows."""
    features, labels, folds = data
    hits, tests = [], []
    for fold in range(FOLDS):
        taught, trained = labels.copy(), (folds >= 0) & (folds != fold)
        if doubts is not None and drop:
            trained[doubts[fold][0]] = False
        elif doubts is not None:
            taught[doubts[fold][0]] = doubts[fold][1]
        model = make().fit(features[trained], taught[trained])
        hits.append(model.predict(features[folds == fold]) == labels[folds == fold])
        tests.append((model.predict(features[folds < 0]) == labels[folds < 0]).mean())
    return [float(np.concatenate(hits).mean()), float(np.mean(tests))]


def measure(make: Callable[[], Any], noise: float, draws: int) -> Iterator[str]:
    """Yields a line for each list and action: mean gains with the standard error of the mean."""
    gains: dict[str, list[NDArray[Any]]] = {}
    for seed in range(draws):
        data = draw(seed, noise)
        plain = np.array(score(make, data, None, False))
        for name, found in (("out-of-fold", doubt(make, *data)), ("nested", doubt_nested(make, *data))):
            for drop in (True, False):
                made = np.array(score(make, data, found, drop)) - plain
                gains.setdefault(f"{name:11} {'drop' if drop else 'relabel':7}", []).append(made)
    for name, each in gains.items():
        mean, error = np.mean(each, axis=0), np.std(each, axis=0, ddof=1) / np.sqrt(draws)
        yield f"{name} seeming {mean[0]:+.4f} +- {error[0]:.4f}, true {mean[1]:+.4f} +- {error[1]:.4f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=20)
    draws = parser.parse_args().draws
    for name, make in MODELS.items():
        for noise in (0.5, 0.15):
            print(f"{name}, {noise:.0%} of the labels turned, {draws} draws of {ROWS} rows")
            print("\n".join(f"  {line}" for line in measure(make, noise, draws)), flush=True)
