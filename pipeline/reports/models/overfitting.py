"""Overfitting: the gap between training and validation loss, and its diagnosis.

Losses are compared with that of random guessing, ln(n_classes), so that one rule fits any number of classes. The
training loss is measured under augmentation, dropout and smoothed labels: the true gap is larger than the measured one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from pipeline.core.arrays import Truth
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import Target

Verdict = Literal["overfits", "overfits strongly", "overfits slightly", "turned", "underfits", "fits", "unknown"]

SLIGHT, GAP, STRONG = 0.05, 0.10, 0.25
TURN = 0.05
MOST_DROPOUT = 0.6
HALF = 0.50
RULE = (
    f"The unit is the loss of random guessing, ln(classes). A model overfits when its validation loss ends more than "
    f"{GAP:.0%} of that above its training loss (slightly from {SLIGHT:.0%}, strongly from {STRONG:.0%}), or more than "
    f"{TURN:.0%} above the lowest it had (it should have stopped earlier); it underfits when its training loss is "
    f"still above {HALF:.0%} of it. Training losses are measured under augmentation, dropout and smoothed labels, "
    "validation losses without. In the curves training is dashed."
)


@dataclass(frozen=True)
class FitDiagnosis:
    """Losses at the end of a model's training, means over its folds.

    Attributes:
        verdict: by `RULE`; ``turned`` is the kind of overfitting where the validation loss rose again.
        train_loss: of the last epoch.
        valid_loss: at the last validation.
        lowest: the lowest validation loss of each fold.
        gap: ``valid_loss - train_loss``.
        epochs: of the longest fold.
        looks: number of validations per fold.
        share: ``gap`` in units of the loss of random guessing.
        best_epoch: where the validation loss is lowest in the mean of the folds.
    """

    verdict: Verdict
    train_loss: float
    valid_loss: float
    lowest: float
    gap: float
    epochs: int
    looks: int
    share: float
    best_epoch: int


def measure_guessing(target: Target, truth: Truth) -> float:
    """Returns the loss of guessing: ln(classes), and elsewhere that of the mean of all targets for every image."""
    if isinstance(target, OneClass):
        return float(np.log(len(target.columns)))
    mean = target.make_targets(truth).mean(axis=0, dtype=np.float64)
    outputs = np.zeros((len(truth), len(target.columns)), dtype=np.float64)
    for _, part, columns, _ in target.each():
        # Targets are probabilities, or numbers as a network gives them.
        outputs[:, columns] = mean[columns] if part.activation == "linear" else part.to_outputs(mean[None, columns])
    return float(target.measure_output_losses(truth, outputs).mean())


def diagnose_fit(history: pd.DataFrame, guessing: float) -> FitDiagnosis | None:
    """Diagnoses a history; None where it has no losses.

    Args:
        history: ``fold``, ``epoch``, ``loss`` and, in the epochs with a validation, ``valid_loss``.
        guessing: loss of predictions that know nothing.
    """
    if not {"fold", "epoch", "loss", "valid_loss"} <= set(history.columns):
        return None
    by_fold = [rows.sort_values("epoch") for _, rows in history.groupby("fold")]
    heat_maps = [rows["valid_loss"].dropna() for rows in by_fold]
    if not by_fold or any(values.empty for values in heat_maps):
        return None
    train = float(np.mean([rows["loss"].iloc[-1] for rows in by_fold]))
    valid = float(np.mean([values.iloc[-1] for values in heat_maps]))
    lowest = float(np.mean([values.min() for values in heat_maps]))
    means = history.dropna(subset=["valid_loss"]).groupby("epoch")["valid_loss"].mean()
    return FitDiagnosis(
        verdict=_verdict(train, valid, lowest, guessing),
        train_loss=train,
        valid_loss=valid,
        lowest=lowest,
        gap=valid - train,
        epochs=int(history["epoch"].max()),
        looks=max(len(values) for values in heat_maps),
        share=(valid - train) / guessing,
        best_epoch=int(means.index[int(means.to_numpy().argmin())]),
    )


def _verdict(train: float, valid: float, lowest: float, guessing: float) -> Verdict:
    if not np.isfinite([train, valid]).all():
        return "unknown"
    if valid - lowest > TURN * guessing:
        return "turned"
    grades: tuple[tuple[float, Verdict], ...] = (
        (STRONG, "overfits strongly"),
        (GAP, "overfits"),
        (SLIGHT, "overfits slightly"),
    )
    for least, grade in grades:
        if valid - train > least * guessing:
            return grade
    return "underfits" if train > HALF * guessing else "fits"


def describe_fit(name: str, diagnosis: FitDiagnosis) -> str:
    """Describes the diagnosis in a sentence."""
    losses = f"training loss {diagnosis.train_loss:.2f}, validation loss {diagnosis.valid_loss:.2f}"
    losses += f", gap {diagnosis.gap:+.2f}, {diagnosis.share:.0%} of guessing"
    words = {
        "turned": f"overfits: its validation loss was {diagnosis.lowest:.2f} before it increased again",
        "underfits": "underfits",
        "fits": "neither overfits nor underfits",
        "unknown": "cannot be diagnosed",
    }
    return f"{name} {words.get(diagnosis.verdict, diagnosis.verdict)} ({losses})."


def name_remedy(diagnosis: FitDiagnosis, config: Mapping[str, Any]) -> str:
    """Names a setting, as ``key=value``, that is tried first against overfitting; empty where there is none.

    Fewer epochs where the validation loss rose again; else dropout in the head, else mixed images.
    References: Srivastava et al. 2014, Dropout, JMLR 15; Zhang et al. 2018, mixup, https://arxiv.org/abs/1710.09412.

    Args:
        diagnosis: of the model.
        config: its settings, as its card has them.
    """
    training, network = config.get("training") or {}, config.get("network") or {}
    if not diagnosis.verdict.startswith("overfits") and diagnosis.verdict != "turned":
        return ""
    if diagnosis.verdict == "turned" and training and not training.get("before"):
        return f"training.epochs={diagnosis.best_epoch}"
    if isinstance(network.get("dropout"), float) and network["dropout"] < MOST_DROPOUT:
        return f"network.dropout={min(MOST_DROPOUT, round(network['dropout'] + 0.2, 2))}"
    on_images = training.get("unfreeze") == "all" and not training.get("prefix")
    if (config.get("augmentation") or {}).get("mixup") == 0.0 and on_images:
        return "augmentation.mixup=0.2"
    return ""
