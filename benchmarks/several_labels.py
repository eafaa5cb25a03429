"""Several labels per image: a model of the pipeline against a plain Keras script, on the same folds.

    python -m benchmarks.several_labels FOLDER --seeds 2

Draws 2,000 images of 20 labels (a short stroke each, of its own direction and colour, among noise), writes them into
FOLDER as if they had been prepared, and trains both: OOF macro ROC AUC of each seed as soon as it is there, and what
all seeds say at the end. Run again on the same FOLDER, it goes on with what is not there yet.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core import files, tables
from pipeline.core.paths import folds_path, oof_path
from pipeline.core.predictions import read_predictions
from pipeline.core.targets.prepared import format_cells, write_target
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.networks import hardware, runtime
from pipeline.networks.runtime import keras
from pipeline.stages import train

SIZE, FOLDS, LABELS = 32, 5, 20
NETWORK = {"name": "plain_cnn", "filters": [16, 32, 64], "kernels": [3, 3, 3], "units": [64], "dropout": 0.2}
EPOCHS, BATCH, RATE = 20, 32, 0.003


def main() -> None:
    """Prints the scores of both as JSON: a line for each seed, and one for all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="an empty folder, or one of a run that was stopped")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    images, marks = draw_images(options.rows)
    folds = np.random.default_rng(1).permutation(options.rows) % FOLDS
    target = _write_repository(options.folder, images, marks, folds)
    ids = [str(row) for row in range(options.rows)]

    def train_ours(seed: int) -> NDArray[np.float32]:
        files.write_json(options.folder / "params.yaml", _params(seed))
        train.run(options.folder, "cnn")
        path = oof_path(options.folder, "cnn")
        return read_predictions(path, target).aligned(ids, str(path))

    found: dict[str, list[float]] = {"ours": [], "keras": [], "standard_error": [], "standard_error_of_difference": []}
    for seed in range(options.seeds):
        ours = _keep(options.folder / f"ours_{seed}.npy", partial(train_ours, seed))
        plain = _keep(options.folder / f"keras_{seed}.npy", partial(_train_plainly, images, marks, folds, seed))
        scores = [macro_auc(marks, ours), macro_auc(marks, plain), *_standard_errors(marks, ours, plain)]
        for values, score in zip(found.values(), scores, strict=True):
            values.append(round(score, 4))
        print(json.dumps({"seed": seed} | {name: values[-1] for name, values in found.items()}), flush=True)
    gains = np.array(found["ours"]) - np.array(found["keras"])
    mean = {"mean_gain": round(float(gains.mean()), 4), "seeds_ours_above": int((gains > 0).sum())}
    if len(gains) > 1:
        mean["standard_error_over_seeds"] = round(float(gains.std(ddof=1) / np.sqrt(len(gains))), 4)
    print(json.dumps({"rows": options.rows} | found | mean | {"hardware": hardware.name_hardware()}))


def _keep(path: Path, train_once: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
    """Returns the predictions of a run that is done, else trains and keeps them; prints the CPU seconds."""
    if not path.exists():
        begun = time.process_time()
        probs = train_once()
        with files.atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, probs)
        print(f"{path.stem}: {time.process_time() - begun:.0f} CPU s", flush=True)
    kept: NDArray[np.float32] = np.load(path)
    return kept


def _standard_errors(
    marks: NDArray[np.float32], ours: NDArray[np.float32], plain: NDArray[np.float32]
) -> tuple[float, float]:
    """Returns the standard error of the plain score over rows, and that of the paired difference (bootstrap)."""
    rng = np.random.default_rng(2)
    draws = [rng.integers(0, len(marks), len(marks)) for _ in range(200)]
    scores = np.array([[macro_auc(marks[rows], one[rows]) for one in (ours, plain)] for rows in draws])
    return float(scores[:, 1].std()), float((scores[:, 0] - scores[:, 1]).std())


