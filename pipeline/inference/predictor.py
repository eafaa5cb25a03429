"""Predictors of any images, by one trained model or the ensemble: probabilities, unknown images and heat maps."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.core import paths, tables
from pipeline.core.active import active_name
from pipeline.core.arrays import Images, Probs
from pipeline.core.cards import EnsembleCard, SubmissionCard, read_card
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.paths import classes_path, prepared_folder
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.prepared import read_target
from pipeline.images.fitting import StorageForm
from pipeline.inference.checkpoints import average_folds
from pipeline.inference.outputs import FoldOutputs
from pipeline.inference.saliency.heat import Heat, enlarge_heat
from pipeline.inference.selection import select_models
from pipeline.inference.trained_model import TrainedModel, choose_columns, choose_outputs, open_trained_model, read_form
from pipeline.inference.unknown.detector import UnknownDetector, fit_ensemble_detector, open_detector

if TYPE_CHECKING:
    from pipeline.ensemble.recombining import Combine


@dataclass(frozen=True)
class ImagePredictions:
    """Predictions for n images.

    Attributes:
        probs: float32 (n, n_columns).
        p_known: float64 (n,), the share of known images that look at least as unusual; small for unknown ones. None
            where images have no class, so that none can be of an unknown one.
    """

    probs: Probs
    p_known: NDArray[np.float64] | None


@dataclass(frozen=True)
class Predictor:
    """A trained model or the ensemble, opened.

    Attributes:
        name: the model, or ``ensemble``.
        form: how images must be stored.
        target: what is predicted; its columns are the classes, labels or numbers.
        class_names: readable names of the columns, in the same order.
        models: the models that predict, by name.
        detector: of unknown images; None where images have no class.
        detecting_model: the model whose outputs it scores; None for the combination.
        members: all members in the ensemble's order; empty for a single model.
        combine: the ensemble's combination, its decision rule included.
        rule: the decision rule of a single model; None where the plain decision is as good.
    """

    name: str
    form: StorageForm
    target: Target
    class_names: tuple[str, ...]
    models: dict[str, TrainedModel]
    detector: UnknownDetector | None
    detecting_model: str | None
    members: tuple[str, ...] = ()
    combine: "Combine | None" = None
    rule: "Combine | None" = None

    def predict(self, images: Images) -> ImagePredictions:
        """Predicts images, uint8 (n, size, size, channels) as `form` stores them."""
        if not len(images):
            none = np.zeros((0, len(self.target.columns)), dtype=np.float32)
            return ImagePredictions(none, None if self.detector is None else np.zeros(0))
        outputs = {
            name: list(
                model.predict_folds(images, with_features=name == self.detecting_model and model.card.has_network)
            )
            for name, model in self.models.items()
        }
        probs = self._combine_members(
            {name: average_folds([fold.probs for fold in folds]) for name, folds in outputs.items()}
        )
        if self.detector is None:
            return ImagePredictions(probs, None)
        if self.detecting_model is not None:
            return ImagePredictions(probs, self.detector.compute_p_values(outputs[self.detecting_model]))
        by_fold = [
            FoldOutputs(self._combine_members({name: folds[fold].probs for name, folds in outputs.items()}))
            for fold in range(len(self.detector.known_scores))
        ]
        return ImagePredictions(probs, self.detector.compute_p_values(by_fold))

    def compute_heat(self, images: Images, columns: NDArray[np.int64]) -> Heat:
        """Computes heat maps: the mean over all folds and seeds of the models that have them.

        Args:
            images: uint8 (n, size, size, channels), n > 0.
            columns: int64 (n,), the column of a prediction that each map is for.

        Returns:
            float32 (n, size, size) in [0, 1].
        """
        folds = [
            (attribution, choose_outputs(model.target, columns), path)
            for model in self.models.values()
            if (attribution := model.attribution) is not None
            for of_seeds in model.checkpoints.values()
            for path in of_seeds
        ]
        # Added up one by one: maps of all folds of all models of a thousand images would be gigabytes.
        total = np.zeros(images.shape[:3])
        for attribution, outputs, path in folds:
            total += attribution.compute_heat(path, images, outputs)
        return enlarge_heat((total / len(folds)).astype(np.float32), images.shape[1])

    def choose_columns(self, predictions: ImagePredictions) -> NDArray[np.int64]:
        """Chooses the column of each image (n,) that a heat map is for."""
        return choose_columns(self.target, predictions.probs)

    @property
    def has_heat(self) -> bool:
        """Whether any of its models has heat maps."""
        return any(model.attribution for model in self.models.values())

    def require_heat(self) -> None:
        """Refuses models without heat maps.

        Raises:
            InputError: no model has convolutions or attention.
        """
        if not self.has_heat:
            raise InputError(
                f"{self.name} has neither convolutions nor attention, so it has no heat maps; "
                "drop --gradcam, or name a convolutional model with --model"
            )

    def _combine_members(self, probs: dict[str, Probs]) -> Probs:
        if self.combine is None:
            return probs[self.name] if self.rule is None else self.rule(probs[self.name])
        # A member without weight has no influence, whatever its probabilities.
        even = np.full_like(next(iter(probs.values())), 1 / len(self.target.columns))
        return self.combine(np.stack([self.target.normalise(probs.get(name, even)) for name in self.members]))


def open_predictor(root: Path, name: str, keep: bool = False) -> Predictor:
    """Opens an ensemble or a model.

    Args:
        root: the repository folder.
        name: a model, or ``ensemble``.
        keep: whether all weights stay in memory, for images that come one by one.

    Raises:
        InputError: there is no such name, it is not trained yet, or something of it is missing.
    """
    _require_trained(root, name)
    selection = select_models(root, name)
    models = {card.model: open_trained_model(root, card, keep, by_graph=not keep) for card in selection.models}
    prepared = prepared_folder(root)
    target, names = read_target(prepared), tables.read_classes(prepared / "class_names.json")
    detector, detecting_model = _choose_detector(root, name, models, target)
    form = read_form(root)
    if name != paths.ENSEMBLE:
        rule = _read_rule(root, name, target)
        return Predictor(name, form, target, names, models, detector, detecting_model, rule=rule)
    from pipeline.ensemble.recombining import rebuild_combination  # scikit-learn: not for a single model

    combine = rebuild_combination(root, load_competition(root).metric.metric_for(target))
    return Predictor(name, form, target, names, models, detector, detecting_model, selection.members, combine)


def _read_rule(root: Path, name: str, target: Target) -> "Combine | None":
    """Reads the decision rule of a single model from the card of its submission, if it has one."""
    path = paths.submission_path(root, name).with_suffix(".json")
    card = read_card(path, SubmissionCard) if path.is_file() else None
    if card is None or card.rule is None or card.competition != active_name(root):
        return None
    from pipeline.ensemble.recombining import read_rule_alone

    return read_rule_alone(card, target)


def _choose_detector(
    root: Path, name: str, models: dict[str, TrainedModel], target: Target
) -> tuple[UnknownDetector | None, str | None]:
    """Chooses among the detectors of the models, and of the combination where there is one; none without classes."""
    if not isinstance(target, OneClass):
        return None, None
    fitted: dict[str | None, UnknownDetector] = {one: open_detector(root, model) for one, model in models.items()}
    if name == paths.ENSEMBLE:
        card = read_card(paths.card_path(root, name), EnsembleCard)
        fitted = {None: fit_ensemble_detector(root, card, target.columns), **fitted}
    best = max(fitted, key=lambda name: max(fitted[name].aurocs.values(), default=0.0))
    return fitted[best], best


def _require_trained(root: Path, name: str) -> None:
    path = paths.card_path(root, name)
    if not path.is_file() and not classes_path(root).is_file():
        raise InputError(f"{path} does not exist: nothing is trained yet; run `dvc repro`")
