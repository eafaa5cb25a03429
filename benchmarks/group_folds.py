"""Folds of made data sets in groups, against scikit-learn's StratifiedGroupKFold.

Three shapes of 60 data sets each, then data sets of any size and mix; for all of them a deal with every class in every
fold exists or is at least not excluded by a class in too few groups. Where ours leaves a class out of a fold, an exact
search says whether any deal would not. Last, one large data set by the clock.

python -m benchmarks.group_folds [--any 1000]
"""

import argparse
import time
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from pipeline.data.prepared.group_cover import Outcome, find_cover
from pipeline.data.prepared.stratification import deal_groups

Made = tuple[NDArray[np.int64], NDArray[np.int64], int]
"""Class indices of the rows, their groups, and into how many folds they are split."""


def make_patients(seed: int) -> Made:
    """Makes 750 images of 20 patients; one class is held by five of them, and there are five folds."""
    random = np.random.default_rng([0, seed])
    groups = random.integers(0, 20, 750)
    shares = random.dirichlet(np.full(5, 0.7), 20)
    labels = np.array([random.choice(5, p=shares[group]) for group in groups])
    for holder in random.choice(20, 5, replace=False).tolist():
        labels[random.choice(np.flatnonzero(groups == holder), random.integers(1, 4))] = 5
    return labels, groups, 5


def make_heavy_tail(seed: int) -> Made:
    """Makes 60 groups of very different sizes, mostly of one of ten classes each."""
    random = np.random.default_rng([1, seed])
    sizes = np.maximum(1, random.pareto(1.2, 60) * 8).astype(np.int64).clip(1, 400)
    groups = np.repeat(np.arange(60), sizes)
    main = random.integers(0, 10, 60)
    labels = np.where(random.random(len(groups)) < 0.7, main[groups], random.integers(0, 10, len(groups)))
    return labels, groups, 5


def make_pure(seed: int) -> Made:
    """Makes 40 groups of one class each, of eight, three of each class at least, and three folds."""
    random = np.random.default_rng([2, seed])
    groups = np.repeat(np.arange(40), random.integers(1, 30, 40))
    classes = np.concatenate([np.repeat(np.arange(8), 3), random.integers(0, 8, 16)])
    return classes[groups], groups, 3


def make_any(seed: int) -> Made:
    """Makes 2 to 19 classes in up to 200 groups, mixed little or much, and 2 to 10 folds."""
    random = np.random.default_rng([3, seed])
    n_splits, n_classes = int(random.integers(2, 11)), int(random.integers(2, 20))
    n_groups = int(random.integers(4 * n_splits, 200))
    groups = np.repeat(np.arange(n_groups), random.integers(1, int(random.integers(2, 60)), n_groups))
    shares = random.dirichlet(np.full(n_classes, random.choice([0.05, 0.3, 1])), n_groups)
    return (shares[groups].cumsum(axis=1) > random.random((len(groups), 1))).argmax(axis=1), groups, n_splits


def make_large(seed: int, rows: int = 100_000, groups: int = 5_000, classes: int = 20) -> Made:
    """Makes groups of very different sizes and mixes, in five folds."""
    random = np.random.default_rng([4, seed])
    group = random.choice(groups, rows, p=random.dirichlet(np.full(groups, 0.8)))
    group[:groups] = np.arange(groups)
    shares = random.dirichlet(np.full(classes, 0.2), groups).cumsum(axis=1)
    labels = (shares[group] > random.random((rows, 1))).argmax(axis=1)
    return labels, group, 5


SHAPES = {"patients": make_patients, "heavy tail": make_heavy_tail, "one class a group": make_pure, "any": make_any}


def make_sets(shape: str, number: int) -> Iterator[Made]:
    """Makes data sets of a shape whose every class lies in as many groups as there are folds."""
    seed = 0
    while number:
        labels, groups, n_splits = SHAPES[shape](seed)
        labels = np.unique(labels, return_inverse=True)[1]
        seed += 1
        pairs = np.unique(np.stack([labels, groups]), axis=1)
        if np.bincount(pairs[0]).min() >= n_splits:
            number -= 1
            yield labels, groups, n_splits