def draw_images(rows: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draws images uint8 (rows, 32, 32, 3) and their labels float32 (rows, 20); labels are of 4 % to 30 % of rows."""
    rng = np.random.default_rng(0)
    shares = np.linspace(0.04, 0.3, LABELS)
    marks = rng.random((rows, LABELS)) < shares
    colours = np.array([[1, 0.2, 0.2], [0.2, 1, 0.2], [0.3, 0.3, 1], [1, 1, 0.2]])
    images = rng.normal(100, 45, (rows, SIZE, SIZE, 3))
    for row, label in np.argwhere(marks):
        angle, colour = np.pi * (label % 5) / 5, colours[label // 5]
        begin = rng.uniform(8, SIZE - 8, 2)
        for step in np.linspace(-5, 5, 22):
            y, x = (begin + step * np.array([np.sin(angle), np.cos(angle)])).astype(int)
            images[row, y, x] += 75 * colour
    return np.clip(images, 0, 255).astype(np.uint8), marks.astype(np.float32)


def macro_auc(marks: NDArray[np.float32], probs: NDArray[np.float32]) -> float:
    """Returns the mean area under the ROC curves of all labels."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(marks, probs, average="macro"))


def _params(seed: int) -> dict[str, object]:
    return {"competition": "made", "models": ["cnn"], "train": {"seed": seed, "precision": "float32"}}


def _write_repository(
    folder: Path, images: NDArray[np.uint8], marks: NDArray[np.float32], folds: NDArray[np.int64]
) -> SeveralLabels:
    target, prepared = (
        SeveralLabels(columns=tuple(f"l{label}" for label in range(LABELS))),
        folder / "data" / "prepared",
    )
    write_target(prepared, target)
    index = pd.DataFrame({"id": [str(row) for row in range(len(images))], "label": -1, "group": "", "width": SIZE})
    index = index.assign(source=index["id"], height=SIZE, hash=index["id"], perceptual_hash=index["id"])
    index["several_labels"] = format_cells(target.decode(marks))
    tables.write_index(prepared / "train.csv", index)
    tables.write_index(prepared / "test.csv", index.head(10).drop(columns="several_labels"))
    np.save(prepared / "train_images.npy", images)
    np.save(prepared / "test_images.npy", images[:10])
    table = pd.DataFrame({"id": index["id"], "label": -1, "group": np.arange(len(images)), "fold": folds})
    tables.write_folds(folds_path(folder), table)
    files.write_json(
        folder / "configs" / "competitions" / "made.yaml",
        {
            "title": "Made",
            "source": {"kind": "local", "path": "nowhere"},
            "train": {"layout": "folders", "images": "train"},
            "test": {"layout": "images", "images": "test"},
            "target": {"kind": "several_labels"},
            "storage": {"size": SIZE},
            "mirror": False,
            "metric": {"name": "roc_auc"},
            "submission": {"kind": "probabilities", "sample": "sample.csv", "id": "Id"},
            "models": ["cnn"],
        },
    )
    training = {"epochs": EPOCHS, "batch_size": BATCH, "optimizer": {"name": "adam", "learning_rate": RATE}}
    training |= {"schedule": {"name": "cosine"}, "validate_every": EPOCHS}
    files.write_json(folder / "configs" / "models" / "cnn.yaml", {"network": NETWORK, "training": training})
    return target


def _train_plainly(
    images: NDArray[np.uint8], marks: NDArray[np.float32], folds: NDArray[np.int64], seed: int
) -> NDArray[np.float32]:
    """Trains the same network as a script would: compile, fit, predict."""
    layers, out = keras.layers, np.zeros_like(marks)
    runtime.start_backend("float32")
    for fold in range(FOLDS):
        keras.utils.set_random_seed(1000 + FOLDS * seed + fold)
        parts = [keras.Input((SIZE, SIZE, 3)), layers.Rescaling(1 / 127.5, -1)]
        for filters in (16, 32, 64):
            parts += [layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.MaxPooling2D()]
        parts += [layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dropout(0.2)]
        model = keras.Sequential([*parts, layers.Dense(LABELS, activation="sigmoid")])
        rows = np.flatnonzero(folds != fold)
        steps = EPOCHS * -(-len(rows) // BATCH)
        rate = keras.optimizers.schedules.CosineDecay(RATE, steps)
        model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", steps_per_execution=10)
        model.fit(images[rows], marks[rows], BATCH, EPOCHS, verbose=0)
        out[folds == fold] = model.predict(images[folds == fold], verbose=0)
    return out


if __name__ == "__main__":
    main()
