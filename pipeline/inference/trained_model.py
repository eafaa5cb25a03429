"""Trained models of this repository: the card, the folds' checkpoints and the network, built once for all images."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.core.active import weights_folder
from pipeline.core.arrays import Images
from pipeline.core.cards import ModelCard
from pipeline.core.competition import load_competition
from pipeline.core.config import parse
from pipeline.core.paths import prepared_folder
from pipeline.core.targets.contract import Target
from pipeline.core.targets.prepared import read_target
from pipeline.images.fitting import StorageForm
from pipeline.inference.checkpoints import InferenceInput, combine_views, give_trained_head, predict_classic_logits
from pipeline.inference.opened_head import OpenedHead, open_head
from pipeline.inference.opened_network import OpenedNetwork, TaskShape, open_network
from pipeline.inference.outputs import FoldOutputs
from pipeline.inference.saliency.attribution import Attribution, make_attribution
from pipeline.inference.selection import list_checkpoints
from pipeline.networks.runtime import Precision
from pipeline.training.classic.recipe import ClassicRecipe


@dataclass(frozen=True)
class TrainedModel:
    """A trained model, opened.

    Attributes:
        card: of the training.
        checkpoints: by fold.
        target: what is predicted, with the model's own head.
        weights: folder of the files that a network needs before its checkpoint can be loaded.
        network: opened; None for a model without one of its own.
        head: on frozen backbones, opened; None for a model of another kind.
    """

    card: ModelCard
    checkpoints: dict[int, Path]
    target: Target
    weights: Path
    network: OpenedNetwork | None
    head: OpenedHead | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the columns of its predictions."""
        return self.target.columns

    @cached_property
    def attribution(self) -> Attribution | None:
        """Computes heat maps; None for a model without convolutions or attention."""
        return make_attribution(self.network) if self.network is not None else None

    def predict_folds(
        self, images: Images, folds: Sequence[int] | None = None, with_features: bool = False
    ) -> Iterator[FoldOutputs]:
        """Yields the outputs of each fold's model for images.

        Args:
            images: uint8 (n, size, size, channels), as the image store keeps them; n > 0.
            folds: which; None for all.
            with_features: whether logits and features are computed as well, which only a network has.
        """
        paths = [self.checkpoints[fold] for fold in (self.checkpoints if folds is None else folds)]
        with tempfile.TemporaryDirectory(prefix="predicting-") as folder:
            work = Path(folder)
            if self.head is not None:
                for logits in self.head.predict_logits(paths, images, work):
                    yield FoldOutputs(combine_views(logits, self.card, self.target))
            elif self.network is None:
                place = f"card of {self.card.model}: config"
                recipe = parse(self.card.config, ClassicRecipe, place)
                for logits in predict_classic_logits(
                    recipe, paths, InferenceInput(images, self.target, self.weights, work)
                ):
                    yield FoldOutputs(combine_views(logits, self.card, self.target))
            elif not with_features:
                for logits in self.network.predict_logits(paths, images, work):
                    yield FoldOutputs(combine_views(logits, self.card, self.target))
            else:
                for logits, features in self.network.predict_logits_and_features(paths, images, work):
                    yield FoldOutputs(
                        combine_views(logits, self.card, self.target), np.asarray(logits[0], dtype=np.float32), features
                    )


def read_form(root: Path) -> StorageForm:
    """Reads how the active competition stores its images."""
    return StorageForm(**load_competition(root).storage.model_dump())


def open_trained_model(
    root: Path, card: ModelCard, keep: bool = False, precision: Precision | None = None
) -> TrainedModel:
    """Opens a trained model.

    Args:
        root: the repository folder.
        card: of the model.
        keep: whether weights that were read stay in memory.
        precision: what to compute in; None for what it was trained in.

    Raises:
        InputError: a checkpoint is missing, or the card is not one of this version.
    """
    target = give_trained_head(card, read_target(prepared_folder(root)))
    form, weights = read_form(root), weights_folder(root)
    paths = list_checkpoints(root, card)
    shape = TaskShape(form.size, form.channels, target.n_outputs)
    head = open_head(card, shape, target, weights, precision)
    network = open_network(card, shape, weights, keep, precision)
    by_fold = dict(zip(sorted(map(int, card.fold_scores)), paths, strict=True))
    return TrainedModel(card, by_fold, target, weights, network, head)
