"""Joined columns: the competition's columns of each image as further features of a head, encoded on training rows.

What a fold's own rows hold plays no part in their encoding: means, deviations and categories are those of the training
rows. Columns of other images stand in no picture, so such a head predicts the competition's test images alone.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Rows
from pipeline.core.targets.contract import Target
from pipeline.training.heads.moments import Matrix
from pipeline.training.heads.session import FeatureViews
from pipeline.training.tabular.features import FeatureTable, make_features
from pipeline.training.tabular.recipe import TabularRecipe

_FARTHEST = 10.0  # deviations: beyond them a number says no more


@dataclass(frozen=True)
class ColumnEncoder:
    """An encoding of columns, fitted on some rows.

    Attributes:
        numbers: which features are numbers: bool (n_features,).
        scaled: puts the mean where nothing is known, says so in a feature of its own, and standardises; None without
            numbers.
        marked: one mark for each category, of blanks too; none for categories that the rows lack. None without codes.
    """

    numbers: NDArray[np.bool_]
    scaled: Any
    marked: Any

    def encode(self, table: Matrix) -> Matrix:
        """Returns the features float32 (n, width) of rows (n, n_features) of a `FeatureTable`."""
        if not len(table):  # which scikit-learn refuses: a competition may hide its test images
            return self.encode(np.zeros((1, table.shape[1]), dtype=np.float32))[:0]
        made = []
        if self.scaled is not None:
            made.append(np.clip(self.scaled.transform(_widen(table, self.numbers)), -_FARTHEST, _FARTHEST))
        if self.marked is not None:
            made.append(self.marked.transform(table[:, ~self.numbers]))
        return np.concatenate(made, axis=1).astype(np.float32)


def read_column_table(root: Path, prepared: Path, target: Target) -> FeatureTable:
    """Reads the columns of all images, numbers also relative to their unit, as a tabular model does.

    Raises:
        InputError: the competition's file names none.
    """
    return make_features(root, prepared, TabularRecipe(tabular="linear"), target)


def fit_columns(table: FeatureTable, rows: Rows) -> ColumnEncoder:
    """Fits the encoding on training rows."""
    # scikit-learn takes seconds to start: only where columns are joined.
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = ~np.array(table.categories, dtype=np.bool_)
    known, scaled, marked = table.train[rows], None, None
    if numbers.any():
        filled = SimpleImputer(add_indicator=True, keep_empty_features=True)
        scaled = make_pipeline(filled, StandardScaler()).fit(_widen(known, numbers))
    if not numbers.all():
        marked = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(known[:, ~numbers])
    return ColumnEncoder(numbers, scaled, marked)


def join_to_features(views: FeatureViews, columns: Matrix) -> FeatureViews:
    """Puts columns (n, width) beside the features of all images of a part: every view has the same."""
    count = len(views.backbones[0])
    return FeatureViews((*views.backbones, (columns,) * count))


def _widen(table: Matrix, numbers: NDArray[np.bool_]) -> NDArray[np.float64]:
    return table[:, numbers].astype(np.float64)  # squares of large numbers are none of float32
