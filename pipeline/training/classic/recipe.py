"""Classic models: features made by hand and a linear classifier, as a recipe and as arrays that predict.

A checkpoint is an .npz of plain arrays: nothing in it can run.
"""

import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, field_validator

from pipeline.core.arrays import Images, Truth
from pipeline.core.config import Section, parse
from pipeline.core.errors import InputError, one_line
from pipeline.core.files import atomic_path
from pipeline.core.paths import model_path
from pipeline.core.targets.contract import Target
from pipeline.images.hog import Hog, compute_hog
from pipeline.images.preprocessing import Steps
from pipeline.images.sift import Sift
from pipeline.images.views import Views, average_views, make_views, remove_mirror_views
from pipeline.training.classic.linear import LinearFit, LogisticRegression, Matrix, fit_linear
from pipeline.training.classic.local_features import extract_descriptors
from pipeline.training.classic.visual_words import count_words
from pipeline.training.recipes.model_yaml import Settings, read_model
from pipeline.training.recipes.standalone import StandaloneRecipe


class ClassicInput(Section):
    """The images that features are made of.

    Attributes:
        preprocess: what every image goes through beforehand, once: equalisation, denoising...
    """

    preprocess: Steps = ()


class ClassicRecipe(StandaloneRecipe):
    """All settings of one classic model, from ``configs/models/<model>.yaml``.

    Attributes:
        input: what images go through first.
        features: what describes an image; its ``size`` is the size of the input.
        mirror_training: each training row is there twice, the second time mirrored left to right.
        views: those that are averaged; ``size``, ``shift``, ``crops`` and ``scales`` belong to networks.
    """

    input: ClassicInput = ClassicInput()
    features: Annotated[Hog | Sift, Field(discriminator="name")]
    classifier: LogisticRegression
    mirror_training: bool = False
    views: Views = Views()

    @property
    def is_random(self) -> bool:
        """Whether another seed trains another model: words are found from drawn descriptors."""
        return isinstance(self.features, Sift)

    @field_validator("views")
    @classmethod
    def _mirror_alone(cls, views: Views) -> Views:
        for key in ("size", "shift", "crops", "scales"):
            if getattr(views, key):
                raise ValueError(f"{key} is for networks; a classic model takes mirror alone")
        return views


def remove_mirror(recipe: ClassicRecipe) -> ClassicRecipe:
    """Returns the recipe for a competition whose mirrored images are no members of their class."""
    return recipe.model_copy(update={"mirror_training": False, "views": remove_mirror_views(recipe.views)})


def load_classic_recipe(root: Path, model: str) -> ClassicRecipe | None:
    """Reads a model's file; None where it describes no classic model: it has no ``classifier``.

    Raises:
        InputError: no such model (the near names are listed), or the file does not fit the schema.
    """
    settings, _ = read_model(root, model)
    return parse_classic_recipe(settings, str(model_path(root, model))) if "classifier" in settings else None


def parse_classic_recipe(settings: Settings, place: str) -> ClassicRecipe:
    """Builds a recipe from a file's settings; ``place`` is what errors call their origin.

    Raises:
        InputError: they do not fit the schema.
    """
    if "training" in settings:
        raise InputError(
            f"{place}: training (phases, soft labels, pseudo-labels) is for networks, and a model with a classifier is "
            "none; remove one of the two"
        )
    return parse(settings, ClassicRecipe, place)


@dataclass(frozen=True)
class ClassicModel:
    """A classic model as fitted on one fold; float32 all through.

    Attributes:
        vocabulary: (words, 128), or (0, 128) for features without words.
        mean: (n_features,), subtracted.
        scale: (n_features,), divided by.
        coefficients: (n_features, n_outputs).
        intercepts: (n_outputs,).
    """

    vocabulary: Matrix
    mean: Matrix
    scale: Matrix
    coefficients: Matrix
    intercepts: Matrix

    @property
    def parameters(self) -> int:
        """Count of fitted numbers."""
        return sum(array.size for array in asdict(self).values())

    @property
    def trainable_parameters(self) -> int:
        """Count of those that the classifier's loss moves."""
        return self.coefficients.size + self.intercepts.size

    def fold_scaling(self) -> tuple[Matrix, Matrix]:
        """Returns coefficients and intercepts of the features as they come: two passes over them less."""
        coefficients = self.coefficients / self.scale[:, None]
        return coefficients, self.intercepts - self.mean @ coefficients

    def logits(self, features: Matrix) -> Matrix:
        """Turns features (n, n_features) into logits (n, n_outputs)."""
        return np.asarray((features - self.mean) / self.scale @ self.coefficients + self.intercepts, dtype=np.float32)


def fit_classifier(
    features: Matrix,
    truth: Truth,
    target: Target,
    section: LogisticRegression,
    vocabulary: Matrix,
    weights: Matrix | None = None,
) -> tuple[ClassicModel, int]:
    """Fits scaling and classifier.

    Args:
        features: (n, n_features); scaled in place, as a copy would double the memory.
        truth: of the n rows.
        target: what is predicted.
        section: how.
        vocabulary: what made the features, kept beside the rest.
        weights: what each row counts: float32 (n,); None where all count the same.

    Returns:
        The model, and the iterations it took.

    Raises:
        InputError: a setting does not fit the target.
    """
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviation = features.std(axis=0, dtype=np.float64).astype(np.float32)
    if not section.scale:
        mean, deviation = np.zeros_like(mean), np.ones_like(deviation)
    scale = np.where(deviation > 1e-6, deviation, np.float32(1))  # a constant feature carries no information
    features -= mean
    features /= scale
    fit: LinearFit = fit_linear(features, truth, target, section, weights)
    arrays = (
        np.ascontiguousarray(array, dtype=np.float32) for array in (mean, scale, fit.coefficients, fit.intercepts)
    )
    return ClassicModel(vocabulary, *arrays), fit.iterations


def predict_logits(model: ClassicModel, recipe: ClassicRecipe, images: Images, target: Target) -> Matrix:
    """Returns the logits (n, n_outputs) of images (n, size, size, channels), averaged over the recipe's views."""
    views = [
        model.logits(compute_features(model, recipe, np.ascontiguousarray(view)))
        for view in make_views(images, recipe.views)
    ]
    return average_views(np.stack(views), recipe.views, target)


def save_classic_model(path: Path, model: ClassicModel) -> None:
    """Writes a checkpoint atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **asdict(model))


def load_classic_model(path: Path) -> ClassicModel:
    """Reads a checkpoint.

    Raises:
        InputError: no such file, or not a checkpoint of a classic model.
    """
    try:
        with np.load(path, allow_pickle=False) as kept:
            return ClassicModel(**{name: kept[name] for name in ClassicModel.__dataclass_fields__})
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no checkpoint of a classic model ({one_line(error)}); train it again") from error


def compute_features(model: ClassicModel, recipe: ClassicRecipe, images: Images) -> Matrix:
    """Returns the features of images (n, size, size, channels), histograms over the model's own words among them."""
    if isinstance(recipe.features, Hog):
        return compute_hog(images, recipe.features)
    return count_words(
        extract_descriptors(images, recipe.features), np.arange(len(images)), model.vocabulary, recipe.features
    )
