"""Shortened trainings: where a network's epochs do not fit the time that is left, fewer of them, as a model of its own.

A schedule of the learning rate spans whatever epochs there are, so that a training of half as many anneals as well as
the whole one: Li, Yumer and Ramanan 2020, Budgeted Training, https://arxiv.org/abs/1905.04753.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path

from pipeline.planning.derived_files import is_free, name_derived
from pipeline.planning.prior import Estimate

_STEP = 2**0.5  # between two lengths
_LEAST = 1 / 8  # of the epochs
_FEWEST = 2  # epochs
_POWER = 0.2  # errors grow with the epochs left out: docs/best.md


def estimate_shortened(
    root: Path, competition: str, estimates: Mapping[str, Estimate | None]
) -> dict[str, Estimate | None]:
    """Adds to the estimates those of shortened trainings.

    Args:
        root: the repository.
        competition: the active one, whose name is in theirs: another's time is another's.
        estimates: of each model.

    Returns:
        All estimates by model. A name whose file someone else wrote is left to them.
    """
    found = dict(estimates)
    for estimate in estimates.values():
        if estimate is None or estimate.length is None:
            continue
        for epochs in _list_lengths(estimate.length.whole):
            length = replace(estimate.length, epochs=epochs)
            name = name_derived(length, competition)
            if name in found or not is_free(root, name):
                continue
            rest = min(estimate.start + estimate.features, estimate.seconds)
            found[name] = replace(
                estimate,
                relative_error=estimate.relative_error * length.share**-_POWER,
                seconds=rest + length.share * (estimate.seconds - rest),
                length=length,
            )
    return found


def _list_lengths(epochs: int) -> list[int]:
    """Lists numbers of epochs below the whole, the largest first."""
    lengths: list[int] = []
    for power in count(1):
        length = round(epochs / _STEP**power)
        if length < max(_FEWEST, _LEAST * epochs):
            return lengths
        if length < epochs and length not in lengths:
            lengths.append(length)
    return lengths
