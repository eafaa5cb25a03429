"""Losses of every kind of target, from the settings of a model's file; float32 at any precision.

Targets are (batch, n_columns), outputs (batch, n_outputs) before any activation.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from pipeline.core.config import Section
from pipeline.core.errors import InputError, near_names
from pipeline.core.targets.classes import Grades, OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.grade_heads import CumulativeGrades, RegressedGrades


class PlainLoss(Section):
    """A loss without settings.

    Attributes:
        name: ``mse`` and ``mae`` of numbers, in standard deviations; ``kl`` the divergence from shares of votes.
    """

    name: Literal["mse", "mae", "kl"]


class Huber(Section):
    """Squared error near zero, absolute error beyond; for numbers.

    Attributes:
        delta: where the one becomes the other, in standard deviations.

    Reference: Huber 1964, Robust estimation of a location parameter, https://doi.org/10.1214/aoms/1177703732
    """

    name: Literal["huber"]
    delta: float = Field(default=1.0, gt=0.0)


class Asymmetric(Section):
    """Binary cross-entropy that forgets easy rows without a label; for several labels.

    Attributes:
        gamma_negative: focus on labels that a row has not.
        gamma_positive: focus on labels that it has.
        margin: probabilities below it cost nothing where a row has not the label.

    Reference: Ben-Baruch et al. 2021, Asymmetric loss for multi-label classification, https://arxiv.org/abs/2009.14119
    """

    name: Literal["asymmetric"]
    gamma_negative: float = Field(default=4.0, ge=0.0, le=10.0)
    gamma_positive: float = Field(default=1.0, ge=0.0, le=10.0)
    margin: float = Field(default=0.05, ge=0.0, lt=1.0)


class ArcFace(Section):
    """Cross-entropy with an angular margin, on a head of cosines; for one class, or grades as classes.

    Attributes:
        margin: in radians, added to the angle between an image and its class.

    Reference: Deng et al. 2019, ArcFace, https://arxiv.org/abs/1801.07698
    """

    name: Literal["arcface"]
    margin: float = Field(default=0.3, ge=0.0, lt=1.5)


Loss = Annotated[PlainLoss | Huber | Asymmetric | ArcFace, Field(discriminator="name")]


@dataclass(frozen=True)
class LossSettings:
    """What a model's file says of the loss.

    Attributes:
        loss: instead of the kind's own: cross-entropy of classes, shares and labels, squared error of numbers.
        label_smoothing: share of each target that is spread over all classes; of labels, moved towards 1/2.
        focal_gamma: how much less well-classified images or labels count.
        parts: of several targets, what each counts; 1 where none is named.
        counted: an image counts as much as its target sums to.
        scale: of a head of cosines; None for linear logits.
    """

    loss: Loss | None = None
    label_smoothing: float = 0.0
    focal_gamma: float = 0.0
    parts: dict[str, float] | None = None
    counted: bool = False
    scale: float | None = None


def check_loss(settings: LossSettings, target: Target) -> None:
    """Refuses settings that do not fit the target.

    Raises:
        InputError: they would change nothing, or have no meaning for it.
    """
    names = [name for name, *_ in target.each() if name]
    for name in settings.parts or {}:
        if not names:
            raise InputError(
                f"training.loss_weights is for several targets at once, not for {target.kind}; leave it out"
            )
        if name not in names:
            raise InputError(f"training.loss_weights: no target is called {name!r}; {near_names(name, names)}")
    parts = [part for _, part, *_ in target.each()]
    wanted = settings.loss
    if wanted is not None and not any(wanted.name in list_losses(part) for part in parts):
        known = sorted({name for part in parts for name in list_losses(part)})
        more = f"; {near_names(wanted.name, known)}" if known else "; leave it out"
        raise InputError(f"training.loss: {wanted.name} does not fit {_describe(target)}{more}")
    for key, value in (("label_smoothing", settings.label_smoothing), ("focal_gamma", settings.focal_gamma)):
        if value and not any(takes_setting(part, key) for part in parts):
            raise InputError(f"training.{key} does not go with {_describe(target)}; leave it out")
    if settings.scale is not None and not all(_is_of_classes(part) for part in parts):
        raise InputError(
            f"network.head.cosine is for one class, or grades as classes, and not for {_describe(target)}; leave it out"
        )
    if isinstance(wanted, ArcFace) and settings.scale is None:
        raise InputError("training.loss: arcface is of cosines; add cosine: {} to network.head of the model's file")
    if settings.focal_gamma and wanted is not None:
        raise InputError(f"training.loss: {wanted.name} and focal_gamma are two losses; leave one out")


def _describe(target: Target) -> str:
    if isinstance(target, RegressedGrades | CumulativeGrades):
        return f"grades with the head {'regression' if isinstance(target, RegressedGrades) else 'cumulative'}"
    return f"a target of kind {target.kind}"


def list_losses(target: Target) -> tuple[str, ...]:
    """Names the losses that a target may have instead of its own."""
    if target.activation == "linear":
        return ("mse", "mae", "huber")
    if _is_of_classes(target):
        return ("arcface",)
    if target.kind == "several_labels":
        return ("asymmetric",)
    return ("kl",) if target.kind == "vote_shares" else ()


def _is_of_classes(target: Target) -> bool:
    return isinstance(target, OneClass | Grades) and not isinstance(target, RegressedGrades | CumulativeGrades)


def takes_setting(target: Target, key: str) -> bool:
    """Says whether ``label_smoothing`` or ``focal_gamma`` means something for a target."""
    if key == "label_smoothing":
        return target.activation != "linear"
    return target.activation != "linear" and not isinstance(target, CumulativeGrades)
