"""Outputs of one fold for images of six classes, fabricated."""

import numpy as np
from numpy.typing import NDArray

from pipeline.inference.outputs import FoldOutputs

N_CLASSES, WIDTH = 6, 12


def fabricate_outputs(seed: int, rows: int = 240, noise: float = 0.6) -> tuple[FoldOutputs, NDArray[np.int64]]:
    """Rows of six classes whose features lie around six directions, and what a linear layer says of them."""
    rng = np.random.default_rng(seed)
    centres = np.eye(WIDTH)[:N_CLASSES] * 3
    labels = np.arange(rows) % N_CLASSES
    features = (centres[labels] + rng.normal(0, noise, (rows, WIDTH))).astype(np.float32)
    logits = (features @ centres.T / 3).astype(np.float32)
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return FoldOutputs(probs, logits, features), labels
