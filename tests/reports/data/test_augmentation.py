"""Augmentation, described in words."""

from pipeline.images.augmentation import Augmentation
from pipeline.reports.data.augmentation import describe_augmentation


def test_augmentation_is_told_in_words() -> None:
    assert describe_augmentation(Augmentation()) == "No augmentation."
    mixed = Augmentation(flip="random", cutmix=1.0, mix_probability=0.5)
    assert describe_augmentation(mixed) == "Augmentation: random flips, cutmix (1) for 50% of the batches."
