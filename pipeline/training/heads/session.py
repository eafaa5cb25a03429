"""A session: the features that all folds of one head share, and the strength that a holdout chooses for each fold.

The holdout of a fold is another fold. Two folds that are each other's holdout share the fits on all rows but theirs:
no label of a fold plays a part in its own strength.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from pipeline.core.arrays import KeptFeatures, Logits, Rows
from pipeline.core.errors import InputError
from pipeline.core.threads import limit_threads
from pipeline.training.classic.recipe import ClassicModel
from pipeline.training.data import UNUSED, Data
from pipeline.training.heads.linear_heads import (
    Coefficients,
    LinearHead,
    LinearRows,
    list_scaled_outputs,
    list_strengths,
)
from pipeline.training.heads.moments import JoinedFeatures, Matrix, Moments, join_features
from pipeline.training.heads.other_heads import (
    NeighbourModel,
    fit_neighbours,
    fit_trees,
    predict_neighbours,
)
from pipeline.training.heads.output_scale import fit_scale
from pipeline.training.heads.recipe import AnyHead, LogisticHead, NeighbourHead, TreesHead
from pipeline.training.heads.selected_features import HeadFitter

_CHUNK = 4096


class Holdout(NamedTuple):
    """A setting as a holdout judges it.

    Attributes:
        strength: the setting.
        loss: of the held-out rows, scaled.
        scale: what logits are multiplied by.
        fit: on neither fold's rows.
    """

    strength: float
    loss: float
    scale: float
    fit: Coefficients


@dataclass(frozen=True)
class FeatureViews:
    """Features of a part's images: of each backbone, of each view: float16 or float32 (n, width)."""

    backbones: tuple[tuple[KeptFeatures, ...], ...]

    def read_rows(self, view: int, rows: Rows) -> Matrix:
        """Returns one view of some rows, the backbones side by side: float32 (n_rows, width)."""
        return np.concatenate([each[view][rows] for each in self.backbones], axis=1, dtype=np.float32)


@dataclass(frozen=True)
class FittedHead:
    """A head as fitted on one fold.

    Attributes:
        predict: from features (n, width) to outputs (n, n_outputs).
        model: the arrays that it is made of; None for trees.
        note: strength and steps, for the fold's line.
    """

    predict: Callable[[Matrix], Matrix]
    model: ClassicModel | NeighbourModel | None
    note: str


