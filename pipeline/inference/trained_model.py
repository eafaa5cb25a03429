"""Trained models of this repository: the card, the folds' checkpoints and the network, built once for all images."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.core.active import weights_folder
from pipeline.core.arrays import Features, Images, Logits, Values
from pipeline.core.cards import ModelCard
from pipeline.core.competition import load_competition
from pipeline.core.config import parse
from pipeline.core.paths import prepared_folder
from pipeline.core.targets.contract import Target
from pipeline.core.targets.prepared import read_target
from pipeline.images.fitting import StorageForm
from pipeline.inference.checkpoints import (
    InferenceInput,
    combine_seeds,
    combine_views,
    give_trained_head,
    predict_classic_logits,
)
from pipeline.inference.kept_graph import KeptGraph, open_kept_graph
from pipeline.inference.outputs import FoldOutputs
from pipeline.inference.selection import list_checkpoints
from pipeline.inference.task_shape import TaskShape
from pipeline.networks.processor import Precision
from pipeline.training.classic.recipe import ClassicRecipe

if TYPE_CHECKING:  # which start the backend
    from pipeline.inference.opened_head import OpenedHead
    from pipeline.inference.opened_network import OpenedNetwork
    from pipeline.inference.saliency.attribution import Attribution


@dataclass(frozen=True)
class TrainedModel:
    """A trained model, opened.

    Attributes:
        card: of the training.
        checkpoints: by fold, of each seed.
        target: what is predicted, with the model's own head.
        weights: folder of the files that a network needs before its checkpoint can be loaded.
        open_own_network: opens the network; None for a model without one of its own.
        head: on frozen backbones, opened; None for a model of another kind.
        graph: what predicts in place of the network; None where it does that itself.
    """

    card: ModelCard
    checkpoints: dict[int, tuple[Path, ...]]
    target: Target
    weights: Path
    open_own_network: "Callable[[], OpenedNetwork] | None"
    head: "OpenedHead | None" = None
    graph: KeptGraph | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the columns of its predictions."""
        return self.target.columns

    @cached_property
    def network(self) -> "OpenedNetwork | None":
        """Its network, opened when it is first asked for; None for a model without one of its own."""
        return self.open_own_network() if self.open_own_network is not None else None

    @cached_property
    def attribution(self) -> "Attribution | None":
        """Computes heat maps; None for a model without convolutions or attention."""
        if self.network is None:
            return None
        from pipeline.inference.saliency.attribution import make_attribution

        return make_attribution(self.network)

    def predict_folds(
        self, images: Images, folds: Sequence[int] | None = None, with_features: bool = False
    ) -> Iterator[FoldOutputs]:
        """Yields the outputs of each fold's model for images, of its seeds together.

        Logits and features are those of the first seed: each seed has a space of features of its own.

        Args:
            images: uint8 (n, size, size, channels), as the image store keeps them; n > 0.
            folds: which; None for all.
            with_features: whether logits and features are computed as well, which only a network with one logit for
                each class has.
        """
        chosen = [self.checkpoints[fold] for fold in (self.checkpoints if folds is None else folds)]
        outputs = self._predict_checkpoints([path for of_seeds in chosen for path in of_seeds], images, with_features)
        for of_seeds in chosen:
            made = [next(outputs) for _ in of_seeds]
            yield replace(made[0], probs=combine_seeds([each.probs for each in made], self.card, self.target))
        next(outputs, None)  # its folder of intermediate results goes

    def _predict_checkpoints(self, paths: list[Path], images: Images, with_features: bool) -> Iterator[FoldOutputs]:
        """Yields the outputs of the model of each checkpoint."""
        with tempfile.TemporaryDirectory(prefix="predicting-") as folder:
            work = Path(folder)
            if self.head is not None:
                for logits in self.head.predict_logits(paths, images, work):
                    yield FoldOutputs(combine_views(logits, self.card, self.target))
            elif self.graph is not None:
                for logits, features in self.graph.predict_logits_and_features(paths, images):
                    yield self._describe_outputs(logits, features if with_features else None)
            elif self.network is None:
                place = f"card of {self.card.model}: config"
                recipe = parse(self.card.config, ClassicRecipe, place)
                for logits in predict_classic_logits(
                    recipe, paths, InferenceInput(images, self.target, self.weights, work)
                ):
                    yield FoldOutputs(combine_views(logits, self.card, self.target))
            elif not with_features or not self._has_logits:
                for logits in self.network.predict_logits(paths, images, work):
                    yield self._describe_outputs(logits, None)
            else:
                for logits, features in self.network.predict_logits_and_features(paths, images, work):
                    yield self._describe_outputs(logits, features)

    @property
    def _has_logits(self) -> bool:
        """Whether its network has one logit for each class."""
        return self.target.outputs == ((slice(0, len(self.classes)), "softmax"),)

    def _describe_outputs(self, logits: Logits, features: Features | None) -> FoldOutputs:
        probs = combine_views(logits, self.card, self.target)
        if features is None or not self._has_logits:
            return FoldOutputs(probs)
        return FoldOutputs(probs, np.asarray(logits[0], dtype=np.float32), features)


