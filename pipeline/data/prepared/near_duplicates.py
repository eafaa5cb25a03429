"""Near-duplicates: images whose perceptual hashes differ by a few bits, and whose pixels show the same detail.

Copies that were saved again, resized or brightened often differ by some bits of a hash. All pairs a few bits apart are
found without comparing all pairs: cut into blocks, two such hashes have some blocks in common. Hashes see soft
outlines alone, so pixels decide: what is left of both pictures without their soft parts has to correlate; of drawings
and objects on plain ground, whose outlines make details as well, all but wholly.
Reference: Manku, Jain and Das Sarma 2007, Detecting near-duplicates for web crawling,
https://doi.org/10.1145/1242572.1242592 (the blocks).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Images
from pipeline.data.prepared.duplicates import number_linked

_BITS, _DIGITS = 64, 16
_DIFFER = 6  # bits; of equal hashes other code takes care
_BLOCKS = 9  # of seven bits and one: three of them are equal where six bits differ
_CROWD = 50  # hashes that share blocks: of more, those nearest in their order alone are compared
_SOFT = 8  # parts along each side, whose means are taken out of a picture before it is compared
_ALIKE, _ALIKE_ON_PLAIN = 0.5, 0.98  # correlation of what is left
# Share of the pixels that is within two levels of the commonest: of photographs (animals15) 95 % are below, of objects
# on plain ground (fashion_pixels, digits) 99 % above.
_PLAIN, _LEVELS = 0.22, 5
_MOST = 2  # pairs whose pixels are compared, for each hash; of more, where outlines are few, those of the fewest bits
# Images of a set: a larger one is a chain of pictures with little in them, and keeps its surest pairs alone.
_LARGE_SET, _LARGE_SHARE = 50, 0.02
_AT_ONCE = 1 << 24  # bytes of images in float32 that are compared at a time
# From rows to their images: uint8 (n, size, size, channels).
Take = Callable[[NDArray[np.int64]], Images]


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of images, and those of which pairs may be missing. Of images that share a hash the first stands for all.

    Attributes:
        pairs: (n_pairs, 2) rows, the lower first.
        chained: rows, ascending, of sets that are too large: pairs of them were left out.
        crowded: rows, ascending, whose hashes have more hashes near them than were compared.
    """

    pairs: NDArray[np.int64]
    chained: NDArray[np.int64]
    crowded: NDArray[np.int64]

    def lines(self) -> list[str]:
        """Says in a line each, where there are such, how many images may have lost pairs."""
        lines = []
        if len(self.chained):
            lines.append(
                f"near-duplicates left out: pairs of {len(self.chained)} images in chains of over {_LARGE_SET} images "
                f"and {_LARGE_SHARE:.0%}, all but those whose details correlate by {_ALIKE_ON_PLAIN}; they may be in "
                "different folds"
            )
        if len(self.crowded):
            lines.append(
                f"near-duplicates looked for in part: the hashes of {len(self.crowded)} images have too many others "
                "near them, of which the nearest alone were compared"
            )
        return lines


