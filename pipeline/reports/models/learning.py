"""How training went: the gap between training and validation, and what it is called.

Losses are compared with that of guessing, ln(n_classes), so that one rule serves any number of classes. The loss in
training is measured under augmentation, dropout and smoothed labels: the gap is rather larger than it looks.
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
    f"The unit is the loss of guessing, ln(classes). A model overfits when its validation loss ends more than "
    f"{GAP:.0%} of that above its training loss, or more than {TURN:.0%} above the lowest it had (it should have "
    f"stopped earlier); it underfits when its training loss is still above {HALF:.0%} of it. Training losses are "
    "measured under augmentation, dropout and smoothed labels, validation losses without. In the curves training is "
    "dashed."
)


@dataclass(frozen=True)
class Learned:
    """How a model's training ended, means over its folds.

    Attributes:
        verdict: by `RULE`; ``turned`` is the kind of overfitting where the validation loss rose again.
        train_loss: of the last epoch.
        valid_loss: at the last look.
        lowest: validation loss of the best look of each fold.
        gap: ``valid_loss - train_loss``.
        epochs: of the longest fold.
        looks: at the validation rows, per fold.
    """

    verdict: Verdict
    train_loss: float
    valid_loss: float
    lowest: float
    gap: float
    epochs: int
    looks: int


def learned(history: pd.DataFrame, n_classes: int) -> Learned | None:
    """Judges a history; None where it has no losses.

    Args:
        history: ``fold``, ``epoch``, ``loss`` and, in the epochs that looked at the valid rows, ``valid_loss``.
        n_classes: of the competition.
    """
    if not {"fold", "epoch", "loss", "valid_loss"} <= set(history.columns):
        return None
    by_fold = [rows.sort_values("epoch") for _, rows in history.groupby("fold")]
    looked = [rows["valid_loss"].dropna() for rows in by_fold]
    if not by_fold or any(values.empty for values in looked):
        return None
    train = float(np.mean([rows["loss"].iloc[-1] for rows in by_fold]))
    valid = float(np.mean([values.iloc[-1] for values in looked]))
    lowest = float(np.mean([values.min() for values in looked]))
    return Learned(
        verdict=_verdict(train, valid, lowest, float(np.log(n_classes))),
        train_loss=train,
        valid_loss=valid,
        lowest=lowest,
        gap=valid - train,
        epochs=int(history["epoch"].max()),
        looks=max(len(values) for values in looked),
    )


def _verdict(train: float, valid: float, lowest: float, guessing: float) -> Verdict:
    if not np.isfinite([train, valid]).all():
        return "unknown"
    if valid - lowest > TURN * guessing:
        return "turned"
    if valid - train > GAP * guessing:
        return "overfits"
    return "underfits" if train > HALF * guessing else "fits"


def sentence(name: str, found: Learned) -> str:
    """Says what was found."""
    losses = f"training loss {found.train_loss:.2f}, validation loss {found.valid_loss:.2f}, gap {found.gap:+.2f}"
    words = {
        "overfits": "overfits",
        "turned": f"overfits: its validation loss was {found.lowest:.2f} before it rose again",
        "underfits": "underfits",
        "fits": "neither overfits nor underfits",
        "unknown": "cannot be judged",
    }
    return f"{name} {words[found.verdict]} ({losses})."
