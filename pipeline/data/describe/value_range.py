"""The range of deep pictures: which of their values become black and white, proposed from a few dozen of them."""

from collections import Counter
from collections.abc import Sequence

from pipeline.data.describe.match import Reading
from pipeline.images.inspection import DeepValues

_DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras and scanners have
_DARK = 1 / 8  # of the range: a picture whose brightest value lies below it comes out nearly black


def describe_range(deep: Sequence[DeepValues]) -> Reading:
    """Describes the keys of the storage section for pictures of more than 8 bits.

    Args:
        deep: their values, picture by picture.
    """
    types = ", ".join(f"{name} ({count})" for name, count in Counter(values.type for values in deep).most_common())
    lowest, highest = min(values.lowest for values in deep), max(values.highest for values in deep)
    fact = f"values of more than 8 bits: {types}, from {lowest:,.6g} to {highest:,.6g}"
    windows = sum(values.window for values in deep)
    if 2 * windows > len(deep):
        return Reading({"range": "window"}, (f"{fact}; {windows} of {len(deep)} files name their window",))
    if lowest < 0 or any(values.type.startswith(("float", "int32", "uint32")) for values in deep):
        return _describe_open(deep, fact, lowest, highest)
    limit = max(values.limits[1] for values in deep)
    top = next((2.0**bits - 1 for bits in _DEPTHS if highest < 2**bits), limit)
    dark = [values for values in deep if values.highest < top * _DARK]
    if dark:
        check = (
            f"the brightest value differs between pictures, from {min(values.highest for values in deep):,.6g} to "
            f"{highest:,.6g}: each is stretched by its own values (range: data), so their brightness cannot be "
            f"compared; range: [0, {top:.0f}] keeps it and leaves {len(dark)} of {len(deep)} pictures nearly black"
        )
        return Reading({"range": "data"}, (fact,), (check,))
    if top >= limit and highest < top / 2:
        top = _round_up(highest)
    elif top >= limit:
        return Reading({"range": "dtype"}, (f"{fact}; black is 0, white {limit:,.0f}",))
    check = f"range: [0, {top:.0f}], as no value opened is above: larger ones become white"
    return Reading({"range": (0, int(top))}, (fact,), (check,))


def _describe_open(deep: Sequence[DeepValues], fact: str, lowest: float, highest: float) -> Reading:
    """Proposes a range for values whose type says nothing about them."""
    if lowest >= 0 and highest <= 1 and min(values.highest for values in deep) > _DARK:
        return Reading({"range": "dtype"}, (f"{fact}; black is 0, white 1",))
    if lowest >= 0 and highest <= 255 and min(values.highest for values in deep) > 255 * _DARK:
        return Reading({"range": (0, 255)}, (f"{fact}; black is 0, white 255",))
    low, high = (_rounded(pick(values.usual[side] for values in deep)) for side, pick in ((0, min), (1, max)))
    if low >= high:
        return Reading({"range": "data"}, (fact,), ("the pictures are flat: each is stretched by its own values",))
    check = (
        f"range: [{low:g}, {high:g}] holds the middle 99 % of the values of each picture opened: correct it if a unit "
        "says which values matter"
    )
    return Reading({"range": (low, high)}, (fact,), (check,))


def _round_up(value: float) -> float:
    """Keeps two digits."""
    digit = 10.0 ** (len(str(int(value))) - 2)
    return float(-(-value // digit) * digit)


def _rounded(value: float) -> float:
    """Keeps three digits."""
    return float(f"{value:.3g}") if value else 0.0
