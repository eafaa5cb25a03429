"""Losses as Keras computes them, from the settings of a model's file; float32 at any precision.

Targets are (batch, n_columns), outputs (batch, n_outputs) before any activation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.core.targets.contract import Target
from pipeline.core.targets.grade_heads import CumulativeGrades, RegressedGrades
from pipeline.networks.runtime import keras
from pipeline.training.recipes.losses import AngularMarginLoss, CountedLoss, WeightedLoss, build_loss
from pipeline.training.recipes.output_losses import DivergenceLoss, GradeNumberLoss, LabelLoss, PartsLoss, StepLoss
from pipeline.training.recipes.target_losses import (
    ArcFace,
    Asymmetric,
    Huber,
    Loss,
    LossSettings,
    list_losses,
    takes_setting,
)


def build_target_loss(
    target: Target, settings: LossSettings, weights: NDArray[np.float32] | None = None
) -> keras.losses.Loss:
    """Builds the loss of a target's outputs.

    Args:
        target: what is predicted, with the model's own head.
        settings: of the model's file; `check_loss` has seen them.
        weights: float32 (n_columns,), of classes or of rows that have a label; None for the same for all.
    """
    parts = list(target.each())
    if len(parts) == 1 and not parts[0][0]:
        return _build(target, settings, weights)
    counts = settings.parts or {}
    losses = [_build(part, settings, None) for _, part, *_ in parts]
    places = [(columns, outputs) for (_, _, columns, _), (outputs, _) in zip(parts, target.outputs, strict=True)]
    return PartsLoss(losses, places, [counts.get(name, 1.0) for name, *_ in parts])


def _build(target: Target, settings: LossSettings, weights: NDArray[np.float32] | None) -> keras.losses.Loss:
    own = settings.loss if settings.loss is not None and settings.loss.name in list_losses(target) else None
    smoothing = settings.label_smoothing if takes_setting(target, "label_smoothing") else 0.0
    focus = settings.focal_gamma if takes_setting(target, "focal_gamma") else 0.0
    if target.kind == "several_labels":
        if isinstance(own, Asymmetric):
            return LabelLoss((own.gamma_positive, own.gamma_negative), own.margin, smoothing, weights)
        return LabelLoss((focus, focus), 0.0, smoothing, weights)
    if isinstance(target, RegressedGrades):
        loss: keras.losses.Loss = GradeNumberLoss(_number_loss(own), target)
    elif isinstance(target, CumulativeGrades):
        loss = StepLoss(smoothing)
    elif target.activation == "linear":
        return _number_loss(own)
    elif isinstance(own, ArcFace) and settings.scale is not None:
        loss = AngularMarginLoss(settings.scale, own.margin, smoothing)
    elif own is not None:
        loss = DivergenceLoss()
    else:
        return build_loss(smoothing, focus, weights, settings.counted)
    loss = loss if weights is None else WeightedLoss(loss, weights)
    return CountedLoss(loss) if settings.counted else loss


def _number_loss(own: Loss | None) -> keras.losses.Loss:
    if isinstance(own, Huber):
        return keras.losses.Huber(delta=own.delta)
    return keras.losses.MeanAbsoluteError() if own and own.name == "mae" else keras.losses.MeanSquaredError()