def choose_columns(target: Target, values: Values) -> NDArray[np.int64]:
    """Chooses the column of each prediction (n,) that a heat map is for: the likeliest one, the first of numbers.

    Of several targets it is one of the first target.
    """
    _, first, columns, _ = next(target.each())
    if first.activation == "linear":
        return np.zeros(len(values), dtype=np.int64)
    likeliest: NDArray[np.int64] = values[:, columns].argmax(axis=1).astype(np.int64)
    return likeliest


def choose_outputs(target: Target, columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Chooses the outputs of a network (n,) that speak for columns of its predictions (n,).

    They are the same, but for heads of grades that have fewer: there it is the one for at least that grade.
    """
    if target.n_outputs >= len(target.columns):
        return columns
    outputs: NDArray[np.int64] = np.clip(columns - 1, 0, target.n_outputs - 1)
    return outputs


def read_form(root: Path) -> StorageForm:
    """Reads how the active competition stores its images; without hashes, which predictions have no use for."""
    return StorageForm(**load_competition(root).storage.model_dump(), hashed=False)


def open_trained_model(
    root: Path, card: ModelCard, keep: bool = False, precision: Precision | None = None, by_graph: bool = False
) -> TrainedModel:
    """Opens a trained model.

    Args:
        root: the repository folder.
        card: of the model.
        keep: whether weights that were read stay in memory.
        precision: what to compute in; None for what it was trained in.
        by_graph: whether a small network may predict by a graph that is kept, in float32.

    Raises:
        InputError: a checkpoint is missing, or the card is not one of this version.
    """
    target = give_trained_head(card, read_target(prepared_folder(root)))
    form, weights = read_form(root), weights_folder(root)
    checkpoints = list_checkpoints(root, card)
    shape = TaskShape(form.size, form.channels, target.n_outputs)
    if not card.has_network:
        return TrainedModel(
            card, checkpoints, target, weights, None, _open_head(card, shape, target, weights, precision)
        )
    paths = [path for of_seeds in checkpoints.values() for path in of_seeds]
    graph = open_kept_graph(root, card, paths, shape, weights) if by_graph else None
    opening = partial(_open_network, card, shape, weights, keep, precision)
    model = TrainedModel(card, checkpoints, target, weights, opening, None, graph)
    if graph is None:
        model.network  # noqa: B018 - a card that is not of this version is refused now
    return model


def _open_head(
    card: ModelCard, shape: TaskShape, target: Target, weights: Path, precision: Precision | None
) -> "OpenedHead | None":
    if "backbones" not in card.config:
        return None
    from pipeline.inference.opened_head import open_head

    return open_head(card, shape, target, weights, precision)


def _open_network(
    card: ModelCard, shape: TaskShape, weights: Path, keep: bool, precision: Precision | None
) -> "OpenedNetwork":
    from pipeline.inference.opened_network import open_network

    network = open_network(card, shape, weights, keep, precision)
    assert network is not None  # the card has one
    return network
