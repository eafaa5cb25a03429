"""Evidence for a group of images, from small pictures: whether the nearest other picture is of the same group.

Where it is far more often than by chance, a fold that tears groups apart validates on near copies of what it trained
on; the class of the nearest picture, with and without the own group, says what that is worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data.describe.listing import Listing
from pipeline.images.decoding import BrokenImageError, decode_bytes
from pipeline.images.fitting import StorageForm

_SIDE, _PICTURES, _OF_A_GROUP, _SHUFFLES = 16, 400, 6, 200
_OF_FEW = 120  # pictures of few groups together, where they have so many
_MOST_PIXELS = 200_000_000
_CLEAR = 0.01  # the largest share of shuffles that do as well


@dataclass(frozen=True)
class GroupEvidence:
    """The nearest pictures within and across groups.

    Attributes:
        pictures: how many were compared.
        within: share of them whose nearest picture is of the same group.
        chance: the same share where groups are shuffled among the pictures of each class.
        shuffles: share of shuffles with at least as many.
        right: share whose nearest picture has their class.
        right_across: the same, of pictures of other groups alone.
        classes: how many there are; of one the two shares say nothing.
    """

    pictures: int
    within: float
    chance: float
    shuffles: float
    right: float
    right_across: float
    classes: int = 2

    @property
    def clear(self) -> bool:
        """Whether pictures of a group resemble each other beyond doubt."""
        return self.shuffles < _CLEAR and self.within > 1.5 * self.chance

    def __str__(self) -> str:
        """Returns the evidence in words."""
        alike = (
            f"of {self.pictures} small pictures {self.within:.0%} have their nearest one in their own group "
            f"({self.chance:.0%} by chance)"
        )
        right = f", and {self.right:.0%} are nearest to one of their class, {self.right_across:.0%} across groups"
        return alike + (right if self.classes > 1 else "")


def measure_groups(
    listing: Listing, images: Sequence[str], groups: Sequence[str], labels: Sequence[str]
) -> GroupEvidence | None:
    """Measures whether pictures of a group resemble each other more than others of their class.

    Args:
        listing: holds the files.
        images: paths of training images; none where they are packed.
        groups: the group of each.
        labels: the class of each.

    Returns:
        the evidence; None where fewer than 20 pictures of groups with several can be read.
    """
    if not images:
        return None
    rows = _draw_rows(groups)
    listing.load([images[row] for row in rows])
    form = StorageForm(size=_SIDE, channels=1, resize="stretch", hashed=False)
    pictures, kept = [], []
    for row in rows:
        try:
            pictures.append(decode_bytes(listing.read(images[row]), form, _MOST_PIXELS).pixels.ravel())
        except BrokenImageError:
            continue
        kept.append(row)
    if len(kept) < 20:
        return None
    group = np.unique([groups[row] for row in kept], return_inverse=True)[1]
    label = np.unique([labels[row] for row in kept], return_inverse=True)[1]
    return compare_groups(np.stack(pictures).astype(np.float32), group, label)


def compare_groups(pictures: NDArray[np.float32], group: NDArray[np.int64], label: NDArray[np.int64]) -> GroupEvidence:
    """Compares pictures (n, n_pixels) with their nearest ones, by group (n,) and class (n,)."""
    squares = (pictures**2).sum(axis=1)
    distance = squares[:, None] + squares[None] - 2 * pictures @ pictures.T
    np.fill_diagonal(distance, np.inf)
    nearest = distance.argmin(axis=1)
    across = np.where(group[:, None] == group[None], np.inf, distance).argmin(axis=1)
    within = float((group == group[nearest]).mean())
    random = np.random.default_rng(0)
    shuffled = []
    for _ in range(_SHUFFLES):
        mixed = group.copy()
        for each in np.unique(label):
            mine = np.flatnonzero(label == each)
            mixed[mine] = random.permutation(group[mine])
        shuffled.append(float((mixed == mixed[nearest]).mean()))
    return GroupEvidence(
        pictures=len(pictures),
        within=within,
        chance=float(np.mean(shuffled)),
        shuffles=(1 + sum(value >= within for value in shuffled)) / (1 + _SHUFFLES),
        right=float((label == label[nearest]).mean()),
        right_across=float((label == label[across]).mean()),
        classes=len(np.unique(label)),
    )


def _draw_rows(groups: Sequence[str]) -> list[int]:
    """Draws rows of whole groups, or of parts of large ones, at random; of groups with several images alone."""
    members: dict[str, list[int]] = {}
    for row, name in enumerate(groups):
        if name:
            members.setdefault(name, []).append(row)
    several = [rows for rows in members.values() if len(rows) > 1]
    random = np.random.default_rng(0)
    each_has = max(_OF_A_GROUP, _OF_FEW // max(len(several), 1))
    drawn: list[int] = []
    for place in random.permutation(len(several)).tolist():
        rows = several[place]
        drawn += [rows[each] for each in random.permutation(len(rows))[:each_has].tolist()]
        if len(drawn) >= _PICTURES:
            break
    return sorted(drawn)
