"""Heads on cached features: which frozen backbones see the images, and what is fitted to their features, as a recipe.

A head knows the backbones by their features alone: where these are kept, no network is built and no backend starts.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.core.bounds import Rounds, Width
from pipeline.core.config import Section, parse
from pipeline.core.errors import InputError
from pipeline.core.targets.contract import Target
from pipeline.core.targets.grade_heads import GradesHead
from pipeline.images.preprocessing import Steps
from pipeline.images.views import Views, remove_mirror_views
from pipeline.training.recipes.model_yaml import Settings
from pipeline.training.recipes.standalone import StandaloneRecipe
from pipeline.training.tabular.recipe import Boosting

Penalty = Annotated[float, Field(gt=0.0)]
TORCH_NETWORKS = ("timm", "huggingface")  # that PyTorch computes: see `torch_backbones`


class LogisticHead(Section):
    """Multinomial logistic regression with an L2 penalty, fitted by L-BFGS; each label and number by its own loss.

    Attributes:
        penalties: those tried, strongest first: each is that of one weight, per row, times the number of features; the
            holdout within the training rows chooses.

    Reference: Kornblith et al. 2019, Do better ImageNet models transfer better?, https://arxiv.org/abs/1805.08974
    """

    name: Literal["logistic"]
    penalties: tuple[Penalty, ...] = Field(default=(2e-4, 6e-5, 2e-5, 6e-6, 2e-6), min_length=1)


class SelectedHead(LogisticHead):
    """Logistic regression on the features that a group lasso weighs most: those of many layers and backbones joined.

    A group is a feature with its weights for all outputs; the lasso is that of least squares on marks of the classes.

    Attributes:
        keep: the share of features that stay, 1 for all of them.
        lasso: its penalty, as a share of the smallest one that leaves no feature.

    Reference: Evci et al. 2022, Head2Toe, https://arxiv.org/abs/2201.03529; Yuan and Lin 2006, group lasso
    """

    name: Literal["selected"]  # type: ignore[assignment]
    keep: float = Field(default=0.5, gt=0.0, le=1.0)
    lasso: float = Field(default=0.1, gt=0.0, lt=1.0)


class RidgeHead(Section):
    """Ridge regression, of classes on their marks, whose outputs a scale then turns into logits.

    Attributes:
        penalties: as those of `LogisticHead`.

    Reference: Hoerl and Kennard 1970, https://doi.org/10.1080/00401706.1970.10488634
    """

    name: Literal["ridge"]
    penalties: tuple[Penalty, ...] = Field(default=(2e-3, 6e-4, 2e-4, 6e-5, 2e-5), min_length=1)


class DiscriminantHead(Section):
    """Linear discriminant analysis: one covariance for all classes, shrunk towards a multiple of the identity.

    Attributes:
        shrinkages: those tried.

    Reference: Friedman 1989, Regularized discriminant analysis, https://doi.org/10.1080/01621459.1989.10478752
    """

    name: Literal["discriminant"]
    shrinkages: tuple[Annotated[float, Field(gt=0.0, le=1.0)], ...] = Field(default=(0.5, 0.2, 0.05), min_length=1)


class PrototypeHead(Section):
    """Nearest class mean in standardised features.

    Reference: Mensink et al. 2013, https://doi.org/10.1109/TPAMI.2013.83
    """

    name: Literal["prototypes"]


class NeighbourHead(Section):
    """The nearest training images by cosine, each with a weight that falls with its distance.

    Attributes:
        neighbours: how many.
        temperature: of the weights: exp(cosine / temperature).

    Reference: Wu et al. 2018, section 3.4, https://arxiv.org/abs/1805.01978
    """

    name: Literal["neighbours"]
    neighbours: Rounds = 40
    temperature: float = Field(default=0.05, gt=0.0)


class TreesHead(Section):
    """Gradient-boosted trees on the first principal components of the features; see `Boosting`.

    Attributes:
        components: how many.
        boosting: settings of the trees.
    """

    name: Literal["trees"]
    components: Width = 64
    boosting: Boosting = Boosting()


AnyHead = Annotated[
    LogisticHead | SelectedHead | RidgeHead | DiscriminantHead | PrototypeHead | NeighbourHead | TreesHead,
    Field(discriminator="name"),
]


class FeatureInput(Section):
    """What a frozen backbone sees.

    Attributes:
        size: side in pixels; None means the competition's storage size.
        normalise: as that of a network; statistics of a fold's rows would differ between folds.
        preprocess: what every image goes through beforehand, once.
    """

    size: int | None = Field(default=None, ge=4, le=2048)
    normalise: Literal["auto", "symmetric", "unit", "image"] = "auto"
    preprocess: Steps = ()


class FrozenBackbone(Section):
    """A frozen backbone.

    Attributes:
        network: the section that describes it, as in the file of a network with ``unfreeze: head``; its ``head`` counts
            for nothing. It is checked when the backbone is built, as that starts the backend. ``timm`` (``model``,
            ``weights``) and ``huggingface`` (``folder``, ``pooling``) name models that PyTorch computes, if installed.
    """

    input: FeatureInput = FeatureInput()
    network: dict[str, Any]


class HeadRecipe(StandaloneRecipe):
    """All settings of one head on cached features, from ``configs/models/<model>.yaml``.

    Attributes:
        backbones: whose features are joined.
        head: what is fitted to them.
        mirror_training: each training row is there twice, the second time mirrored left to right.
        grades: the head of ordered grades, as ``training.grades`` of a network.
        columns: whether the competition's columns in addition to the picture are features, too.
        views: those that are averaged.
    """

    backbones: tuple[FrozenBackbone, ...] = Field(min_length=1)
    head: AnyHead
    mirror_training: bool = True
    grades: GradesHead = "classification"
    columns: bool = Field(default=False, exclude_if=lambda columns: not columns)
    views: Views = Views(mirror=True)

    @model_validator(mode="after")
    def _columns_have_weights(self) -> "HeadRecipe":
        if self.columns and isinstance(self.head, PrototypeHead | NeighbourHead | TreesHead):
            raise ValueError(
                f"columns are joined to heads that weigh each feature, and {self.head.name} does not; say logistic, "
                "selected, ridge or discriminant, or name the model under members of a tabular one"
            )
        return self

    @field_validator("views")
    @classmethod
    def _one_size(cls, views: Views) -> Views:
        if views.size:
            raise ValueError("size is for networks that train on images; set input.size of the backbones")
        return views

    @field_validator("backbones")
    @classmethod
    def _no_two_alike(cls, backbones: tuple[FrozenBackbone, ...]) -> tuple[FrozenBackbone, ...]:
        if len({each.model_dump_json() for each in backbones}) < len(backbones):
            raise ValueError("two backbones are the same; name each once")
        return backbones


def parse_head_recipe(settings: Settings, place: str) -> HeadRecipe:
    """Builds a recipe from a file's settings; ``place`` is what errors call their origin.

    Raises:
        InputError: they do not fit the schema.
    """
    return parse(settings, HeadRecipe, place)


def remove_mirrored_rows(recipe: HeadRecipe) -> HeadRecipe:
    """Returns the recipe for a competition whose mirrored images are no members of their class."""
    return recipe.model_copy(update={"mirror_training": False, "views": remove_mirror_views(recipe.views)})


def check_head(head: AnyHead, target: Target) -> None:
    """Refuses a head of classes for a target that has none.

    Raises:
        InputError: the head does not fit the target.
    """
    if not isinstance(head, DiscriminantHead | PrototypeHead):
        return
    if target.activation != "softmax" or target.truth_width != 1:
        raise InputError(
            f"head.name: {head.name} is for one class or for grades as classes, and the target is {target.kind}; say "
            "logistic, selected, ridge, neighbours or trees"
        )
