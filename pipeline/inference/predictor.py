"""Predictions of any pictures by what was trained: an ensemble or one model, whether it knows them, where it looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core import paths, tables
from pipeline.core.arrays import Images, Probs
from pipeline.core.cards import EnsembleCard, read_card
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.paths import classes_path, prepared_folder
from pipeline.ensemble.members import renormalised
from pipeline.ensemble.recombining import Combine, recombine
from pipeline.images.decoding import StorageForm
from pipeline.inference.checkpoints import mean_of_folds
from pipeline.inference.outputs import Said
from pipeline.inference.saliency.heat import Heat, enlarged
from pipeline.inference.selection import select_models
from pipeline.inference.trained_model import TrainedModel, open_model, stored_form
from pipeline.inference.unknown.fit import Unknown, unknown_of, unknown_of_ensemble


@dataclass(frozen=True)
class Prediction:
    """What is said of n pictures.

    Attributes:
        probs: float32 (n, n_classes).
        usual: float64 (n,), the share of known pictures that look as strange or stranger; small for unknown ones.
    """

    probs: Probs
    usual: NDArray[np.float64]


@dataclass(frozen=True)
class Predictor:
    """An ensemble or a model, opened.

    Attributes:
        name: of it.
        form: how it wants pictures stored.
        classes: labels, in class order.
        class_names: what people call them.
        models: that have a say, by name.
        unknown: what tells unknown pictures.
        judge: the model whose score that is; None for the combination.
        members: all members in the ensemble's order; empty for a single model.
        combine: the ensemble's combination.
    """

    name: str
    form: StorageForm
    classes: tuple[str, ...]
    class_names: tuple[str, ...]
    models: dict[str, TrainedModel]
    unknown: Unknown
    judge: str | None
    members: tuple[str, ...] = ()
    combine: Combine | None = None

    def predict(self, images: Images) -> Prediction:
        """Predicts pictures, uint8 (n, size, size, channels) as `form` stores them."""
        none = np.zeros((0, len(self.classes)), dtype=np.float32)
        if not len(images):
            return Prediction(none, np.zeros(0))
        said = {
            name: list(model.said(images, deep=name == self.judge and model.network is not None))
            for name, model in self.models.items()
        }
        probs = self._combined({name: mean_of_folds([one.probs for one in folds]) for name, folds in said.items()})
        if self.judge is not None:
            return Prediction(probs, self.unknown.p_values(said[self.judge]))
        by_fold = [
            Said(self._combined({name: folds[fold].probs for name, folds in said.items()}))
            for fold in range(len(self.unknown.known))
        ]
        return Prediction(probs, self.unknown.p_values(by_fold))

    def heat(self, images: Images, classes: NDArray[np.int64]) -> Heat:
        """Computes where the models look: the mean over all folds of those that can be asked.

        Args:
            images: uint8 (n, size, size, channels), n > 0.
            classes: int64 (n,), the class that is asked about.

        Returns:
            float32 (n, size, size) in [0, 1].
        """
        looks = [(model, look) for model in self.models.values() if (look := model.attribution) is not None]
        asked = [(look, path) for model, look in looks for path in model.checkpoints.values()]
        # Added up one by one: maps of all folds of all models of a thousand photographs would be gigabytes.
        total = np.zeros(images.shape[:3])
        for look, path in asked:
            total += look.heat(path, images, classes)
        return enlarged((total / len(asked)).astype(np.float32), images.shape[1])

    @property
    def looks(self) -> bool:
        """Whether there is any telling where it looks."""
        return any(model.attribution for model in self.models.values())

    def require_heat(self) -> None:
        """Refuses to look where nothing can be asked.

        Raises:
            InputError: no model has convolutions or attention.
        """
        if not self.looks:
            raise InputError(
                f"{self.name} has neither convolutions nor attention, so there is no telling where it looks; "
                "leave --gradcam out, or name a convolutional model with --model"
            )

    def _combined(self, probs: dict[str, Probs]) -> Probs:
        if self.combine is None:
            return probs[self.name]
        # A member without weight plays no part, whatever it says.
        even = np.full_like(next(iter(probs.values())), 1 / len(self.classes))
        return self.combine(np.stack([renormalised(probs.get(name, even)) for name in self.members]))


def open_predictor(root: Path, name: str, keep: bool = False) -> Predictor:
    """Opens an ensemble or a model.

    Args:
        root: the repository folder.
        name: a model, or ``ensemble``.
        keep: whether all weights stay in memory, for pictures that come one by one.

    Raises:
        InputError: there is no such name, it is not trained yet, or something of it is missing.
    """
    _require_trained(root, name)
    chosen = select_models(root, name)
    models = {card.model: open_model(root, card, keep) for card in chosen.models}
    prepared = prepared_folder(root)
    classes, names = tables.read_classes(prepared / "classes.json"), tables.read_classes(prepared / "class_names.json")
    unknown, judge = _unknown(root, name, models, classes)
    form = stored_form(root)
    if name != paths.ENSEMBLE:
        return Predictor(name, form, classes, names, models, unknown, judge)
    combine = recombine(root, load_competition(root).metric.metric)
    return Predictor(name, form, classes, names, models, unknown, judge, chosen.members, combine)


def _unknown(
    root: Path, name: str, models: dict[str, TrainedModel], classes: Sequence[str]
) -> tuple[Unknown, str | None]:
    """Chooses among the scores of the models, and of the combination where there is one."""
    fitted: dict[str | None, Unknown] = {one: unknown_of(root, model) for one, model in models.items()}
    if name == paths.ENSEMBLE:
        card = read_card(paths.card_path(root, name), EnsembleCard)
        fitted = {None: unknown_of_ensemble(root, card, classes), **fitted}
    judge = max(fitted, key=lambda one: max(fitted[one].aurocs.values(), default=0.0))
    return fitted[judge], judge


def _require_trained(root: Path, name: str) -> None:
    path = paths.card_path(root, name)
    if not path.is_file() and not (classes_path(root)).is_file():
        raise InputError(f"{path} does not exist: nothing is trained yet; run `dvc repro`")
