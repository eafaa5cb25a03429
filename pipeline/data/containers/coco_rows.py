"""Rows of COCO's form: images joined with the categories that their annotations give them.

Reference: https://cocodataset.org/#format-data
"""

from collections.abc import Callable, Iterator, Mapping

from pipeline.data.containers.cells import Row, holds_text

CATEGORY_KEYS = ("category_id", "label_id", "labelId")  # of COCO, and of iMaterialist
_IMAGE_KEYS = ("image_id", "imageId")


def join_coco(items: Callable[[str], Iterator[Row]]) -> Iterator[Row]:
    """One row for each image and category: the image's cells, ``category_id`` and what its category says of it.

    Boxes of one image and category are one row; images without an annotation keep theirs. A list of labels is one cell,
    and so are their names; what is neither text nor a number is no label.

    Args:
        items: from the place of a list in the file, as ijson names it (``images.item``), to its records.
    """
    names = {str(_key(row, "id", "category_id")): _tell_category(row) for row in items("categories.item")}
    named, by = _list_names(names)
    marks: dict[object, dict[object, Row]] = {}
    fields: list[str] = []
    for row in items("annotations.item"):
        for name in [name for name in CATEGORY_KEYS if name in row and holds_text(row[name])][:1]:
            cell, about = row[name], names.get(str(row[name]), {})
            if isinstance(cell, list):
                ids = [str(label) for label in cell if label is not None]
                cell = " ".join(ids)
                about = {field: by.join(each.get(key, key) for key in ids) for field, each in named.items()}
            marks.setdefault(_key(row, *_IMAGE_KEYS), {}).setdefault(cell, about)
            fields = fields or [name]
    for image in items("images.item"):
        cells = {name: cell for name, cell in image.items() if holds_text(cell)}
        found = marks.get(_key(image, "id", *_IMAGE_KEYS))
        if not fields:
            yield cells
        for category, about in (found or {None: {}}).items() if fields else ():
            yield cells | {fields[0]: category} | about


def _tell_category(row: Row) -> Row:
    """What a category says of itself: ``name`` becomes ``category_name``."""
    return {
        name if name.startswith("category") else f"category_{name}": cell
        for name, cell in row.items()
        if name not in ("id", "category_id") and holds_text(cell)
    }


def _list_names(categories: Mapping[str, Row]) -> tuple[dict[str, dict[str, str]], str]:
    """Lists the names of categories by field and id, and what joins several: ``|`` where names have blanks in them."""
    fields = dict.fromkeys(name for row in categories.values() for name in row if name.lower().endswith("name"))
    named = {field: {key: str(row.get(field, key)) for key, row in categories.items()} for field in fields}
    return named, "|" if any(" " in name for each in named.values() for name in each.values()) else " "


def _key(row: Row, *names: str) -> object:
    """The first of these cells, if it is text or a number."""
    key = next((row[name] for name in names if name in row), None)
    return key if holds_text(key) and not isinstance(key, list) else None
