"""Tabular models: columns beside the picture and, where named, predictions of image models, as a recipe."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from pipeline.core.bounds import Rounds
from pipeline.core.config import Section, parse
from pipeline.core.paths import oof_path
from pipeline.images.views import Views
from pipeline.training.recipes.model_yaml import Settings
from pipeline.training.recipes.standalone import StandaloneRecipe


class Boosting(Section):
    """Gradient-boosted trees on histograms, scikit-learn's.

    Attributes:
        learning_rate: what each tree counts.
        iterations: number of trees; of several classes, for each class.
        leaves: the most that a tree has.
        min_rows: the fewest training rows in a leaf.
        l2: penalty on the values of leaves.

    Reference: Ke et al. 2017, LightGBM, https://papers.nips.cc/paper/6907, whose method they follow
    """

    learning_rate: float = Field(default=0.05, gt=0.0, le=1.0)
    iterations: Rounds = 150
    leaves: int = Field(default=15, ge=2, le=65_536)
    min_rows: Rounds = 20
    l2: float = Field(default=1.0, ge=0.0)


class Logistic(Section):
    """Regularised linear models on standardised columns: logistic regression, ridge for numbers.

    Attributes:
        C: the inverse of the penalty: smaller is simpler.
    """

    C: float = Field(default=1.0, gt=0.0)


class TabularRecipe(StandaloneRecipe):
    """All settings of one tabular model, from ``configs/models/<model>.yaml``.

    Attributes:
        tabular: ``boosting`` or ``linear``.
        boosting: settings of the trees.
        linear: settings of the linear model.
        members: image models whose predictions are columns too: out-of-fold ones of training rows.
        relative: numbers are also given relative to the mean of the unit that ``columns.relative_to`` names.
        views: there are none; what every recipe has.
    """

    tabular: Literal["boosting", "linear"]
    boosting: Boosting = Boosting()
    linear: Logistic = Logistic()
    members: tuple[str, ...] = ()
    relative: bool = True
    views: Views = Views()

    @model_validator(mode="after")
    def _no_views(self) -> "TabularRecipe":
        if self.views != Views():
            raise ValueError("views are of images; a tabular model has none")
        return self

    @property
    def oof_files(self) -> tuple[str, ...]:
        """OOF predictions that are learnt from, relative to the repository."""
        return tuple(str(oof_path(Path(), member)) for member in self.members)


def parse_tabular_recipe(settings: Settings, place: str) -> TabularRecipe:
    """Builds a recipe from a file's settings; ``place`` is what errors call their origin.

    Raises:
        InputError: they do not fit the schema.
    """
    return parse(settings, TabularRecipe, place)