class HeadSession:
    """What all folds of one head share.

    Attributes:
        head: what is fitted.
        data: truth and folds, its target with the head of grades.
    """

    def __init__(self, head: AnyHead, data: Data, views: FeatureViews, trained: int) -> None:
        """Joins the features.

        Args:
            head: what is fitted.
            data: what it is trained on.
            views: features of the training images.
            trained: how many of the views are training rows, the first ones.

        Raises:
            InputError: too little memory, or fewer than three folds.
        """
        self.head, self.data = head, data
        self._folds: list[int] = sorted(set(data.fold_of[data.fold_of >= 0].tolist()))
        if len(self._folds) < 3:
            raise InputError(
                f"a head chooses its strength on a fold within the training rows, so it needs 3 folds, got "
                f"{len(self._folds)}; raise split.n_splits in params.yaml"
            )
        self._joined: JoinedFeatures = join_features(views.backbones, trained, data.fold_of, data.weights)
        self._judged: dict[frozenset[int], dict[int, list[Holdout]]] = {}

    def fit(self, fold: int, seed: int) -> FittedHead:
        """Fits the head on all rows but a fold's.

        Raises:
            InputError: the head does not fit the target.
        """
        with limit_threads():
            if isinstance(self.head, TreesHead):
                rows = self.data.rows(fold)[0]
                features, truth = self._training_mean(rows), self.data.truth[rows]
                predict = fit_trees(features, truth, self.data.target, self.head, seed)
                return FittedHead(lambda raw: predict(self._bring(raw)), None, f"{self.head.components} components")
            if isinstance(self.head, NeighbourHead):
                return self._fit_neighbours(fold, self.head)
            return self._fit_linear(fold, self.head)

    def _fit_linear(self, fold: int, head: LinearHead) -> FittedHead:
        chosen = self._choose_strength(fold, head)
        rows = self.data.rows(fold)[0]
        moments = self._joined.measure_moments(frozenset({fold}))
        averaged = not isinstance(head, LogisticHead)  # of the others the mean of the views has the same sums
        made = HeadFitter(head, self._rows(rows, moments, averaged)).fit(chosen.strength, chosen.fit)
        model = self._make_model(made, moments, chosen.scale)
        note = f"strength {chosen.strength:g} scale {chosen.scale:.3g}" + (f" {made.steps} steps" if made.steps else "")
        weights, intercepts = model.fold_scaling()
        return FittedHead(lambda raw: raw @ weights + intercepts, model, note)

    def _make_model(self, fit: Coefficients, moments: Moments, scale: float) -> ClassicModel:
        """Puts scaling and coefficients into one model of the features as they are kept."""
        joined = self._joined
        scales = np.where(list_scaled_outputs(self.data.target), np.float32(scale), np.float32(1))
        return ClassicModel(
            vocabulary=np.zeros((0, 128), dtype=np.float32),
            mean=joined.shift + joined.unit * moments.mean,
            scale=joined.unit * moments.scale,
            coefficients=fit.weights * scales,
            intercepts=fit.intercepts * scales,
        )

    def _choose_strength(self, fold: int, head: LinearHead) -> Holdout:
        """Returns the first setting on the path after which the fold's holdout gets worse.

        How much further the path goes may hang on the fold's own rows, so what comes later counts for nothing.
        """
        judged = self._judge(fold, self._find_partner(fold), head)
        worse = (place for place, each in enumerate(judged[1:]) if each.loss > judged[place].loss)
        return judged[next(worse, len(judged) - 1)]

    def _find_partner(self, fold: int) -> int:
        place = self._folds.index(fold) ^ 1
        return self._folds[place] if place < len(self._folds) else self._folds[0]

    def _judge(self, fold: int, partner: int, head: LinearHead) -> list[Holdout]:
        """Judges the settings, strongest first, on the partner's rows; stops where both folds have got worse."""
        pair = frozenset({fold, partner})
        if pair in self._judged:
            return self._judged[pair][partner]
        moments = self._joined.measure_moments(pair)
        rows = self._rows(np.flatnonzero(~np.isin(self.data.fold_of, [UNUSED, *pair])), moments, True)
        held = {each: self._rows(np.flatnonzero(self.data.fold_of == each), moments, True) for each in pair}
        judged: dict[int, list[Holdout]] = {each: [] for each in pair}
        fitter, start = HeadFitter(head, rows), None
        for strength in list_strengths(head):
            start = fitter.fit(strength, start)
            for each, part in held.items():
                outputs = part.multiply(start.weights) + start.intercepts
                scale, loss = fit_scale(outputs, part.truth, self.data.target)
                judged[each].append(Holdout(strength, loss, scale, start))
            if all(len(each) > 1 and each[-1].loss > each[-2].loss for each in judged.values()):
                break
        self._judged[pair] = judged
        return judged[partner]

    def _fit_neighbours(self, fold: int, head: NeighbourHead) -> FittedHead:
        target, partner = self.data.target, self._find_partner(fold)
        inner = self._remember(frozenset({fold, partner}))
        held = np.flatnonzero(self.data.fold_of == partner)
        outputs = predict_neighbours(inner, self._training_mean(held), head, target)
        scale, _ = fit_scale(outputs, self.data.truth[held], target)
        joined, bank = self._joined, self._remember(frozenset({fold}))
        model = replace(
            bank,
            mean=joined.shift + joined.unit * bank.mean,
            scale=joined.unit * bank.scale,
            scale_of_outputs=np.full(1, scale, dtype=np.float32),
        )
        return FittedHead(lambda raw: predict_neighbours(model, raw, head, target), model, f"scale {scale:.3g}")

    def _remember(self, left_out: frozenset[int]) -> NeighbourModel:
        rows = np.flatnonzero(~np.isin(self.data.fold_of, [UNUSED, *left_out]))
        moments = self._joined.measure_moments(left_out)
        features = self._training_mean(rows)
        return fit_neighbours(features, moments.mean, moments.scale, self.data.truth[rows], self.data.target)

    def _rows(self, rows: Rows, moments: Moments, averaged: bool) -> LinearRows:
        features = self._training_mean(rows) if averaged else self._joined.gather(rows)
        truth = self.data.truth[rows]
        times = 1 if averaged else self._joined.trained
        repeated = truth if averaged else np.concatenate([truth] * times)
        return LinearRows(features, repeated, self.data.target, moments, self.data.weigh_rows(rows, times))

    def _training_mean(self, rows: Rows) -> Matrix:
        views = self._joined.views[: self._joined.trained]
        return np.asarray(sum(view[rows] for view in views) / np.float32(len(views)), dtype=np.float32)

    def _bring(self, raw: Matrix) -> Matrix:
        return np.asarray((raw - self._joined.shift) / self._joined.unit, dtype=np.float32)


def predict_head(fitted: FittedHead, views: FeatureViews, rows: Rows) -> Iterator[Logits]:
    """Yields the outputs of each view of some rows, chunk by chunk: float32 (n_views, n_chunk, n_outputs)."""
    count = len(views.backbones[0])
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        with limit_threads():
            made = np.stack([fitted.predict(views.read_rows(view, chunk)) for view in range(count)])
        yield made


def open_views(backbones: Sequence[Sequence[KeptFeatures]]) -> FeatureViews:
    """Returns the features of a part, of each backbone by view."""
    return FeatureViews(tuple(tuple(views) for views in backbones))
