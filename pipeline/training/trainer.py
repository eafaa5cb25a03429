"""Trains one fold of one model, resumably: the task goes in, files come out.

A task is self-contained (paths, recipe and fingerprint), so another executor can run it on another machine. Its working
folder is keyed by the fingerprint of all that determines the result; the state written after each epoch holds every
variable (weights, normalisation statistics, dropout's random state, optimizer, step), so a run killed at any moment
continues to the same bits.
"""

import time
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import softmax

from pipeline.core import files, predictions
from pipeline.core.arrays import Logits, Rows
from pipeline.core.files import atomic_path
from pipeline.training.callback import OnEpoch, StateCallback
from pipeline.training.session import Session
from pipeline.training.task import FoldTask
from pipeline.training.view_weights import collect_views


def train_fold(task: FoldTask, session: Session) -> None:
    """Trains one fold, or continues it, or finds it finished.

    Writes into ``task.folder``: ``state.npz`` after each epoch; at the end ``checkpoint.weights.h5``,
    ``valid.parquet``, ``test.parquet``, ``history.csv`` and, last, ``done.json``, which replaces the state. Where the
    weights of views are learned, ``valid_views.npy`` and ``test_views.npy`` hold what each view says.

    Raises:
        InputError: the augmentation does not fit the images, a step not into memory, or the training has diverged.
    """
    if not (task.folder / "done.json").is_file():
        _finish(task, session, _trained(task, session, None))
    _state(task).unlink(missing_ok=True)


def score_fold(task: FoldTask, session: Session, watch: OnEpoch) -> float:
    """Trains one fold as `train_fold` does, but predicts its valid rows alone, into ``valid.parquet``.

    The state stays, so that `train_fold` needs no more training to finish the fold; a finished fold is not trained.

    Args:
        task: which fold of which model.
        session: what the folds share.
        watch: told each epoch's row of the history, also of epochs done before; may end the training by raising.

    Returns:
        Seconds that the training took, whenever it ran.

    Raises:
        InputError: the augmentation does not fit the images, or the training has diverged.
    """
    if (task.folder / "done.json").is_file():
        for row in pd.read_csv(task.folder / "history.csv").to_dict("records"):
            watch({str(key): float(value) for key, value in row.items() if not pd.isna(value)})
        return float(files.read_json(task.folder / "done.json", "run `dvc repro`")["train_seconds"])
    keeper = _trained(task, session, watch)
    _write_valid(task, session)
    return keeper.course.seconds


def _trained(task: FoldTask, session: Session, watch: OnEpoch | None) -> StateCallback:
    task.folder.mkdir(parents=True, exist_ok=True)
    valid = session.data.rows(task.fold)[1]
    name = f"{task.name} fold {task.fold}"
    keeper = StateCallback(session, _state(task), name, task.fold, valid, task.score.metric, watch)
    keeper.restore(int(np.random.SeedSequence([task.seed, task.fold]).generate_state(1)[0]))
    _fit(task, session, keeper)
    keeper.use_chosen_weights()
    with session.room(name):
        session.settle(task.fold)
    return keeper


def _state(task: FoldTask) -> Path:
    return task.folder / "state.npz"


def _write_valid(task: FoldTask, session: Session) -> None:
    data = session.data
    valid = data.rows(task.fold)[1]
    ids = tuple(data.ids[row] for row in valid)
    _write(task.folder / "valid.parquet", ids, _predicted(task, session, "valid", valid), data.classes)


def _fit(task: FoldTask, session: Session, keeper: StateCallback) -> None:
    while not keeper.course.stopped:
        begun, phase = keeper.course.epoch, session.phase
        if begun == phase.last_epoch:
            if phase is session.phases[-1]:
                return
            keeper.advance()
            continue
        with session.room(f"{task.name} fold {task.fold}"), session.fed(task.fold, task.seed, begun) as batches:
            phase.model.fit(
                batches,
                initial_epoch=begun,
                epochs=phase.last_epoch,
                steps_per_epoch=phase.steps,
                callbacks=[keeper],
                shuffle=False,  # the batches are already in their order
                verbose=0,
            )


def _finish(task: FoldTask, session: Session, keeper: StateCallback) -> None:
    data, course = session.data, keeper.course
    with atomic_path(task.folder / "checkpoint.weights.h5") as temporary:
        session.phase.net.model.save_weights(temporary)
    _write_valid(task, session)
    started = time.perf_counter()
    logits = _predicted(task, session, "test", np.arange(len(data.test_ids)))
    seconds = time.perf_counter() - started
    _write(task.folder / "test.parquet", data.test_ids, logits, data.classes)
    with atomic_path(task.folder / "history.csv") as temporary:
        pd.DataFrame(course.history).to_csv(temporary, index=False, lineterminator="\n")
    done = {
        "train_seconds": course.seconds,
        "feature_seconds": session.feature_seconds,
        "predict_milliseconds_per_image": 1000 * seconds / max(len(data.test_ids), 1),
        "images_per_second": sum(session.images_seen[: course.epoch]) / max(course.seconds, 1e-9),
        "parameters": session.phase.net.model.count_params(),
        "trainable_parameters": sum(
            int(np.prod(variable.shape)) for variable in session.phase.model.trainable_variables
        ),
    }
    files.write_json(task.folder / "done.json", done)


def _predicted(task: FoldTask, session: Session, rows_of: Literal["valid", "test"], rows: Rows) -> Logits:
    views, shape = session.recipe.views, (len(rows), len(session.data.classes))
    made = session.predict_views("train" if rows_of == "valid" else "test", rows, views)
    return collect_views(made, shape, views, task.folder / f"{rows_of}_views.npy")


def _write(path: Path, ids: tuple[str, ...], logits: Logits, classes: tuple[str, ...]) -> None:
    predictions.write_predictions(
        path, predictions.Predictions(ids, softmax(logits, axis=1).astype(np.float32), classes)
    )
