"""The loss of classes from its settings: cross-entropy or focal, smoothed targets, weights; in float32 always."""

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.networks.runtime import keras, ops


def build_loss(
    label_smoothing: float = 0.0,
    focal_gamma: float = 0.0,
    class_weights: NDArray[np.float32] | None = None,
    counted: bool = False,
) -> keras.losses.Loss:
    """Builds the loss of logits (batch, n_classes) against targets (batch, n_classes), one-hot or mixed.

    Args:
        label_smoothing: share of each target that is spread over all classes.
        focal_gamma: how much less well-classified images count; 0 is cross-entropy.
        class_weights: float32 (n_classes,), or None for the same for all.
        counted: an image counts as much as its target sums to, and its classes are the target's shares.

    Reference: Lin et al. 2017, focal loss, https://arxiv.org/abs/1708.02002, without its alpha, which class weights are
    """
    if focal_gamma:
        loss = keras.losses.CategoricalFocalCrossentropy(
            alpha=1.0, gamma=focal_gamma, from_logits=True, label_smoothing=label_smoothing
        )
    else:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)
    loss = loss if class_weights is None else WeightedLoss(loss, class_weights)
    return CountedLoss(loss) if counted else loss


class CountedLoss(keras.losses.Loss):  # type: ignore[misc]
    """A loss in which an image counts as much as its target sums to.

    So an image's weight goes with its target wherever that goes, into mixtures of two images as well. The sum over a
    batch is divided by the batch size, not by the weights.
    """

    def __init__(self, loss: keras.losses.Loss) -> None:
        """Takes the loss of each image."""
        super().__init__(name=f"counted_{loss.name}")
        self._loss = loss

    @property
    def weights(self) -> keras.Variable:
        """The class weights of a `WeightedLoss`, for `set_class_weights`."""
        return self._loss.weights

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the loss of each image (batch,)."""
        # Shares first: backends take it for granted that targets sum to 1.
        counts = ops.sum(y_true, axis=-1, keepdims=True)
        return self._loss.call(y_true / counts, y_pred) * ops.squeeze(counts, axis=-1)


class AngularMarginLoss(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy of scaled cosines, in which an image must lie a margin closer to its class: ArcFace.

    The angle to its class is enlarged by the margin; beyond pi the cosine goes on falling, in a straight line. Of an
    image mixed of two, each class's cosine moves by its share of the target.
    """

    def __init__(self, scale: float, margin: float, smoothing: float) -> None:
        """Takes the scale of the cosines, the margin in radians, and the share that is spread over all classes."""
        super().__init__(name="angular_margin_loss")
        self._scale, self._margin, self._smoothing = scale, margin, smoothing

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the loss of each image (batch,)."""
        shares, cosines = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32") / self._scale
        cosines = ops.clip(cosines, -1 + 1e-6, 1 - 1e-6)  # the slope of the sine is endless at 1
        turned = cosines * math.cos(self._margin) - ops.sqrt(1 - cosines**2) * math.sin(self._margin)
        border, fall = math.cos(math.pi - self._margin), self._margin * math.sin(math.pi - self._margin)
        turned = ops.where(cosines > border, turned, cosines - fall)
        logits = self._scale * (cosines + shares * (turned - cosines))
        wanted = shares * (1 - self._smoothing) + self._smoothing / shares.shape[-1]
        return -ops.sum(wanted * ops.log_softmax(logits, axis=-1), axis=-1)


class WeightedLoss(keras.losses.Loss):  # type: ignore[misc]
    """A loss in which an image counts as much as its classes weigh; `set_class_weights` changes the weights.

    An image mixed of two counts by their mean, in the shares of its target. The sum is divided by the batch size, not
    by the weights, so that an image counts the same whatever else is in its batch.
    """

    def __init__(self, loss: keras.losses.Loss, class_weights: NDArray[np.float32]) -> None:
        """Takes the loss of each image and float32 (n_classes,)."""
        super().__init__(name=f"weighted_{loss.name}")
        self._loss = loss
        self.weights = keras.Variable(class_weights, trainable=False, dtype="float32", name="class_weights")

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the loss of each image (batch,)."""
        return self._loss.call(y_true, y_pred) * ops.sum(y_true * ops.convert_to_tensor(self.weights), axis=-1)


def set_class_weights(model: keras.Model, class_weights: NDArray[np.float32]) -> None:
    """Gives a model that was compiled with a `WeightedLoss` the class weights of another fold: float32 (n_classes,)."""
    weights = model.loss.weights  # of a `WeightedLoss`, or of what holds one
    if np.array_equal(keras.ops.convert_to_numpy(weights), class_weights):
        return
    weights.assign(class_weights)
    if keras.backend.backend() != "tensorflow":
        # TensorFlow reads the variable in every step; elsewhere a compiled step has its value inside.
        model.train_function = model.test_function = None
