"""Sentences about other class shares in the test set: the same in the terminal and on the page about the models."""

from pipeline.core.cards import EnsembleCard
from pipeline.core.errors import some
from pipeline.core.shift_cards import ReweightedCard, ShareCard

_NAMED = 3


def describe_shift(card: EnsembleCard) -> list[str]:
    """Describes how the test set's class shares differ and what that makes of the score; nothing where they do not."""
    shift = card.shift
    if shift is None or not shift.shares:
        return []
    apart = sorted(shift.shares.items(), key=lambda item: -abs(item[1].test - item[1].training))
    sure = [item for item in apart if not item[1].interval[0] <= item[1].training <= item[1].interval[1]]
    named = some((_name_share(name, share) for name, share in sure or apart[:1]), _NAMED)
    chance = "below 0.0001" if shift.chance < 1e-4 else f"{shift.chance:.4f}"
    sentences = [
        f"The test set has other class shares than training, by an estimate from predictions (chance {chance}): "
        f"{named}."
    ]
    if shift.reweighted is None:
        return [*sentences, f"{card.metric} is undefined on such shares, so it is not re-weighted."]
    return [*sentences, _describe_score(card, shift.reweighted)]


def _name_share(name: str, share: ShareCard) -> str:
    low, high = share.interval
    return f"{name} {share.test:.1%} [{low:.1%}, {high:.1%}] instead of {share.training:.1%}"


def _describe_score(card: EnsembleCard, score: ReweightedCard) -> str:
    (low, high), (least, most) = score.interval, card.interval
    corrected = (
        f"predictions are corrected for the shares, without that {score.uncorrected:.4f}"
        if score.applied
        else f"correcting predictions for the shares does not gain ({score.corrected:.4f})"
    )
    return (
        f"Re-weighted to them the nested {card.metric} is {score.score:.4f} [{low:.4f}, {high:.4f}] instead of "
        f"{card.pooled:.4f} [{least:.4f}, {most:.4f}]; {corrected}."
    )
