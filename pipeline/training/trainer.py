"""Trains one fold of one model, resumably: the task goes in, files come out.

A task is self-contained (paths, recipe and fingerprint), so another executor can run it on another machine. Its working
folder is keyed by the fingerprint of all that determines the result; the state written after an epoch holds every
variable (weights, normalisation statistics, dropout's random state, optimizer, step), so a run killed at any moment
continues to the same bits.
"""

import time
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.core import predictions
from pipeline.core.arrays import Logits, Rows
from pipeline.core.files import atomic_path
from pipeline.core.targets.contract import Target
from pipeline.networks.checkpoint_files import save_checkpoint
from pipeline.networks.hardware import name_hardware
from pipeline.training.callback import StateCallback
from pipeline.training.finished import is_finished, read_done, write_done
from pipeline.training.fold_training import FoldTraining
from pipeline.training.memory import require_room
from pipeline.training.session import Session
from pipeline.training.state import TrainingProgress, list_states
from pipeline.training.task import FoldTask, OnEpoch, describe_machine
from pipeline.training.view_weights import ViewedRows, collect_views


def train_fold(task: FoldTask, session: Session) -> None:
    """Trains one fold, or continues it, or finds it finished.

    Writes into ``task.folder``: ``state-<hardware>.npz`` after each epoch but very short ones; at the end
    ``checkpoint.weights.h5``, ``valid.parquet``, ``test.parquet``, ``history.csv`` and, last, ``done.json``, which
    replaces the state. Where the backbone stays frozen, ``checkpoint.head.npz`` holds the head alone, and the backbone
    lies once beside the folds' folders, named by its digest. Where the weights of views are learned,
    ``valid_views.npy`` and ``test_views.npy`` hold the probabilities of each view.

    Raises:
        InputError: the augmentation does not fit the images, a step not into memory, or the training has diverged.
    """
    if not is_finished(task):
        training, progress = _train(task, session, None)
        _write_results(task, training, progress)
    for state in list_states(task.folder):
        state.unlink(missing_ok=True)


def score_fold(task: FoldTask, session: Session, on_epoch: OnEpoch) -> float:
    """Trains one fold as `train_fold` does, but predicts its valid rows alone, into ``valid.parquet``.

    The state stays, so that `train_fold` needs no more training to finish the fold; a finished fold is not trained.

    Args:
        task: which fold of which model.
        session: what the folds share.
        on_epoch: is given each epoch's row of the history, also of epochs done before; may end the training by raising.

    Returns:
        Seconds that the training took, whenever it ran.

    Raises:
        InputError: the augmentation does not fit the images, or the training has diverged.
    """
    if is_finished(task):
        for row in pd.read_csv(task.folder / "history.csv").to_dict("records"):
            on_epoch({str(key): float(value) for key, value in row.items() if not pd.isna(value)})
        return float(read_done(task)["train_seconds"])
    training, progress = _train(task, session, on_epoch)
    _write_valid(task, training)
    return progress.seconds


def _train(task: FoldTask, session: Session, on_epoch: OnEpoch | None) -> tuple[FoldTraining, TrainingProgress]:
    """Trains a fold to its end, the chosen weights in the network."""
    task.folder.mkdir(parents=True, exist_ok=True)
    training = session.begin(task.fold, task.seed)
    callback = StateCallback(training, task, on_epoch)
    callback.restore()
    require_room(callback.name)
    if on_epoch is None:
        training.compute_test_maps(task.recipe.views)
    _fit(training, callback)
    callback.use_chosen_weights()
    with training.explain_lack_of_memory(callback.name):
        training.reestimate_statistics()
    return training, callback.progress


def _fit(training: FoldTraining, callback: StateCallback) -> None:
    while not callback.progress.stopped:
        epoch, phase = callback.progress.epoch, training.phase
        if epoch == phase.last_epoch:
            if training.is_last_phase:
                return
            callback.advance()
            continue
        with training.explain_lack_of_memory(callback.name), training.feed(epoch) as batches:
            phase.model.fit(
                batches,
                initial_epoch=epoch,
                epochs=phase.last_epoch,
                steps_per_epoch=phase.steps,
                callbacks=[callback],
                shuffle=False,  # the batches are already in their order
                verbose=0,
            )


def _write_results(task: FoldTask, training: FoldTraining, progress: TrainingProgress) -> None:
    data, phase = training.inputs.data, training.phase
    frozen = all(each.head_alone for each in training.phases)
    beside = save_checkpoint(phase.net, task.folder, frozen)
    _write_valid(task, training)
    started = time.perf_counter()
    logits = _predict(task, training, "test", np.arange(len(data.test_ids)))
    seconds = time.perf_counter() - started
    _write(task.folder / "test.parquet", data.test_ids, logits, data.target)
    with atomic_path(task.folder / "history.csv") as temporary:
        pd.DataFrame(progress.history).to_csv(temporary, index=False, lineterminator="\n")
    done = {
        "train_seconds": progress.seconds,
        "feature_seconds": training.inputs.feature_seconds,
        "predict_milliseconds_per_image": 1000 * seconds / max(len(data.test_ids), 1),
        "images_per_second": sum(training.images_of_epochs[: progress.epoch]) / max(progress.seconds, 1e-9),
        "parameters": phase.net.model.count_params(),
        "trainable_parameters": sum(int(np.prod(variable.shape)) for variable in phase.model.trainable_variables),
    }
    write_done(task, done | describe_machine(name_hardware()), beside)


def _write_valid(task: FoldTask, training: FoldTraining) -> None:
    data = training.inputs.data
    valid = data.rows(task.fold)[1]
    ids = tuple(data.ids[row] for row in valid)
    _write(task.folder / "valid.parquet", ids, _predict(task, training, "valid", valid), data.target)


def _predict(task: FoldTask, training: FoldTraining, rows_of: Literal["valid", "test"], rows: Rows) -> Logits:
    views = task.recipe.views
    logits = training.predict_views("train" if rows_of == "valid" else "test", rows, views)
    return collect_views(
        logits, ViewedRows(len(rows), training.inputs.data.target, views), task.folder / f"{rows_of}_views.npy"
    )


def _write(path: Path, ids: tuple[str, ...], logits: Logits, target: Target) -> None:
    values = target.from_outputs(logits)
    predictions.write_predictions(path, predictions.Predictions(ids, values, target.columns, target=target))
