"""Scores of "none of these classes", measured on pictures of classes that were never trained on.

Three of fifteen classes are left out of the training at a time, until each was left out once. The test images are
pictures of the twelve others that no fold used, and those of the three. The score chosen without any unknown picture is
compared with the best one; so is another choice, by how well scores separate wrong predictions from right ones.

    COMPETITIONS_DIR=... WEIGHTS_DIR=... python -m benchmarks.unknowns [--model mobilenet_v2_frozen] [--draws 5]
"""

import argparse
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from ruamel.yaml import YAML
from sklearn.metrics import roc_auc_score

from pipeline.core import files, paths, tables
from pipeline.core.cards import ModelCard, read_card
from pipeline.inference.outputs import FoldOutputs
from pipeline.inference.trained_model import open_trained_model
from pipeline.inference.unknown.detector import choose_score, compute_p_values
from pipeline.inference.unknown.evaluation import evaluate_scores
from pipeline.inference.unknown.scores import NEIGHBOURS, Scores, build_bank, compute_neighbour_distance, compute_score
from pipeline.stages import fetch, prepare, split, train
from pipeline.training.data import Data, load_data

ROOT = Path(__file__).parents[1]
HELD = 0.2  # of the known classes' pictures, for no fold to see
RATE = 0.05


@dataclass(frozen=True)
class Outcome:
    """One draw of unknown classes.

    Attributes:
        out: their names.
        aurocs: by score, on pictures of unknown classes beside unseen ones of known classes.
        intervals: 95 %, by a bootstrap of 1,000.
        stand_ins: by score, what is chosen by.
        errors: by score, in telling wrong out-of-fold predictions from right ones.
        alarms: share of unseen known pictures that the chosen score flags.
        detected: share of unknown pictures that it flags.
        counts: unseen known pictures, unknown pictures.
    """

    out: tuple[str, ...]
    aurocs: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    stand_ins: dict[str, float]
    errors: dict[str, float]
    alarms: float
    detected: float
    counts: tuple[int, int]


