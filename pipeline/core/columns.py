"""Columns beside the picture: which columns of the competition's tables describe an image, and their types."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from pipeline.core.config import Section

if TYPE_CHECKING:
    import pandas as pd

ColumnType = Literal["number", "category"]
_UNIT = "unit"
_KINDS: dict[str, ColumnType | None] = {"number": "number", "category": "category", _UNIT: None}


class Columns(Section):
    """The ``columns`` section of a competition's file.

    Attributes:
        train: the table of the training images.
        test: that of the test images.
        id: column of the ids in both.
        features: by column, whether it holds numbers or categories; blank cells are missing.
        relative_to: column of what several images belong to (a patient): numbers are also given relative to its mean.
    """

    train: str
    test: str
    id: str
    features: dict[str, ColumnType] = Field(min_length=1)
    relative_to: str | None = None

    @model_validator(mode="after")
    def _features_are_no_ids(self) -> "Columns":
        for name in (self.id, self.relative_to):
            if name in self.features:
                raise ValueError(f"features names {name}, which tells images apart and describes none; remove it there")
        return self

    @property
    def read(self) -> tuple[str, ...]:
        """The columns that are read from both tables, the id apart."""
        return (*self.features, *((self.relative_to,) if self.relative_to else ()))


@dataclass(frozen=True)
class IndexColumns:
    """Columns beside the picture in an image index.

    Attributes:
        cells: as text, under their own names, in the order of the index.
        features: by column, its type.
        unit: column of what several images belong to; None where there is none.
    """

    cells: "pd.DataFrame"
    features: dict[str, ColumnType]
    unit: str | None


def name_columns(table: "pd.DataFrame", columns: Columns) -> "pd.DataFrame":
    """Returns a table under the names that its columns have in an image index: their types stand before them."""
    kinds = columns.features | ({columns.relative_to: _UNIT} if columns.relative_to else {})
    return table[list(kinds)].rename(columns={name: f"{kind}:{name}" for name, kind in kinds.items()})


def select_columns(index: "pd.DataFrame") -> IndexColumns:
    """Returns the columns beside the picture that an image index has; none where the competition names none."""
    split = {str(name): str(name).partition(":") for name in index.columns}
    kinds = {name: (kind, rest) for name, (kind, colon, rest) in split.items() if colon and kind in _KINDS}
    cells = index[list(kinds)].rename(columns={name: rest for name, (_, rest) in kinds.items()})
    features = {rest: _KINDS[kind] for kind, rest in kinds.values() if kind != _UNIT}
    unit = next((rest for kind, rest in kinds.values() if kind == _UNIT), None)
    return IndexColumns(cells, {name: kind for name, kind in features.items() if kind is not None}, unit)