def measure_fold(labels: NDArray[np.int64], fold: NDArray[np.int64], n_splits: int) -> tuple[int, float, float]:
    """Measures (classes missing in a fold, mean over classes of the shares' deviation, the largest one's distance)."""
    counts = np.zeros((n_splits, labels.max() + 1))
    np.add.at(counts, (fold, labels), 1)
    shares = counts / counts.sum(axis=0)
    return int((counts == 0).sum()), float(shares.std(axis=0).mean()), float(abs(shares - 1 / n_splits).max())


def prove_none(labels: NDArray[np.int64], groups: NDArray[np.int64], n_splits: int) -> bool:
    """Says whether it is proven that no deal puts every class into every fold."""
    unit = np.unique(groups, return_inverse=True)[1]
    held = np.zeros((unit.max() + 1, labels.max() + 1), dtype=np.bool_)
    held[unit, labels] = True
    return find_cover(held, n_splits, n_splits) is Outcome.NONE_EXISTS


def time_large(repeats: int) -> str:
    """Times a large data set: the seconds of each repeat, and how balanced its folds are against scikit-learn's."""
    lines = []
    for seed in range(repeats):
        labels, groups, n_splits = make_large(seed)
        start, begun = time.perf_counter(), time.process_time()
        fold = deal_groups(np.eye(int(labels.max()) + 1, dtype=np.bool_)[labels], groups, n_splits, seed)
        spent = time.perf_counter() - start, time.process_time() - begun
        theirs = np.full(len(labels), -1)
        splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
        begun = time.process_time()
        for each, (_, valid) in enumerate(splitter.split(labels, labels, groups)):
            theirs[valid] = each
        ratio = measure_fold(labels, fold, n_splits)[1] / measure_fold(labels, theirs, n_splits)[1]
        lines.append(
            f"{spent[0]:.1f} s, CPU {spent[1]:.1f} s (theirs {time.process_time() - begun:.1f}), spread {ratio:.3f}"
        )
    return f"100,000 rows in 5,000 groups, 20 classes: {'; '.join(lines)}"


def compare(shape: str, number: int) -> str:
    """Compares both over data sets of a shape."""
    missing, ratios, farther, alike, seconds, excused = [0, 0], [], 0, 0, [0.0, 0.0], 0
    for seed, (labels, groups, n_splits) in enumerate(make_sets(shape, number)):
        start = time.process_time()
        theirs = np.full(len(labels), -1)
        splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
        for each, (_, valid) in enumerate(splitter.split(labels, labels, groups)):
            theirs[valid] = each
        seconds[0] += time.process_time() - start
        start = time.process_time()
        strata = np.eye(int(labels.max()) + 1, dtype=np.bool_)[labels]
        ours = deal_groups(strata, groups, n_splits, seed)
        seconds[1] += time.process_time() - start
        other = deal_groups(strata, groups, n_splits, seed + 1)
        alike += int((other == ours).all())
        (lost, spread, far), (our_lost, our_spread, our_far) = (
            measure_fold(labels, fold, n_splits) for fold in (theirs, ours)
        )
        missing[0] += lost > 0
        missing[1] += our_lost > 0
        excused += our_lost > 0 and prove_none(labels, groups, n_splits)
        ratios.append((our_spread + 1e-12) / (spread + 1e-12))
        farther += our_far > far + 1e-9
    worse = sum(ratio > 1 + 1e-6 for ratio in ratios)
    return (
        f"{shape}: {number} sets; a class missing in a fold: {missing[0]} theirs, {missing[1]} ours "
        f"({excused} of these proven to have no better deal); "
        f"spread over theirs: median {np.median(ratios):.3f}, largest {max(ratios):.3f}, {worse} worse; "
        f"class farthest from its share farther: {farther}; two seeds alike: {alike}; "
        f"CPU seconds {seconds[0]:.1f} theirs, {seconds[1]:.1f} ours"
    )


def main() -> None:
    """Prints a line for each shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--any", type=int, default=1000, help="how many data sets of any size and mix")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)  # scikit-learn's of a class in few groups
    for shape in SHAPES:
        print(compare(shape, arguments.any if shape == "any" else 60), flush=True)
    print(time_large(3))


if __name__ == "__main__":
    main()
