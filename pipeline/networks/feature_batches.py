"""Batches of kept features, for the training of a head or of the layers above a prefix."""

from dataclasses import dataclass, field

import numpy as np

from pipeline.core.arrays import Features, KeptFeatures, Rows, Targets


@dataclass(frozen=True)
class FeatureBatches:
    """All batches of the training of a head, by step.

    Attributes:
        sources: versions of the features, float16 or float32 (n_images, ...) each; every draw takes one by chance.
        targets: float32 (n_images, n_classes).
        rows: the training rows among them.
        batch_size: rows per batch.
        steps_per_epoch: batches per epoch.
        seed: fixes order and draws.
        more: as ``sources``; row ``len(source) + i`` is row i of these.
    """

    sources: list[KeptFeatures]
    targets: Targets
    rows: Rows
    batch_size: int
    steps_per_epoch: int
    seed: tuple[int, ...]
    more: list[KeptFeatures] = field(default_factory=list)

    def batch(self, step: int) -> tuple[Features, Targets]:
        """Makes one batch: float32 (batch_size, width), or as wide as a prefix, and float32 (batch_size, n_classes)."""
        epoch, within = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([*self.seed, 2, epoch]).permutation(len(self.rows))
        rows = self.rows[order[within * self.batch_size : (within + 1) * self.batch_size]]
        which = np.random.default_rng([*self.seed, 1, step]).integers(len(self.sources), size=len(rows))
        features = np.empty((len(rows), *self.sources[0].shape[1:]), dtype=np.float32)
        for number, source in enumerate(self.sources):
            later = rows >= len(source)
            chosen = (which == number) & ~later
            features[chosen] = source[rows[chosen]]
            if later.any():
                chosen = (which == number) & later
                features[chosen] = self.more[number][rows[chosen] - len(source)]
        return features, self.targets[rows]
