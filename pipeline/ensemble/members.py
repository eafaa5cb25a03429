"""Members of an ensemble: their predictions read and checked, and what they have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core import paths, tables
from pipeline.core.arrays import Probs, Truth, Values
from pipeline.core.errors import InputError, some
from pipeline.core.predictions import Predictions, read_predictions
from pipeline.core.targets.contract import Target
from pipeline.core.targets.prepared import read_fold_truth

_SAME, _FAR = 1e-6, 0.5
_LOOK = 100  # rows that tell almost all members apart


@dataclass(frozen=True)
class Members:
    """Out-of-fold predictions of all members, aligned.

    Attributes:
        names: sorted, so that sums run in one order whatever the order in params.yaml.
        rows: the rows of the fold table that all members scored, in its order.
        truth: what is true of them: (n_samples,) class indices, or (n_samples, truth_width).
        stacked: float32 (n_members, n_samples, n_columns), predictions of the target.
        target: what is predicted.
        peeked: by member, why its score may be optimistic; members without a reason are absent.
    """

    names: tuple[str, ...]
    rows: pd.DataFrame
    truth: Truth
    stacked: Values
    target: Target
    peeked: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Similarity:
    """What members have in common.

    Attributes:
        correlation: (n_members, n_members) of all their predictions, of numbers in standardised units.
        disagreement: (n_members, n_members) share of decisions that differ: of most probable classes, of labels;
            numbers differ where they are more than half a standard deviation apart.
        same: pairs of members that are equal to within rounding.
    """

    correlation: NDArray[np.float64]
    disagreement: NDArray[np.float64]
    same: tuple[tuple[str, str], ...]


def read_members(root: Path, names: Sequence[str], target: Target, allow_peeked: bool) -> Members:
    """Reads the out-of-fold predictions of members, one after the other.

    Raises:
        InputError: no members; a member scored other rows than the rest, on other folds or on rows that chose something
            in it, and ``allow_peeked`` does not allow that.
    """
    if not names:
        raise InputError("there are no members to combine; list models in params.yaml")
    folds = tables.read_folds(paths.folds_path(root), paths.prepared_folder(root))
    digest = tables.folds_digest(folds)
    ordered = tuple(sorted(names))
    rows: pd.DataFrame | None = None
    first = ""
    stacked = np.empty((0, 0, 0), dtype=np.float32)
    peeked = {}
    for number, name in enumerate(ordered):
        path = paths.oof_path(root, name)
        predictions = read_predictions(path, target)
        marks = _marks(path, predictions, digest)
        if marks and not allow_peeked:
            raise InputError(
                f"{path}: the OOF score of {name} may be optimistic: {some(marks)}; remove it from params.yaml, "
                "or set ensemble.allow_peeked: true there, and take its scores and the ensemble's for optimistic"
            )
        if marks:
            peeked[name] = marks
        scored = select_scored_rows(folds, predictions, str(path))
        if rows is None:
            rows, first = scored, str(path)
            stacked = np.empty((len(ordered), len(rows), len(target.columns)), dtype=np.float32)
        elif not scored["id"].equals(rows["id"]):
            here, there = (sorted(table["fold"].unique().tolist()) for table in (scored, rows))
            raise InputError(
                f"{path} scored the folds {some(here)}, {first} the folds {some(there)}; "
                "train all models on the same train.folds of params.yaml"
            )
        stacked[number] = target.normalise(predictions.aligned(rows["id"].tolist(), str(path)))
    if rows is None:
        raise InputError("there are no members to combine; list models in params.yaml")
    truth = read_fold_truth(paths.prepared_folder(root), target, rows)
    return Members(ordered, rows, truth, stacked, target, peeked)


def read_test_predictions(root: Path, names: Sequence[str], target: Target, ids: Sequence[str]) -> Values:
    """Reads the test predictions of members: float32 (n_members, n_test, n_columns).

    Raises:
        InputError: a member lacks test ids or has others.
    """
    stacked = np.empty((len(names), len(ids), len(target.columns)), dtype=np.float32)
    for number, name in enumerate(names):
        path = paths.predicted_test_path(root, name)
        stacked[number] = target.normalise(read_predictions(path, target).aligned(ids, str(path)))
    return stacked


def select_scored_rows(folds: pd.DataFrame, predictions: Predictions, place: str) -> pd.DataFrame:
    """Returns the rows of the fold table that a member scored, in its order.

    Raises:
        InputError: it scored ids that the fold table lacks, or a part of a fold.
    """
    known, ids = set(folds["id"]), set(predictions.ids)
    unknown = [name for name in predictions.ids if name not in known]
    if unknown:
        raise InputError(f"{place} has {len(unknown)} ids that folds/folds.csv lacks: {some(unknown)}; train it again")
    mine = folds["id"].isin(ids)
    missing = folds.loc[folds["fold"].isin(folds.loc[mine, "fold"].unique()) & ~mine, "id"].tolist()
    if missing:
        raise InputError(f"{place} lacks {len(missing)} ids of the folds it scored: {some(missing)}; train it again")
    return folds[mine].reset_index(drop=True)


def renormalise_rows(probs: Probs) -> Probs:
    """Divides rows by their sums, which reading has found to be 1 within rounding."""
    total = probs.sum(axis=1, keepdims=True, dtype=np.float64)
    divided: NDArray[np.float64] = probs / total
    return divided.astype(np.float32)


def compare_members(members: Members) -> Similarity:
    """Compares members with each other."""
    n_members = len(members.names)
    flat = _standardise(members).reshape(n_members, -1)
    constant = flat.std(axis=1) == 0
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.corrcoef(flat, dtype=np.float64).reshape(n_members, n_members)
    correlation[constant] = correlation[:, constant] = 0.0  # has no correlation with anything
    np.fill_diagonal(correlation, 1.0)
    parts = [(each, members.stacked[:, :, columns]) for _, each, columns, _ in members.target.each()]
    decided = [(each, _decide(each, stacked)) for each, stacked in parts]
    disagreement = np.zeros((n_members, n_members))
    same = []
    for one, two in combinations(range(n_members), 2):
        shares = [_differ(each, made[one], made[two]) for each, made in decided]
        disagreement[one, two] = disagreement[two, one] = np.mean(shares)
        if _equal(members.stacked[one, :_LOOK], members.stacked[two, :_LOOK]) and _equal(
            members.stacked[one], members.stacked[two]
        ):
            same.append((members.names[one], members.names[two]))
    return Similarity(correlation, disagreement, tuple(same))


def _standardise(members: Members) -> NDArray[np.floating]:
    """Numbers of different units count alike in a correlation; probabilities stay."""
    if all(each.activation != "linear" for _, each, _, _ in members.target.each()):
        return members.stacked
    pieces = [
        each.to_outputs(members.stacked[:, :, columns])
        if each.activation == "linear"
        else members.stacked[:, :, columns]
        for _, each, columns, _ in members.target.each()
    ]
    return np.concatenate(pieces, axis=2)


def _decide(target: Target, stacked: Values) -> Truth:
    """What members decide for: classes (n_members, n), labels or standardised numbers (n_members, n, n_columns)."""
    if target.activation == "linear":
        return target.to_outputs(stacked)
    decided: Truth = stacked.argmax(axis=2) if target.activation == "softmax" else stacked >= 0.5
    return decided


def _differ(target: Target, one: Truth, two: Truth) -> float:
    differ = np.abs(one - two) > _FAR if target.activation == "linear" else one != two
    return float(differ.mean())


def _equal(one: Values, two: Values) -> bool:
    return bool(np.abs(one - two).max() <= _SAME)


def make_similarity_fields(alike: Similarity, names: Sequence[str]) -> dict[str, object]:
    """Returns the fields of the ensemble's card that compare members."""

    def by_name(matrix: NDArray[np.float64]) -> dict[str, dict[str, float]]:
        return {name: dict(zip(names, row.tolist(), strict=True)) for name, row in zip(names, matrix, strict=True)}

    return {
        "correlation": by_name(alike.correlation),
        "disagreement": by_name(alike.disagreement),
        "same": alike.same,
    }


def _marks(path: Path, predictions: Predictions, digest: str) -> tuple[str, ...]:
    """Returns what makes a member's predictions look better than they are.

    Raises:
        InputError: the member was trained on other folds than these.
    """
    if predictions.folds is None:
        return (*predictions.peeked, "nothing shows on which folds it was trained")
    if predictions.folds != digest:
        raise InputError(f"{path} was made on other folds than folds/folds.csv; train that model again")
    return predictions.peeked
