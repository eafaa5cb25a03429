"""Classes: the label column of a training table, or columns of 0 and 1 together, and a JSON of names to show."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from pipeline.core.errors import some
from pipeline.core.ids import natural_order
from pipeline.data.containers.coco_rows import CATEGORY_KEYS
from pipeline.data.describe.listing import Listing
from pipeline.data.prepared.one_hot import is_flag

NEW = re.compile(r"(^|[_ -])(new|unknown|unseen)([_ -]|$)", re.IGNORECASE)  # what no training image shows
MOST_BYTES = 1_000_000  # a map of class names is small


def decide_label(
    table: pd.DataFrame, possible: Sequence[str], sample: pd.DataFrame, id_column: str | None
) -> tuple[str, str] | None:
    """Finds the label column that the sample submission decides for.

    Args:
        table: the training table.
        possible: its columns that can be labels.
        sample: the sample submission.
        id_column: of the training table, which the sample may have, too.

    Returns:
        the column, and why it is this one; None where the sample does not decide.
    """
    wanted = [str(name) for name in sample.columns]
    by_classes = [name for name in possible if len(set(wanted) & set(table[name])) >= max(2, 0.9 * len(wanted) - 1)]
    if len(by_classes) == 1:
        return by_classes[0], "its values are columns of the sample submission"
    flags = [name for name in table.columns if name in wanted and name != id_column and is_flag(table[name])]
    if len(flags) >= max(2, len(wanted) - 1):
        return None  # one column per class, or several labels
    by_name = [name for name in possible if name.lower() in {column.lower() for column in wanted}]
    if len(by_name) == 1:
        return by_name[0], "the sample submission asks for a column of that name"
    cells = {cell for name in wanted[1:] if len(wanted) == 2 for cell in sample[name] if cell}
    words = {word for cell in cells for word in re.split(r"[\s,;|\[\]]+", cell) if word and not NEW.search(word)}
    for values in (cells, words):
        by_cells = [name for name in possible if values and values <= set(table[name])]
        # One number says little: 0 is a placeholder, and a value of many columns.
        if len(by_cells) == 1 and not (len(values) == 1 and re.fullmatch(r"[01](\.\d+)?", next(iter(values)))):
            return by_cells[0], "the cells of the sample submission are values of this column alone"
    return None


def is_label(values: pd.Series) -> bool:
    """Says whether a column can be a label: 2 classes or more, 2 rows or more of each on average, no measurements."""
    distinct = set(values.unique()) - {""}  # pandas goes through cells of text many times slower
    if not 2 <= len(distinct) <= len(values) / 2:
        return False
    numbers = pd.to_numeric(pd.Series(sorted(distinct)), errors="coerce")
    return bool(numbers.isna().any()) or bool((numbers % 1 == 0).all())


def list_classes(values: pd.Series) -> tuple[str, ...]:
    """Lists the distinct labels in natural order; blanks are no class."""
    return tuple(natural_order(sorted(set(values.unique()) - {""})))


def format_counts(counts: Mapping[str, int], classes: Sequence[str], what: str = "classes") -> str:
    """Formats the number of classes, or labels, and of the images of each."""
    numbers = [counts[name] for name in classes]
    least, most = min(numbers), max(numbers)
    return f"{len(classes)} {what} ({some(classes, 6)}), {least:,}{f' to {most:,}' if most > least else ''} images each"


@dataclass(frozen=True)
class ClassNames:
    """Label -> name, facts and guesses to check; no names where no file gives them beyond doubt."""

    names: dict[str, str] | None = None
    facts: tuple[str, ...] = ()
    check: tuple[str, ...] = ()


def describe_class_names(listing: Listing, classes: Sequence[str]) -> ClassNames:
    """Reads names off the one JSON that gives every class one of its own; two that differ, or a part, give none."""
    found: dict[str, dict[str, str]] = {}
    partly: list[str] = []
    for path in listing.of(".json"):
        pairs, whole = read_pairs(listing.read(path, MOST_BYTES)), False
        for mapping in (pairs, invert_pairs(pairs)):
            if set(mapping) == set(classes) and len(set(mapping.values())) == len(classes):
                whole = True
                if not all(name.isdigit() for name in mapping.values()):  # numbers are codes, and no names to show
                    found.setdefault(path, {label: mapping[label] for label in classes})
        if set(classes) <= set(categories := _categories(listing, path)):
            found[path] = {label: categories[label] for label in classes}
        elif not whole and len(set(classes) & (set(pairs) | set(pairs.values()))) > 1:
            lists_images = not invert_pairs(pairs) and set(pairs.values()) <= set(classes)
            partly += [] if lists_images else [path]
    if not found:
        return ClassNames(
            check=tuple(f"{path} names some of the classes, not all and only these: unused" for path in partly)
        )
    path, names = next(iter(found.items()))
    if any(other != names for other in found.values()):
        return ClassNames(check=(f"{some(found)} name the classes differently: unused; see class_names",))
    if all(label == name for label, name in names.items()):
        return ClassNames()
    return ClassNames(names, (f"{path} names the classes; submissions hold the labels all the same",))


def _categories(listing: Listing, path: str) -> dict[str, str]:
    """Class -> name as COCO's categories say; empty where two have one name, or there are none."""
    coco = [name for name in CATEGORY_KEYS if path in listing.row_tables and name in listing.head(path).columns]
    if not coco:
        return {}
    table = listing.table(path)
    named = next(
        (name for name in table.columns if name.startswith("category_") and name.lower().endswith("name")), None
    )
    pairs = {} if named is None else dict(zip(table[coco[0]], table[named], strict=True))
    return pairs if len(set(pairs.values())) == len(pairs) and all(pairs.values()) else {}


def read_pairs(raw: bytes) -> dict[str, str]:
    """Reads the pairs of a flat JSON object as text; none of anything else."""
    try:
        pairs = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(pairs, dict) or not all(type(value) in (str, int) for value in pairs.values()):
        return {}
    texts = {str(key).strip(): str(value).strip() for key, value in pairs.items()}
    return texts if len(texts) == len(pairs) and all(texts.values()) else {}


def invert_pairs(pairs: Mapping[str, str]) -> dict[str, str]:
    """Returns name -> key; none where two keys have one name, as images of a class do."""
    names = {name: key for key, name in pairs.items()}
    return names if len(names) == len(pairs) else {}


def find_id_beside(table: pd.DataFrame, column: str) -> str:
    """Returns the id column of a table whose ``column`` names files below folders (COCO): ``id``, or one such as it.

    The column itself is the id where no other is called so, or where it holds plain names.
    """
    if not table[column].str.contains("/").any():
        return column
    named = [str(name) for name in table.columns if str(name).lower() in ("id", "image_id") and name != column]
    return next((name for name in named if table[name].nunique() == len(table)), column)
