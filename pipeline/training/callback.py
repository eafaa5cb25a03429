"""Watches one training: looks at the valid rows, decides what the recipe leaves open, keeps each epoch's state."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from pipeline.core.arrays import Rows
from pipeline.core.errors import DivergedError
from pipeline.core.metrics import Metric
from pipeline.core.progress import EpochLine
from pipeline.images.views import Views
from pipeline.networks.runtime import keras
from pipeline.training.phases import assign_variables, copy_variables
from pipeline.training.session import Session
from pipeline.training.state import Arrays, State, TrainingProgress, read_state, write_state

OnEpoch = Callable[[dict[str, float]], None]
_LOOK_EVERY = 16  # steps; each look waits for a GPU


class StateCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the state of every epoch in one file, so that a training continues to the same bits.

    Attributes:
        course: how far the training is.
    """

    def __init__(
        self,
        session: Session,
        path: Path,
        place: str,
        fold: int,
        valid: Rows,
        metric: Metric,
        watch: OnEpoch | None = None,
    ) -> None:
        """Starts at epoch zero.

        Args:
            session: what is trained.
            path: the state's file.
            place: what lines and errors call this training.
            fold: its number, for the history.
            valid: the valid rows.
            metric: the score shown.
            watch: told each epoch's row of the history once the epoch is kept; may end the training by raising.
        """
        super().__init__()
        self._session, self._training = session, session.recipe.training
        self._path, self._place, self._fold, self._valid, self._metric = path, place, fold, valid, metric
        self._watch = watch
        self.course = TrainingProgress()
        self._best: Arrays = []

    def restore(self, seed: int) -> None:
        """Continues from the last whole epoch; without one, starts afresh from ``seed``."""
        session = self._session
        session.reset(self._fold, seed)
        state = read_state(self._path, self._place)
        if state is not None:
            session.enter(next(phase for phase in session.phases if state.course.epoch <= phase.last_epoch))
            assign_variables(session.phase.model.variables, state.model)
            assign_variables(session.phase.model.optimizer.variables, state.optimizer)
            self.course, self._best = state.course, state.best
        for row in self.course.history:
            self._tell(row)
        self._begin()

    def advance(self) -> None:
        """Goes on to the next stage."""
        session = self._session
        if session.phase.stage.optimizer.ema > 0:
            session.use_average()
        session.enter(session.phases[session.phases.index(session.phase) + 1])
        self.course = replace(self.course, best=float("inf"), waited=0, level=0)
        self._begin()

    def _begin(self) -> None:
        phase = self._session.phase
        self._line = EpochLine(self._place, self._training.all_epochs, phase.steps, phase.batch_size)

    def use_chosen_weights(self) -> None:
        """Puts the weights that the recipe selects into the model: the best, the average, or the last as they are."""
        if self._training.select == "best":
            assign_variables(self._session.phase.model.variables, self._best)
        else:
            self._session.use_average()

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the clock."""
        self._line.start(epoch)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Moves the live line; looks now and then whether the loss, a running mean, is still a number.

        Raises:
            DivergedError: the training has diverged; the state of the epoch before stays.
        """
        self._line.step(batch)
        if (batch + 1) % _LOOK_EVERY == 0 and logs:
            self._check_finite(
                f"loss (in the first {batch + 1} of {self._session.phase.steps} steps)", float(logs["loss"])
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Looks, decides, keeps.

        Raises:
            DivergedError: the training has diverged; the state of the epoch before stays.
        """
        phase, course = self._session.phase, self.course
        model = phase.model
        loss = float((logs or {})["loss"])
        self._check_finite("loss", loss)
        weights = copy_variables(model.variables)
        self._check_finite("weights", *weights)
        last_step = (epoch + 1 - phase.first_epoch) * phase.steps - 1
        plateau = phase.stage.schedule.name == "plateau"
        rate = float(model.optimizer.learning_rate) if plateau else float(phase.rates[last_step])
        row = {"fold": self._fold, "epoch": epoch + 1, "learning_rate": rate, "loss": loss}
        if (epoch + 1) % self._training.validate_every == 0 or epoch + 1 == self._training.all_epochs:
            row |= self._look()
            self._decide(row["valid_loss"])
        course.epoch = epoch + 1
        course.seconds += self._line.finish(loss, self._metric.name, row.get("valid_score"), rate)
        course.history.append(row)
        write_state(self._path, State(course, weights, copy_variables(model.optimizer.variables), self._best))
        model.stop_training = course.stopped
        self._tell(row)

    def _tell(self, row: dict[str, float]) -> None:
        if self._watch is not None:
            self._watch(row)

    def _look(self) -> dict[str, float]:
        model, data = self._session.phase.model, self._session.data
        averaged = self._session.phase.stage.optimizer.ema > 0
        saved = copy_variables(model.trainable_variables) if averaged else []
        if averaged:
            self._session.use_average()
        logits = self._session.predict("train", self._valid, Views()).astype(np.float64)
        labels = data.labels[self._valid]
        valid_loss = float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())
        self._check_finite("loss on the valid rows", valid_loss)
        if self._training.select == "best" and valid_loss < self.course.best:
            self._best = copy_variables(model.variables)
        if averaged:
            assign_variables(model.trainable_variables, saved)
        return {
            "valid_loss": valid_loss,
            "valid_accuracy": float((logits.argmax(axis=1) == labels).mean()),
            "valid_score": self._metric.score(labels, softmax(logits, axis=1).astype(np.float32)),
        }

    def _decide(self, valid_loss: float) -> None:
        phase, course = self._session.phase, self.course
        schedule, optimizer = phase.stage.schedule, phase.model.optimizer
        better = valid_loss < course.best
        course.best = min(course.best, valid_loss)
        course.waited = 0 if better else course.waited + 1
        course.level = 0 if better else course.level + 1
        if schedule.name == "plateau" and course.level >= schedule.patience:
            optimizer.learning_rate.assign(optimizer.learning_rate * schedule.factor)
            course.level = 0
        if (
            phase.stage is self._training
            and self._training.patience is not None
            and course.waited >= self._training.patience
        ):
            course.stopped = True

    def _check_finite(self, what: str, *numbers: float | NDArray[Any]) -> None:
        if not all(np.isfinite(number).all() for number in numbers):
            raise DivergedError(
                f"{self._place}: in epoch {self.course.epoch + 1} the {what} became NaN or infinite; lower "
                f"{self._session.section}.optimizer.learning_rate or set clip_norm there in the model's file, or "
                "train.precision: float32"
            )
