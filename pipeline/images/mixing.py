"""Mixing: a batch of images mixed with a shuffled copy of itself, and their targets with it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Images, Targets
from pipeline.images.augmentation import Augmentation


def mix_batch(
    images: Images, targets: Targets, config: Augmentation, rng: np.random.Generator
) -> tuple[Images, Targets]:
    """Mixes a batch with a shuffled copy of itself, by mixup or cutmix, or leaves it.

    Args:
        images: (n, height, width, channels).
        targets: float32 (n, n_classes).
        config: which mixing, how strong, how often.
        rng: source of the draws.
    """
    kinds = [kind for kind, alpha in (("mixup", config.mixup), ("cutmix", config.cutmix)) if alpha > 0]
    if not kinds or rng.random() >= config.mix_probability:
        return images, targets
    kind = kinds[int(rng.integers(len(kinds)))]
    partner = rng.permutation(len(images))
    if kind == "mixup":
        share = float(rng.beta(config.mixup, config.mixup))
        mixed = cv2.addWeighted(images.ravel(), share, images[partner].ravel(), 1 - share, 0.0).reshape(images.shape)
        images = np.asarray(mixed, dtype=images.dtype)
    else:
        images, share = _cutmix(images, partner, float(rng.beta(config.cutmix, config.cutmix)), rng)
    return images, np.float32(share) * targets + np.float32(1 - share) * targets[partner]


def _cutmix(images: Images, partner: NDArray[np.int64], share: float, rng: np.random.Generator) -> tuple[Images, float]:
    height, width = images.shape[1:3]
    cut_height, cut_width = (round(side * (1 - share) ** 0.5) for side in (height, width))
    top, left = int(rng.integers(height - cut_height + 1)), int(rng.integers(width - cut_width + 1))
    box = (slice(None), slice(top, top + cut_height), slice(left, left + cut_width))
    mixed = images.copy()
    mixed[box] = images[partner][box]
    return mixed, 1 - cut_height * cut_width / (height * width)
