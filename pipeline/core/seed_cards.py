"""Part of a model's card about its seeds: what each scores alone, and how far they lie apart."""

from collections.abc import Mapping

import numpy as np

from pipeline.core.config import Section


class SeedsCard(Section):
    """Pooled out-of-fold score of each seed alone, by its number, their mean, and their standard deviation (n - 1)."""

    scores: dict[str, float]
    mean: float
    std: float

    def describe(self) -> str:
        """Says how far the seeds lie apart."""
        return f"{len(self.scores)} seeds alone {self.mean:.4f}, standard deviation {self.std:.4f}"


def make_seeds_card(scores: Mapping[int, float]) -> SeedsCard | None:
    """Returns what a card says of several seeds, from the score of each; None of one, whose score is the model's."""
    if len(scores) == 1:
        return None
    values = np.array(list(scores.values()))
    return SeedsCard(
        scores={str(seed): score for seed, score in scores.items()},
        mean=float(values.mean()),
        std=float(values.std(ddof=1)),
    )
