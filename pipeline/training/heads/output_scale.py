"""The scale of a head's logits, settled on a holdout: with it probabilities are neither too sure nor too timid.

Reference: Guo et al. 2017, On calibration of modern neural networks, https://arxiv.org/abs/1706.04599
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from pipeline.core.arrays import Truth
from pipeline.core.targets.contract import Target
from pipeline.training.classic.linear import Matrix
from pipeline.training.heads.linear_heads import list_scaled_outputs

_SCALES = (-8.0, 6.0)  # logarithms


def fit_scale(outputs: Matrix, truth: Truth, target: Target) -> tuple[float, float]:
    """Finds what logits (n, n_outputs) are best multiplied by; returns that, and the mean loss with it.

    A scale far from 1 costs as much as a prior on its logarithm, normal with deviation 1, says: of a few rows that are
    all right the best scale by the loss alone is without bound, and one row that is wrong elsewhere would cost all.
    """
    scaled: NDArray[np.bool_] = list_scaled_outputs(target)

    def lose(log_scale: float) -> float:
        losses = target.measure_output_losses(truth, np.where(scaled, outputs * np.exp(log_scale), outputs))
        return float(losses.mean()) + log_scale**2 / 2 / len(outputs)

    if not scaled.any():
        return 1.0, lose(0.0)
    found = minimize_scalar(lose, bounds=_SCALES, method="bounded", options={"xatol": 0.02})
    return float(np.exp(found.x)), float(found.fun)
