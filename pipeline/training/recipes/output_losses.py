"""Losses of outputs that are no classes' logits, as Keras computes them: of labels, shares, grades, several targets."""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.targets.grade_heads import RegressedGrades
from pipeline.networks.runtime import keras, ops


class LabelLoss(keras.losses.Loss):  # type: ignore[misc]
    """Binary cross-entropy of labels, its mean over them; focused, asymmetric or weighted."""

    def __init__(
        self,
        gammas: tuple[float, float] = (0.0, 0.0),
        margin: float = 0.0,
        smoothing: float = 0.0,
        positive: NDArray[np.float32] | None = None,
    ) -> None:
        """Takes the settings of the loss.

        Args:
            gammas: focus on labels that a row has, and on those that it has not.
            margin: probabilities below it cost nothing where a row has not the label.
            smoothing: share of each mark that is moved towards 1/2.
            positive: float32 (n_labels,), what a row that has a label counts in that label's loss.
        """
        super().__init__(name="label_loss")
        self._with, self._without = gammas
        self._smoothing, self._margin = smoothing, margin
        self.weights = None
        if positive is not None:
            self.weights = keras.Variable(positive, trainable=False, dtype="float32", name="positive_weights")

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the loss of each image (batch,)."""
        marks = ops.cast(y_true, "float32") * (1 - self._smoothing) + self._smoothing / 2
        outputs = ops.cast(y_pred, "float32")
        having, lacking = -ops.log_sigmoid(outputs), -ops.log_sigmoid(-outputs)
        probs = ops.sigmoid(outputs)
        if self._with:
            having = having * (1 - probs) ** self._with
        if self._margin:
            probs = ops.maximum(probs - self._margin, 0.0)
            lacking = -ops.log1p(-ops.minimum(probs, 1 - 1e-7))
        if self._without:
            lacking = lacking * probs**self._without
        if self.weights is not None:
            having = having * ops.convert_to_tensor(self.weights)
        return ops.mean(marks * having + (1 - marks) * lacking, axis=-1)


class DivergenceLoss(keras.losses.Loss):  # type: ignore[misc]
    """Kullback-Leibler divergence of predicted shares from the target's: cross-entropy less what no model can spare."""

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the loss of each image (batch,)."""
        shares = ops.cast(y_true, "float32")
        own = ops.log(ops.maximum(shares, 1e-7))
        return ops.sum(shares * (own - ops.log_softmax(ops.cast(y_pred, "float32"), axis=-1)), axis=-1)


class GradeNumberLoss(keras.losses.Loss):  # type: ignore[misc]
    """A loss of numbers, of grades by their standardised number: a mixed target's is the mean of its grades."""

    def __init__(self, loss: keras.losses.Loss, target: RegressedGrades) -> None:
        """Takes the loss of numbers, and the grades."""
        super().__init__(name=f"grade_{loss.name}")
        self._loss = loss
        self._numbers = ((np.asarray(target.numbers) - target.centre) / target.spread).astype(np.float32)[:, None]

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the loss of each image (batch,)."""
        return self._loss.call(ops.matmul(ops.cast(y_true, "float32"), self._numbers), ops.cast(y_pred, "float32"))


class StepLoss(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy of grades that are reached step by step; see `CumulativeGrades`.

    A row counts in the steps that it reaches alone, and a mixed one in the shares of its target.
    """

    def __init__(self, smoothing: float) -> None:
        """Takes the share of each target that is spread over all grades."""
        super().__init__(name="step_loss")
        self._smoothing = smoothing

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the loss of each image (batch,)."""
        outputs, shares = ops.cast(y_pred, "float32"), ops.cast(y_true, "float32")
        shares = shares * (1 - self._smoothing) + self._smoothing / shares.shape[-1]
        nought = ops.zeros_like(outputs[:, :1])
        rises = ops.concatenate([nought, ops.cumsum(ops.log_sigmoid(outputs), axis=-1)], axis=-1)
        stays = ops.concatenate([ops.log_sigmoid(-outputs), nought], axis=-1)
        return -ops.sum(shares * (rises + stays), axis=-1)


class PartsLoss(keras.losses.Loss):  # type: ignore[misc]
    """The weighted sum of the losses of several targets."""

    def __init__(self, losses: list[keras.losses.Loss], places: list[tuple[slice, slice]], counts: list[float]) -> None:
        """Takes the loss of each part, its columns of targets and of outputs, and what it counts."""
        super().__init__(name="parts_loss")
        self._losses, self._places, self._counts = losses, places, counts

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the loss of each image (batch,)."""
        parts = [
            count * loss.call(y_true[:, columns], y_pred[:, outputs])
            for loss, (columns, outputs), count in zip(self._losses, self._places, self._counts, strict=True)
        ]
        return sum(parts[1:], parts[0])
