"""Images that belong together: the same user group, the same pixels, or the same perceptual hash.

A group is a connected component: if a resembles b, and b and c are of one patient, all three belong together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.errors import some

HASHES = ("hash", "perceptual_hash")
# Columns of an index, where there are such, that name sets of mirrored twins and of near-duplicates.
MIRRORED, NEAR = "mirrored", "near"


@dataclass(frozen=True)
class Duplicates:
    """What the hashes say about a competition's images.

    Attributes:
        sets: training ids that share a hash, each set in index order.
        conflicts: those of ``sets`` whose images carry different labels.
        across: (training ids, test ids) of each set that spans both tables.
    """

    sets: tuple[tuple[str, ...], ...]
    conflicts: tuple[tuple[str, ...], ...]
    across: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]

    def lines(self) -> list[str]:
        """Says it in three lines for people."""
        images = sum(len(ids) for ids in self.sets)
        between = (f"{_together(train)} ~ {_together(test)}" for train, test in self.across)
        return [
            f"duplicates in train ({images} images): {_examples(map(_together, self.sets))}",
            f"duplicates with different labels: {_examples(map(_together, self.conflicts))}",
            f"duplicates between train and test: {_examples(between)}",
        ]


def number_components(index: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.int64]:
    """Numbers the connected components of rows that share a value in any of ``columns``.

    Args:
        index: text columns; an empty value links nothing.
        columns: which of them link rows.

    Returns:
        (n,) component of each row, numbered by first appearance.
    """
    ends = np.empty((0, 2), dtype=np.int64)
    for column in columns:
        linked = np.flatnonzero(index[column].to_numpy() != "")
        codes = pd.factorize(index[column].to_numpy()[linked])[0]
        first = np.unique(codes, return_index=True)[1]
        ends = np.concatenate([ends, np.stack([linked[first][codes], linked], axis=1)])
    return number_linked(ends, len(index))


def number_linked(pairs: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Numbers the connected components of rows that stand in pairs, by first appearance.

    Args:
        pairs: (n_pairs, 2) rows.
        count: of all rows.

    Returns:
        (count,) component of each row.
    """
    apart = pairs[pairs[:, 0] != pairs[:, 1]]
    if not len(apart):
        return np.arange(count)
    from scipy.sparse import coo_array  # takes half a second to start, and most rows have no like
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(apart), dtype=np.int8), (apart[:, 0], apart[:, 1])), shape=(count, count))
    return pd.factorize(connected_components(graph, directed=False)[1])[0].astype(np.int64)


def name_sets(pairs: NDArray[np.int64], count: int) -> list[str]:
    """Names the set of each row that stands in a pair, as a column of an index holds them; empty where it has none.

    Args:
        pairs: (n_pairs, 2) rows.
        count: of all rows.
    """
    names = np.full(count, "", dtype=np.object_)
    paired = np.unique(pairs)
    names[paired] = number_linked(pairs, count)[paired].astype(str)
    return names.tolist()


def find_duplicates(train: pd.DataFrame, test: pd.DataFrame, hashes: Sequence[str] = HASHES) -> Duplicates:
    """Finds images that share a hash within train, and between train and test.

    Args:
        train: image index with labels.
        test: image index without.
        hashes: the columns that count.
    """
    sets = _sets(train, number_components(train, hashes))
    label = dict(zip(train["id"], train["label"], strict=True))
    conflicts = tuple(ids for ids in sets if len({label[name] for name in ids}) > 1)
    both = pd.concat([train, test], ignore_index=True)
    both["is_test"] = np.arange(len(both)) >= len(train)
    component = number_components(both, hashes)
    spans = both.groupby(component)["is_test"].transform("nunique").to_numpy() > 1
    across = tuple(
        (tuple(part.loc[~part["is_test"], "id"]), tuple(part.loc[part["is_test"], "id"]))
        for _, part in both[spans].groupby(component[spans])
    )
    return Duplicates(sets, conflicts, across)


def describe_alike(train: pd.DataFrame, column: str, what: str) -> str:
    """Says in a line what sets of images a column of an image index names, and how many images they have."""
    sets = _sets(train, number_components(train, (column,)))
    images = sum(len(ids) for ids in sets)
    return f"{what} in train ({images} images): {_examples(map(_together, sets))}"


def describe_alike_across(pairs: Sequence[tuple[str, str]], what: str, between: tuple[str, str]) -> str:
    """Says in a line which images of the one and of the other kind are pairs, and how many those of the other are."""
    images, (one, other) = len({second for _, second in pairs}), between
    return f"{what} between {one} and {other} ({images} {other} images): {_examples(map(' ~ '.join, pairs), 'pairs')}"


def _sets(index: pd.DataFrame, component: NDArray[np.int64]) -> tuple[tuple[str, ...], ...]:
    shared = np.bincount(component, minlength=1)[component] > 1
    return tuple(tuple(ids) for _, ids in index.loc[shared, "id"].groupby(component[shared]))


def _together(ids: Sequence[str]) -> str:
    return "=".join(ids[:4]) + ("=..." if len(ids) > 4 else "")


def _examples(texts: Iterable[str], what: str = "sets") -> str:
    found = list(texts)
    return f"{len(found)} {what}: {some(found, 3)}" if found else "none"
