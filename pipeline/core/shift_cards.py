"""Part of the ensemble's card about the test set: its class shares, and the score that goes with them."""

from pydantic import Field

from pipeline.core.config import Section


class ShareCard(Section):
    """Share of a class in training and, estimated with its 95 % interval, in the test set."""

    training: float
    test: float
    interval: tuple[float, float]


class ReweightedCard(Section):
    """Nested score re-weighted to the class shares of the test set: what a test set of its size may score.

    ``score`` with its 95 % interval is that of the predictions in use: ``corrected`` for the shares where ``applied``,
    else ``uncorrected``; ``gain`` is the paired 95 % interval of what the correction gains.
    """

    score: float
    interval: tuple[float, float]
    uncorrected: float
    corrected: float
    gain: tuple[float, float]
    applied: bool


class ShiftCard(Section):
    """Class shares of the test set against those of training.

    ``chance`` is the probability that predictions differ so by chance alone; without ``shares`` they are taken to be
    the same. ``distance`` is the part of the images that are of another class than training has it.
    """

    chance: float
    distance: float = 0.0
    shares: dict[str, ShareCard] = Field(default_factory=dict)
    reweighted: ReweightedCard | None = None
