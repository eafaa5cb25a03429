"""How strange a score is among those of known pictures: conformal p-values, fold by fold.

Fold k's model scores new pictures; its valid rows, which it did not see either, say what scores known pictures get.
The ranks in all folds come together as in cross-conformal prediction. Were the folds' models the same, known pictures
would be flagged at the stated rate exactly, on average; they differ, and then the mean of ranks has less of a tail, so
the rate is seldom reached and at most twice that.
References: Vovk 2015, Cross-conformal predictors, https://arxiv.org/abs/1208.0806; Bates et al. 2023, Testing for
outliers with conformal p-values, https://arxiv.org/abs/2104.08279
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


def p_values(known: Sequence[Scores], new: Sequence[Scores]) -> Scores:
    """Says how usual scores are.

    Args:
        known: of each fold, the scores of its valid rows, in any order; the larger, the stranger.
        new: of each fold, the scores (n,) of the same n pictures by its model.

    Returns:
        (n,) in (0, 1]: the share of known pictures that are as strange, or stranger.
    """
    total = sum(map(len, known))
    stranger = [
        len(rows) - np.searchsorted(np.sort(rows), scores, side="left") for rows, scores in zip(known, new, strict=True)
    ]
    found: Scores = (1 + np.sum(stranger, axis=0)) / (1 + total)
    return found