def main() -> None:
    """Prints a line per draw, and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mobilenet_v2_frozen")
    parser.add_argument("--draws", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="unknowns-") as folder:
        root = Path(folder) / "whole"
        _repository(root, given.model)
        fetch.run(root)
        prepare.run(root)
        classes = tables.read_classes(root / "data" / "prepared" / "classes.json")
        order = np.random.default_rng(0).permutation(len(classes))
        outcomes = []
        for draw in range(given.draws):
            drawn = Path(folder) / f"draw{draw}"
            _leave_out(root, drawn, given.model, np.sort(order[3 * draw : 3 * draw + 3]))
            outcomes.append(_outcome(drawn, given.model, tuple(classes[one] for one in order[3 * draw :][:3])))
            _print_outcome(outcomes[-1])
            shutil.rmtree(drawn)
    _print_means(outcomes)


def _repository(root: Path, model: str) -> None:
    shutil.copytree(ROOT / "configs", root / "configs")
    yaml = YAML(typ="safe")
    params = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params |= {"competition": "animals15", "models": [model]}
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


def _leave_out(root: Path, drawn: Path, model: str, left_out: NDArray[np.int64]) -> None:
    """Writes a repository whose training lacks classes; its test images are unseen known and unknown ones."""
    _repository(drawn, model)
    prepared, target = root / "data" / "prepared", drawn / "data" / "prepared"
    index, images = tables.read_index(prepared / "train.csv"), np.load(prepared / "train_images.npy", mmap_mode="r")
    labels = index["label"].to_numpy()
    unknown, rng = np.isin(labels, left_out), np.random.default_rng(1)
    held = ~unknown & (rng.random(len(labels)) < HELD)
    kept = np.setdiff1d(labels, left_out)
    names = tables.read_classes(prepared / "classes.json")
    tables.write_classes(target / "classes.json", [names[one] for one in kept])
    files.write_json(target / "class_names.json", [names[one] for one in kept])
    for part, rows in (("train", np.flatnonzero(~unknown & ~held)), ("test", np.flatnonzero(unknown | held))):
        table = index.iloc[rows].copy()
        table["label"] = pd.Series(np.searchsorted(kept, labels[rows]), table.index) if part == "train" else -1
        tables.write_index(target / f"{part}.csv", table)
        np.save(target / f"{part}_images.npy", images[rows])
    np.save(drawn / "unknown.npy", unknown[unknown | held])


def _outcome(root: Path, name: str, out: tuple[str, ...]) -> Outcome:
    split.run(root)
    train.run(root, name)
    model = open_trained_model(root, read_card(paths.card_path(root, name), ModelCard))
    data, unknown = load_data(root / "data" / "prepared", paths.folds_path(root)), np.load(root / "unknown.npy")
    rows = [data.rows(fold)[1] for fold in model.checkpoints]
    known = [
        next(model.predict_folds(_images(data, own), [fold], with_features=True))
        for fold, own in zip(model.checkpoints, rows, strict=True)
    ]
    new = list(model.predict_folds(np.ascontiguousarray(data.test_images), with_features=True))
    smoothing = model.network.recipe.training.label_smoothing if model.network is not None else 0.0
    stand_ins = evaluate_scores(known, [data.labels[own] for own in rows], len(data.classes), smoothing)
    strange = {one: _strange(one, known, new, len(data.classes)) for one in stand_ins}
    aurocs = {one: float(roc_auc_score(unknown, value)) for one, value in strange.items()}
    flagged = -strange[choose_score(stand_ins)] <= RATE
    return Outcome(
        out,
        aurocs,
        {one: _interval(unknown, value) for one, value in strange.items()},
        stand_ins,
        {one: _errors(one, known, [data.labels[own] for own in rows], len(data.classes)) for one in stand_ins},
        float(flagged[~unknown].mean()),
        float(flagged[unknown].mean()),
        (int((~unknown).sum()), int(unknown.sum())),
    )


def _images(data: Data, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(data.images[rows])


def _strange(name: str, known: list[FoldOutputs], new: list[FoldOutputs], n_classes: int) -> Scores:
    """Minus the p-values of the new pictures."""
    if name != NEIGHBOURS:
        return -compute_p_values(
            [compute_score(name, one, None) for one in known], [compute_score(name, one, None) for one in new]
        )
    banks = [build_bank(one.features, n_classes) for one in known if one.features is not None]
    own = [compute_neighbour_distance(one, bank, own=True) for one, bank in zip(known, banks, strict=True)]
    return -compute_p_values(own, [compute_neighbour_distance(one, bank) for one, bank in zip(new, banks, strict=True)])


def _errors(name: str, known: list[FoldOutputs], labels: list[NDArray[np.int64]], n_classes: int) -> float:
    aurocs = []
    for outputs, own in zip(known, labels, strict=True):
        bank = build_bank(outputs.features, n_classes) if outputs.features is not None else None
        value = (
            compute_neighbour_distance(outputs, bank, own=True)
            if name == NEIGHBOURS and bank
            else compute_score(name, outputs, bank)
        )
        aurocs.append(roc_auc_score(outputs.probs.argmax(axis=1) != own, value))
    return float(np.mean(aurocs))


def _interval(unknown: NDArray[np.bool_], value: Scores) -> tuple[float, float]:
    rng = np.random.default_rng(2)
    inside, outside = value[unknown], value[~unknown]
    drawn = []
    for _ in range(1000):
        one, two = rng.choice(inside, len(inside)), np.sort(rng.choice(outside, len(outside)))
        below = np.searchsorted(two, one, "left") + np.searchsorted(two, one, "right")
        drawn.append(below.mean() / (2 * len(two)))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def _print_outcome(one: Outcome) -> None:
    print(f"left out: {', '.join(one.out)}; {one.counts[0]} unseen known pictures, {one.counts[1]} unknown ones")
    for name, auroc in one.aurocs.items():
        low, high = one.intervals[name]
        print(
            f"  {name:12} AUROC {auroc:.3f} [{low:.3f}, {high:.3f}]  classes left out of the last layer "
            f"{one.stand_ins[name]:.3f}  errors {one.errors[name]:.3f}"
        )
    chosen = choose_score(one.stand_ins)
    print(
        f"  chosen: {chosen}, the best: {choose_score(one.aurocs)}; at {RATE:.0%} it flags {one.alarms:.1%} of the "
        f"unseen known pictures and {one.detected:.1%} of the unknown ones",
        flush=True,
    )


def _print_means(outcomes: list[Outcome]) -> None:
    print(f"mean of {len(outcomes)} draws:")
    for name in outcomes[0].aurocs:
        means = [
            np.mean([each[name] for each in column])
            for column in (
                [one.aurocs for one in outcomes],
                [one.stand_ins for one in outcomes],
                [one.errors for one in outcomes],
            )
        ]
        print(f"  {name:12} AUROC {means[0]:.3f}  classes left out {means[1]:.3f}  errors {means[2]:.3f}")
    for words, column in (("classes left out", "stand_ins"), ("errors", "errors")):
        lost = [
            max(one.aurocs.values()) - one.aurocs[choose_score(one.stand_ins if column == "stand_ins" else one.errors)]
            for one in outcomes
        ]
        print(f"  chosen by {words}: {np.mean(lost):.3f} of AUROC lost to the best, {max(lost):.3f} at most")
    alarms, detected = np.mean([one.alarms for one in outcomes]), np.mean([one.detected for one in outcomes])
    print(f"  flagged at {RATE:.0%}: {alarms:.1%} of the unseen known pictures, {detected:.1%} of the unknown ones")


if __name__ == "__main__":
    main()
