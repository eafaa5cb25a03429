"""A Keras callback for one fold: it validates, decides what the recipe leaves open, and keeps each epoch's state."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import DivergedError
from pipeline.core.progress import EpochLine
from pipeline.images.views import Views
from pipeline.networks.hardware import name_hardware
from pipeline.networks.runtime import keras
from pipeline.training.fold_training import FoldTraining
from pipeline.training.phases import assign_variables, copy_variables
from pipeline.training.recipes.averaging import add_weights, keep_best_weights, mean_of_kept
from pipeline.training.state import (
    Arrays,
    State,
    TrainingProgress,
    list_states,
    name_state,
    read_progress,
    read_state,
    write_state,
)
from pipeline.training.task import FoldTask, OnEpoch

_BYTES = 4  # of a number of the weights, whatever a step computes in
_CHECK_EVERY = 16  # steps; each check waits for a GPU
_KEEP_EVERY = 1.0  # seconds: what a kill may cost; writing each of the many states of a small network takes longer


def state_path(task: FoldTask) -> Path:
    """Where a fold keeps its state between epochs, on this kind of hardware."""
    return task.folder / name_state(name_hardware())


class StateCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the state of the last epoch in one file, so that a training continues to the same bits.

    Epochs that take less than a second are not all kept, unless someone is told of each.

    Attributes:
        progress: how far the training is.
        name: of the training, in messages.
    """

    def __init__(self, training: FoldTraining, task: FoldTask, on_epoch: OnEpoch | None = None) -> None:
        """Starts at epoch zero.

        Args:
            training: the fold's.
            task: which fold of which model, and where it is kept.
            on_epoch: is given each epoch's row of the history once the epoch is kept; may end the training by raising.
        """
        super().__init__()
        self._training, self._recipe = training, training.inputs.recipe.training
        self._path, self._metric, self._on_epoch = (
            state_path(task),
            task.score.metric_for(training.inputs.data.target),
            on_epoch,
        )
        self._valid = training.inputs.data.rows(task.fold)[1]
        self.name = f"{task.name} fold {task.fold}"
        self.progress = TrainingProgress(hardware=name_hardware())
        self._best: Arrays = []
        self._kept = time.monotonic()
        self._checked = -1

    def restore(self) -> None:
        """Continues from the last whole epoch, where one was kept."""
        training = self._training
        state = read_state(self._path, self.name)
        if state is None:
            self._report_other_hardware()
        else:
            training.enter(next(phase for phase in training.phases if state.progress.epoch <= phase.last_epoch))
            assign_variables(training.phase.model.variables, state.model)
            assign_variables(training.phase.model.optimizer.variables, state.optimizer)
            self.progress, self._best = state.progress, state.best
            begun = self.progress.epoch < self._recipe.all_epochs
            rest = f"goes on from epoch {self.progress.epoch + 1} of {self._recipe.all_epochs}"
            print(f"{self.name} {rest if begun else 'is trained, its predictions are left to write'}", flush=True)
        for row in self.progress.history:
            self._report(row)
        self._begin_phase()

    def _report_other_hardware(self) -> None:
        for path in list_states(self._path.parent):
            if path != self._path and (other := read_progress(path)) is not None:
                print(
                    f"{self.name}: {other.hardware} reached epoch {other.epoch}; on {self.progress.hardware} the fold "
                    "starts again, as it would not continue to the same bits",
                    flush=True,
                )

    def advance(self) -> None:
        """Goes on to the next phase."""
        self._training.advance()
        self.progress = replace(self.progress, best=float("inf"), waited=0, level=0, kept=[])
        self._best = []
        self._begin_phase()

    def _begin_phase(self) -> None:
        phase = self._training.phase
        self._line = EpochLine(self.name, self._recipe.all_epochs, phase.steps, phase.batch_size)
        average = self._recipe.average
        if average is not None and average.best is not None and self._training.is_last_phase:
            numbers = sum(int(np.prod(variable.shape)) for variable in phase.model.trainable_variables)
            print(
                f"{self.name}: keeps the trained weights of its {average.best} best epochs, "
                f"{average.best * numbers * _BYTES / 1e6:,.1f} MB in memory and in its state on disk",
                flush=True,
            )

    def use_chosen_weights(self) -> None:
        """Puts the weights that the recipe selects into the model: the best, an average, or the last as they are.

        Raises:
            DivergedError: all of them are zero.
        """
        if self._recipe.select == "best":
            assign_variables(self._training.phase.model.variables, self._best)
        elif self._recipe.average is not None:
            many = len(self.progress.kept)
            mean = mean_of_kept(self._best, many) if many else self._best
            assign_variables(self._training.phase.model.trainable_variables, mean)
        else:
            self._training.use_average()
        if not any(np.any(weight) for weight in copy_variables(self._training.phase.model.trainable_variables)):
            raise DivergedError(
                f"{self.name}: all weights that were trained are zero; lower "
                f"{self._training.phase.scope.section}.optimizer.learning_rate in the model's file, or set "
                "train.precision: float32"
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the clock."""
        self._checked = -1
        self._line.start(epoch)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Moves the live line; checks now and then whether the loss, a running mean, is still a number.

        Raises:
            DivergedError: the training has diverged; the last state that was kept stays.
        """
        self._line.step(batch)
        if batch - self._checked >= _CHECK_EVERY and logs:
            self._checked = batch
            self._check_finite(
                f"loss (in the first {batch + 1} of {self._training.phase.steps} steps)", float(logs["loss"])
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Validates, decides, keeps the state.

        Raises:
            DivergedError: the training has diverged; the last state that was kept stays.
        """
        phase, progress = self._training.phase, self.progress
        model = phase.model
        loss = float((logs or {})["loss"])
        self._check_finite("loss", loss)
        weights = copy_variables(model.variables)
        self._check_finite("weights", *weights)
        last_step = (epoch + 1 - phase.first_epoch) * phase.steps - 1
        plateau = phase.recipe.schedule.name == "plateau"
        rate = float(model.optimizer.learning_rate) if plateau else float(phase.rates[last_step])
        row = {"fold": self._training.fold, "epoch": epoch + 1, "learning_rate": rate, "loss": loss}
        if (epoch + 1) % self._recipe.validate_every == 0 or epoch + 1 == self._recipe.all_epochs:
            row |= self._validate()
            self._decide(row["valid_loss"])
        progress.epoch = epoch + 1
        average = self._recipe.average
        if average is not None and average.best is not None:
            if self._training.is_last_phase:
                trained = copy_variables(model.trainable_variables)
                keep_best_weights(self._best, progress.kept, trained, row["valid_loss"], average.best)
        elif average is not None and (count := progress.epoch - self._recipe.all_epochs + average.count) > 0:
            add_weights(self._best, copy_variables(model.trainable_variables), count)
        progress.seconds += self._line.finish(loss, self._metric.name, row.get("valid_score"), rate)
        progress.history.append(row)
        ends = progress.stopped or progress.epoch == phase.last_epoch
        if ends or self._on_epoch is not None or time.monotonic() - self._kept >= _KEEP_EVERY:
            write_state(self._path, State(progress, weights, copy_variables(model.optimizer.variables), self._best))
            self._kept = time.monotonic()
        model.stop_training = progress.stopped
        self._report(row)

    def _report(self, row: dict[str, float]) -> None:
        if self._on_epoch is not None:
            self._on_epoch(row)

    def _validate(self) -> dict[str, float]:
        model, data = self._training.phase.model, self._training.inputs.data
        averaged = self._training.phase.recipe.optimizer.ema > 0
        saved = copy_variables(model.trainable_variables) if averaged else []
        if averaged:
            self._training.use_average()
        logits = self._training.predict("train", self._valid, Views()).astype(np.float64)
        target, truth = data.target, data.truth[self._valid]
        valid_loss = float(target.measure_output_losses(truth, logits).mean())
        self._check_finite("loss on the valid rows", valid_loss)
        if self._recipe.select == "best" and valid_loss < self.progress.best:
            self._best = copy_variables(model.variables)
        if averaged:
            assign_variables(model.trainable_variables, saved)
        values = target.from_outputs(logits)
        hits = target.measure_hits(truth, values)
        return {
            "valid_loss": valid_loss,
            **({} if hits is None else {"valid_accuracy": float(hits.mean())}),
            "valid_score": self._metric.score(truth, values),
        }

    def _decide(self, valid_loss: float) -> None:
        phase, progress = self._training.phase, self.progress
        schedule, optimizer = phase.recipe.schedule, phase.model.optimizer
        better = valid_loss < progress.best
        progress.best = min(progress.best, valid_loss)
        progress.waited = 0 if better else progress.waited + 1
        progress.level = 0 if better else progress.level + 1
        if schedule.name == "plateau" and progress.level >= schedule.patience:
            optimizer.learning_rate.assign(optimizer.learning_rate * schedule.factor)
            progress.level = 0
        if (
            phase.recipe is self._recipe
            and self._recipe.patience is not None
            and progress.waited >= self._recipe.patience
        ):
            progress.stopped = True

    def _check_finite(self, what: str, *numbers: float | NDArray[Any]) -> None:
        if not all(np.isfinite(number).all() for number in numbers):
            raise DivergedError(
                f"{self.name}: in epoch {self.progress.epoch + 1} the {what} became NaN or infinite; lower "
                f"{self._training.phase.scope.section}.optimizer.learning_rate or set clip_norm there in the model's "
                "file, or train.precision: float32"
            )
