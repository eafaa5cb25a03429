"""A trained model of this repository: its card, its folds' checkpoints, its network, built once for all that comes."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.core import tables
from pipeline.core.active import weights_folder
from pipeline.core.arrays import Images
from pipeline.core.cards import ModelCard
from pipeline.core.competition import load_competition
from pipeline.core.config import parse
from pipeline.core.paths import classes_path
from pipeline.images.decoding import StorageForm
from pipeline.inference.checkpoints import Unseen, classic_logits, probs_of
from pipeline.inference.opened_network import Network, open_network
from pipeline.inference.outputs import Said
from pipeline.inference.saliency.attribution import Attribution, attribution_of
from pipeline.inference.selection import list_checkpoints
from pipeline.networks.runtime import Precision
from pipeline.training.classic.recipe import ClassicRecipe


@dataclass(frozen=True)
class TrainedModel:
    """What predicts.

    Attributes:
        card: what was trained.
        checkpoints: by fold.
        classes: class names.
        weights: folder of the files that a network needs before its checkpoint can be loaded.
        network: opened; None for a model without one.
    """

    card: ModelCard
    checkpoints: dict[int, Path]
    classes: tuple[str, ...]
    weights: Path
    network: Network | None

    @cached_property
    def attribution(self) -> Attribution | None:
        """What can be asked where the model looks, if anything."""
        return attribution_of(self.network) if self.network is not None else None

    def said(self, images: Images, folds: Sequence[int] | None = None, deep: bool = False) -> Iterator[Said]:
        """Yields what each fold's model says of images.

        Args:
            images: uint8 (n, size, size, channels), as the image store keeps them; n > 0.
            folds: which; None for all.
            deep: whether logits and features are asked for as well, which only a network has.
        """
        paths = [self.checkpoints[fold] for fold in (self.checkpoints if folds is None else folds)]
        with tempfile.TemporaryDirectory(prefix="predicting-") as folder:
            work = Path(folder)
            if self.network is None:
                place = f"card of {self.card.model}: config"
                recipe = parse(self.card.config, ClassicRecipe, place)
                for logits in classic_logits(recipe, paths, Unseen(images, self.classes, self.weights, work)):
                    yield Said(probs_of(logits, self.card))
            elif not deep:
                for logits in self.network.logits(paths, images, work):
                    yield Said(probs_of(logits, self.card))
            else:
                for logits, features in self.network.logits_and_features(paths, images, work):
                    yield Said(probs_of(logits, self.card), np.asarray(logits[0], dtype=np.float32), features)


def stored_form(root: Path) -> StorageForm:
    """Returns how the active competition keeps its images."""
    storage = load_competition(root).storage
    return StorageForm(storage.size, storage.channels, storage.resize)


def open_model(root: Path, card: ModelCard, keep: bool = False, precision: Precision | None = None) -> TrainedModel:
    """Opens a trained model.

    Args:
        root: the repository folder.
        card: of the model.
        keep: whether weights that were read stay in memory.
        precision: what to compute in; None for what it was trained in.

    Raises:
        InputError: a checkpoint is missing, or the card is not one of this version.
    """
    classes = tables.read_classes(classes_path(root))
    form, weights = stored_form(root), weights_folder(root)
    paths = list_checkpoints(root, card)
    network = open_network(card, form.size, form.channels, len(classes), weights, keep, precision)
    return TrainedModel(
        card, dict(zip(sorted(map(int, card.fold_scores)), paths, strict=True)), classes, weights, network
    )