def find_near_duplicates(hashes: Sequence[str], take: Take) -> NearDuplicates:
    """Finds pairs of images whose unequal hashes differ by up to 6 of 64 bits and whose details agree.

    Of animals15's 60 pairs of such hashes in training 56 remain, to the eye the same photographs; of 23,357 of
    fashion_pixels four, of 311 of digits none. Sets of over 50 images and 2 % of all keep pairs that correlate by 0.98.

    Args:
        hashes: perceptual hashes of n images, 16 hexadecimal digits each; what has another length is like no other.
        take: returns the stored images of rows.
    """
    rows = np.flatnonzero([len(each) == _DIGITS for each in hashes])
    numbers = np.array([int(hashes[row], 16) for row in rows.tolist()], dtype=np.uint64)
    values, first = np.unique(numbers, return_index=True)
    places, crowded = pair_hashes(values, _MOST * len(values))
    pairs = np.sort(rows[first[places]], axis=1)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    many = max(1, _AT_ONCE // (4 * take(pairs[:1, 0]).size)) if len(pairs) else 1
    parts = [pairs[start : start + many] for start in range(0, len(pairs), many)]
    alike = np.concatenate([np.zeros(0), *(compare_details(take(part[:, 0]), take(part[:, 1])) for part in parts)])
    pairs, alike = pairs[alike >= _ALIKE], alike[alike >= _ALIKE]
    unsure = np.unique(pairs[alike < _ALIKE_ON_PLAIN])
    parts = [unsure[start : start + many] for start in range(0, len(unsure), many)]
    plain = unsure[np.concatenate([np.zeros(0, dtype=np.bool_), *(find_plain(take(part)) for part in parts)])]
    sure = alike >= _ALIKE_ON_PLAIN
    kept = sure | ~np.isin(pairs, plain).any(axis=1)
    pairs, sure = pairs[kept], sure[kept]
    component = number_linked(pairs, len(hashes))
    sizes = np.bincount(component, minlength=1)[component[pairs[:, 0]]]
    kept = sure | (sizes <= max(_LARGE_SET, _LARGE_SHARE * len(hashes)))
    return NearDuplicates(pairs[kept], np.unique(pairs[~kept]), np.sort(rows[first[crowded]]))


def pair_hashes(hashes: NDArray[np.uint64], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Finds pairs of hashes of which up to 6 of 64 bits differ.

    The cost grows as that of sorting; none is missed where fewer than 50 hashes share three of nine blocks.

    Args:
        hashes: (n,), sorted, each once.
        most: pairs that are kept, those of the fewest bits; memory grows by them and by n.

    Returns:
        (n_pairs, 2) places, the lower first, of the fewest bits first and then in their order; and the places,
        ascending, of which pairs were left out or, among too many that share blocks, not looked at.
    """
    count = len(hashes)
    found, crowded = np.empty(0, dtype=np.int64), np.zeros(count, dtype=np.bool_)
    for mask in _list_masks():
        keys = hashes & mask
        order = np.argsort(keys, kind="stable")
        keys, ordered = keys[order], hashes[order]
        at, new = np.arange(count - 1), [found]
        for step in range(1, _CROWD):
            at = at[at < count - step]
            at = at[keys[at] == keys[at + step]]
            if not len(at):
                break
            bits = np.bitwise_count(ordered[at] ^ ordered[at + step])
            near = np.flatnonzero(bits <= _DIFFER)
            # By bits, then by place; a stable order: the lower comes first.
            new.append((bits[near] * np.int64(count) + order[at[near]]) * count + order[at[near] + step])
        else:
            at = at[at < count - _CROWD]
            at = at[keys[at] == keys[at + _CROWD]]
            crowded[order[at]] = crowded[order[at + _CROWD]] = True
        found = np.unique(np.concatenate(new))
        crowded[found[most:] % max(count, 1)] = crowded[found[most:] // max(count, 1) % max(count, 1)] = True
        found = found[:most]
    first, second = np.divmod(found, max(count, 1))
    return np.stack([first % max(count, 1), second], axis=1), np.flatnonzero(crowded)


def _list_masks() -> Iterator[np.uint64]:
    """Lists the bits of each three of the blocks."""
    blocks = [sum(1 << bit for bit in range(block, _BITS, _BLOCKS)) for block in range(_BLOCKS)]
    for chosen in combinations(blocks, _BLOCKS - _DIFFER):
        yield np.uint64(sum(chosen))


def compare_details(images: Images, others: Images) -> NDArray[np.float64]:
    """Correlates the details of images with those of others: (n,), -1 to 1; 0 where one has none.

    Args:
        images: (n, size, size, channels), as stored.
        others: as many.
    """
    one, other = _take_details(images), _take_details(others)
    lengths = np.sqrt(np.einsum("nd,nd->n", one, one) * np.einsum("nd,nd->n", other, other))
    products = np.einsum("nd,nd->n", one, other)
    return np.asarray(np.divide(products, lengths, out=np.zeros(len(one)), where=lengths > 0))


def find_plain(images: Images) -> NDArray[np.bool_]:
    """Says of images (n, size, size, channels) which show something on plain ground: (n,)."""
    grey = np.rint(_make_grey(images)).astype(np.int64).reshape(len(images), -1)
    common = [np.convolve(np.bincount(each), np.ones(_LEVELS)).max() for each in grey]
    return np.array(common) > _PLAIN * grey.shape[1]


def _take_details(images: Images) -> NDArray[np.float32]:
    """Returns grey levels (n, pixels) less the means of the parts around them, as far as the size has such parts."""
    grey = _make_grey(images)
    count, size = grey.shape[:2]
    part = size // _SOFT
    if part < 2:
        return np.asarray(grey - grey.mean(axis=(1, 2), keepdims=True)).reshape(count, -1)
    grey = grey[:, : part * _SOFT, : part * _SOFT]
    parts = grey.reshape(count, _SOFT, part, _SOFT, part)
    return np.asarray(parts - parts.mean(axis=(2, 4), keepdims=True)).reshape(count, -1)


def _make_grey(images: Images) -> NDArray[np.float32]:
    """Turns images (n, size, size, channels) into float32 (n, size, size)."""
    if images.shape[3] == 1:
        return np.asarray(images[..., 0], dtype=np.float32)
    return np.asarray(images.mean(axis=3, dtype=np.float32))
