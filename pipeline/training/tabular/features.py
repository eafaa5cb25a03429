"""Features of a tabular model: columns as numbers and codes, relative to their unit, beside predictions of members."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.columns import select_columns
from pipeline.core.errors import InputError
from pipeline.core.files import sha256
from pipeline.core.paths import oof_path, predicted_test_path
from pipeline.core.predictions import read_predictions
from pipeline.core.tables import read_index
from pipeline.core.targets.contract import Target
from pipeline.training.tabular.recipe import TabularRecipe

_MOST_CODES = 250  # categories that trees take; rarer ones share a code


@dataclass(frozen=True)
class FeatureTable:
    """Features of all training and test images.

    Attributes:
        train: float32 (n, n_features); NaN where nothing is known.
        test: float32 (n_test, n_features).
        names: what each feature is called.
        sources: the column or member behind each feature.
        categories: which features are codes of categories.
    """

    train: NDArray[np.float32]
    test: NDArray[np.float32]
    names: tuple[str, ...]
    sources: tuple[str, ...]
    categories: tuple[bool, ...]


def make_features(root: Path, prepared: Path, recipe: TabularRecipe, target: Target) -> FeatureTable:
    """Makes the features of a tabular model.

    Args:
        root: the repository folder.
        prepared: folder of the image indices.
        recipe: of the model.
        target: what members predict.

    Raises:
        InputError: the competition names no columns, or a member's predictions are missing.
    """
    train, test = read_index(prepared / "train.csv"), read_index(prepared / "test.csv")
    columns, other = select_columns(train), select_columns(test)
    if not columns.features:
        raise InputError(
            "the model reads columns in addition to the pictures, and the competition's file names none; describe them "
            "under columns, see docs/models.md"
        )
    parts = [columns.cells, other.cells]
    made: list[tuple[str, str, bool, NDArray[np.floating], NDArray[np.floating]]] = []
    for name, kind in columns.features.items():
        if kind == "category":
            made.append((name, name, True, *_encode_categories(parts[0][name], parts[1][name])))
            continue
        numbers = [pd.to_numeric(part[name], errors="coerce") for part in parts]
        made.append((name, name, False, numbers[0].to_numpy(), numbers[1].to_numpy()))
        if recipe.relative and columns.unit is not None:
            apart = [
                (values - values.groupby(part[columns.unit]).transform("mean")).to_numpy()
                for values, part in zip(numbers, parts, strict=True)
            ]
            made.append((f"{name} relative to {columns.unit}", name, False, apart[0], apart[1]))
    for member in recipe.members:
        oof, tests = _read_member(root, member, target, train["id"].tolist(), test["id"].tolist())
        for place, column in enumerate(target.columns):
            made.append((f"{member}: {column}", member, False, oof[:, place], tests[:, place]))
    return FeatureTable(
        train=_narrow([each[3] for each in made]),
        test=_narrow([each[4] for each in made]),
        names=tuple(each[0] for each in made),
        sources=tuple(each[1] for each in made),
        categories=tuple(each[2] for each in made),
    )


def _narrow(features: list[NDArray[np.floating]]) -> NDArray[np.float32]:
    """Puts features side by side; a difference beyond float32 is not known."""
    with np.errstate(over="ignore"):
        made = np.stack(features, axis=1).astype(np.float32)
    return np.where(np.isfinite(made), made, np.float32(np.nan))


def _encode_categories(train: pd.Series, test: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Codes of the training part's categories, the most frequent first; NaN for blanks and for those it lacks."""
    frequent = [name for name in train.value_counts().index.tolist() if name != ""][:_MOST_CODES]
    code = {name: float(place) for place, name in enumerate(frequent)}
    one, other = (part.map(code).to_numpy(dtype=np.float64) for part in (train, test))
    return one, other


def _read_member(
    root: Path, member: str, target: Target, ids: list[str], test_ids: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outputs of a member: out-of-fold ones (n, n_columns), NaN for rows that no fold scored; of test images."""
    made, tests = (read_predictions(path(root, member), target) for path in (oof_path, predicted_test_path))
    place = {name: row for row, name in enumerate(made.ids)}
    known = set(ids)
    unknown = [name for name in made.ids if name not in known]
    if unknown:
        raise InputError(
            f"{oof_path(root, member)} has ids that data/prepared lacks, such as {unknown[0]}; train it again"
        )
    outputs = np.full((len(ids), len(target.columns)), np.nan)
    rows = [row for row, name in enumerate(ids) if name in place]
    outputs[rows] = target.to_outputs(made.probs[[place[ids[row]] for row in rows]])
    return outputs, target.to_outputs(tests.aligned(test_ids, str(predicted_test_path(root, member))))


def digest_members(root: Path, recipe: TabularRecipe) -> dict[str, dict[str, str]]:
    """Digests the predictions of members that a tabular model is trained on.

    Raises:
        InputError: a member is not trained yet.
    """
    made = {}
    for member in recipe.members:
        for path in (oof_path(root, member), predicted_test_path(root, member)):
            if not path.is_file():
                raise InputError(f"members: {path} does not exist; run `dvc repro train@{member}` first")
            made[str(path.relative_to(root))] = sha256(path)
    return {"members": made}
