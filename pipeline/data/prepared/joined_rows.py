"""Joined rows: a table with a row for each image and label, whose ids join both -> a row for each image."""

from collections.abc import Sequence

import pandas as pd

from pipeline.core.confined import match_whole
from pipeline.core.errors import InputError, near_names, some
from pipeline.core.file_layouts import JoinedRows


def unfold_rows(
    table: pd.DataFrame, id_column: str, rows: JoinedRows, parts: Sequence[str], place: str
) -> pd.DataFrame:
    """Unfolds rows of one image into columns, one for each part.

    A row that stands there twice, to the letter, counts once (a few of RSNA's do).

    Args:
        table: text.
        id_column: of the joined ids.
        rows: how they join, and the column of the answers.
        parts: the columns that are wanted.
        place: the table's name, for messages.

    Returns:
        Images under ``id_column`` in the order of their first rows, the parts, and the columns that all rows of an
        image agree on.

    Raises:
        InputError: ids that the pattern does not match, a part that no row is about, rows of a part that is not wanted,
            an image without a row of a part, or rows that contradict each other.
    """
    pairs, unlike = [], []
    for name in table[id_column].tolist():
        match = match_whole(rows.pattern, name)
        if match is None:
            unlike.append(name)
        else:
            pairs.append((match["image"], match["part"]))
    if unlike:
        raise InputError(
            f"{place}: {len(unlike):,} ids do not match train.rows.pattern {rows.pattern!r}: {some(unlike)}; correct "
            "the pattern in the competition's file"
        )
    long = pd.DataFrame(pairs, columns=["image", "part"], dtype="str", index=table.index)
    long["value"] = table[rows.value]
    there = list(dict.fromkeys(long["part"]))
    for name in [name for name in parts if name not in there][:1]:
        raise InputError(
            f"{place}: no id ends in {name!r}, which train names; {near_names(name, there)}; correct the competition's "
            "file"
        )
    strange = long.loc[~long["part"].isin(list(parts)), "part"].tolist()
    if strange:
        raise InputError(
            f"{place}: {len(strange):,} rows are about {some(dict.fromkeys(strange))}, which train does not list; list "
            "it too in train of the competition's file (classes or labels), or remove these rows from the table"
        )
    long = long.drop_duplicates()
    torn = long.loc[long.duplicated(["image", "part"]), "image"].tolist()
    if torn:
        raise InputError(f"{place}: rows of {len(torn):,} images contradict each other: {some(torn)}; keep one of each")
    wide = long.pivot(index="image", columns="part", values="value").reindex(list(dict.fromkeys(long["image"])))
    missing = wide.index[wide.isna().any(axis=1)].tolist()
    if missing:
        raise InputError(
            f"{place}: {len(missing):,} images have no row of one of {some(parts, 5)}: {some(missing)}; add their rows"
        )
    others = _list_agreed(table, long["image"], [name for name in table.columns if name not in (id_column, rows.value)])
    joined = pd.concat([others, wide[list(parts)]], axis=1) if others is not None else wide[list(parts)]
    joined = joined.rename_axis(index=id_column, columns=None)
    return joined.reset_index()


def _list_agreed(table: pd.DataFrame, images: "pd.Series[str]", names: Sequence[str]) -> pd.DataFrame | None:
    """Lists the columns on whose cells all rows of each image agree, by image; None where there are none."""
    if not names:
        return None
    cells = table.loc[images.index, list(names)].assign(image=images)
    alike = (cells.groupby("image", sort=False)[list(names)].nunique() <= 1).all()
    return cells.drop_duplicates("image").set_index("image")[[name for name in names if alike[name]]]
