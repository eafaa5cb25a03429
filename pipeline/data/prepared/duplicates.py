"""Images that belong together: the same user group, the same pixels, or the same perceptual hash.

A group is a connected component: if a resembles b, and b and c are of one patient, all three belong together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.core.errors import some

HASHES = ("hash", "perceptual_hash")
MIRRORED = "mirrored"  # the column of an index, where there is one, that names sets of mirrored twins


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
    rows, keys, known = [], [], len(index)
    for column in columns:
        linked = np.flatnonzero(index[column].to_numpy() != "")
        codes, values = pd.factorize(index[column].to_numpy()[linked])
        rows.append(linked)
        keys.append(codes + known)
        known += len(values)
    ends = (np.concatenate([*rows, []]).astype(np.int64), np.concatenate([*keys, []]).astype(np.int64))
    graph = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(known, known))
    _, component = connected_components(graph, directed=False)
    return pd.factorize(component[: len(index)])[0].astype(np.int64)


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


def describe_twins(train: pd.DataFrame) -> str:
    """Says in a line how many mirrored twins the column ``mirrored`` of an image index names."""
    sets = _sets(train, number_components(train, (MIRRORED,)))
    images = sum(len(ids) for ids in sets)
    return f"mirrored twins in train ({images} images): {_examples(map(_together, sets))}"


def _sets(index: pd.DataFrame, component: NDArray[np.int64]) -> tuple[tuple[str, ...], ...]:
    shared = np.bincount(component, minlength=1)[component] > 1
    return tuple(tuple(ids) for _, ids in index.loc[shared, "id"].groupby(component[shared]))


def _together(ids: Sequence[str]) -> str:
    return "=".join(ids[:4]) + ("=..." if len(ids) > 4 else "")


def _examples(texts: Iterable[str]) -> str:
    found = list(texts)
    return f"{len(found)} sets: {some(found, 3)}" if found else "none"
