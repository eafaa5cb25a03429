"""Overfitting: the gap between training and validation loss, and its diagnosis.

Losses are compared with that of random guessing, ln(n_classes), so that one rule fits any number of classes. The
training loss is measured under augmentation, dropout and smoothed labels: the true gap is larger than the measured one.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

Verdict = Literal["overfits", "turned", "underfits", "fits", "unknown"]

GAP = 0.10
TURN = 0.05
HALF = 0.50
RULE = (
    f"The unit is the loss of random guessing, ln(classes). A model overfits when its validation loss ends more than "
    f"{GAP:.0%} of that above its training loss, or more than {TURN:.0%} above the lowest it had (it should have "
    f"stopped earlier); it underfits when its training loss is still above {HALF:.0%} of it. Training losses are "
    "measured under augmentation, dropout and smoothed labels, validation losses without. In the curves training is "
    "dashed."
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
    """

    verdict: Verdict
    train_loss: float
    valid_loss: float
    lowest: float
    gap: float
    epochs: int
    looks: int


def diagnose_fit(history: pd.DataFrame, n_classes: int) -> FitDiagnosis | None:
    """Diagnoses a history; None where it has no losses.

    Args:
        history: ``fold``, ``epoch``, ``loss`` and, in the epochs with a validation, ``valid_loss``.
        n_classes: of the competition.
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
    return FitDiagnosis(
        verdict=_verdict(train, valid, lowest, float(np.log(n_classes))),
        train_loss=train,
        valid_loss=valid,
        lowest=lowest,
        gap=valid - train,
        epochs=int(history["epoch"].max()),
        looks=max(len(values) for values in heat_maps),
    )


def _verdict(train: float, valid: float, lowest: float, guessing: float) -> Verdict:
    if not np.isfinite([train, valid]).all():
        return "unknown"
    if valid - lowest > TURN * guessing:
        return "turned"
    if valid - train > GAP * guessing:
        return "overfits"
    return "underfits" if train > HALF * guessing else "fits"


def describe_fit(name: str, diagnosis: FitDiagnosis) -> str:
    """Describes the diagnosis in a sentence."""
    losses = f"training loss {diagnosis.train_loss:.2f}, validation loss {diagnosis.valid_loss:.2f}"
    losses += f", gap {diagnosis.gap:+.2f}"
    words = {
        "overfits": "overfits",
        "turned": f"overfits: its validation loss was {diagnosis.lowest:.2f} before it increased again",
        "underfits": "underfits",
        "fits": "neither overfits nor underfits",
        "unknown": "cannot be diagnosed",
    }
    return f"{name} {words[diagnosis.verdict]} ({losses})."
