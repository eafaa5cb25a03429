"""Optimism of choosing among many ensembles by their out-of-fold score, as `best` does, on rows drawn without end.

    python -m benchmarks.choice_of_ensembles --runs 100

Candidates join a mean of probabilities one after the other and stay by `compare_ensembles`; the score of what stays,
and `score_after_choice` of all that was tried, are compared with the score on fresh rows. Means take no fitting, so
what is left is the choice alone. In accuracy points, with the standard error over runs; the luck of the rows
is taken out by the plain mean of all candidates, whose out-of-fold score is honest.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulated_members import equal, mixed
from pipeline.core.metrics import get_metric
from pipeline.core.scores import LabelledRows
from pipeline.core.targets.classes import OneClass
from pipeline.planning.evidence import compare_ensembles, score_after_choice

CREWS = {"mixed": mixed, "equal": equal}
ACCURACY = get_metric("accuracy")
FRESH_ROWS = 20_000
FOLDS = 5


def measure_run(kind: str, candidates: int, rows: int, seed: int) -> NDArray[np.float64]:
    """Returns what stays, the choice scored on other rows, the plain mean (all less fresh), and the steps kept."""
    random = np.random.default_rng(seed)
    crew = CREWS[kind](candidates, random)
    stacked, labels = crew.draw(rows, random)
    fresh, fresh_labels = crew.draw(FRESH_ROWS, random)
    scored = LabelledRows(labels, np.arange(rows))
    target = OneClass(columns=tuple(map(str, range(crew.n_classes))))
    kept, versions = [0], [stacked[0]]
    present = stacked[0]
    for candidate in range(1, candidates):
        new = stacked[[*kept, candidate]].mean(axis=0)
        versions.append(new)
        if compare_ensembles(scored, new, present, ACCURACY, target).better:
            kept, present = [*kept, candidate], new
    told = ACCURACY.score(labels, present)
    honest = score_after_choice(scored, random.permutation(rows) % FOLDS, versions, ACCURACY)
    true = ACCURACY.score(fresh_labels, fresh[kept].mean(axis=0))
    luck = ACCURACY.score(labels, stacked.mean(axis=0)) - ACCURACY.score(fresh_labels, fresh.mean(axis=0))
    return 100 * np.array([told - true - luck, honest - true - luck, luck, len(kept) / 100])


def main() -> None:
    """Prints one line for each kind and size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=100)
    arguments = parser.parse_args()
    print(
        "| candidates | rows | n | score that stays - fresh | after choice - fresh | kept |\n|---|---|---|---|---|---|"
    )
    for kind, candidates, rows in (
        ("equal", 20, 300),
        ("equal", 20, 1500),
        ("equal", 20, 7000),
        ("mixed", 20, 300),
        ("mixed", 20, 1500),
        ("mixed", 20, 7000),
    ):
        runs = np.array([measure_run(kind, candidates, rows, seed) for seed in range(arguments.runs)])
        mean, error = runs.mean(axis=0), runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
        cells = " | ".join(f"{mean[k]:+.2f} ± {error[k]:.2f}" for k in (0, 1))
        print(f"| {kind}, {candidates} | {rows:,} | {arguments.runs} | {cells} | {mean[3]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
