"""Ids of images: their natural order, and what no id may be."""

import re
from collections.abc import Sequence

import pandas as pd
from natsort import natsorted, ns

from pipeline.core.errors import InputError, some


def natural_order(ids: Sequence[str]) -> list[str]:
    """Sorts ids as people count: 1, 2, 10; equal numbers (1, 01) by their text."""
    return natsorted(sorted(ids), alg=ns.INT)


def check_unique(ids: Sequence[str], place: str) -> None:
    """Refuses repeated ids.

    Raises:
        InputError: lists the ids that stand there more than once.
    """
    series = pd.Series(list(ids), dtype="str")
    twice = series[series.duplicated()].unique().tolist()
    if twice:
        raise InputError(f"{place}: {len(twice)} ids stand there more than once: {some(twice)}; keep one row of each")


_UNSAFE = re.compile(r"(^|[/\\])\.\.([/\\]|$)|^[/\\]|^[A-Za-z]:|[\x00-\x1f]")


def check_ids(ids: Sequence[str], place: str) -> None:
    """Refuses ids that are empty or would leave their folder (``../../x``, ``/etc/x``).

    Raises:
        InputError: lists such ids.
    """
    unsafe = [name for name in ids if not name or _UNSAFE.search(name)]
    if unsafe:
        raise InputError(
            f"{place}: {len(unsafe)} ids are empty or leave their folder: {some(map(repr, unsafe))}; rename them"
        )
