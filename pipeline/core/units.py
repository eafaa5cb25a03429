"""Units: what several images have one answer for, such as a patient, and how an image's unit is known."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from pipeline.core.config import Section


class UnitTable(Section):
    """The unit of each image, from a table.

    Attributes:
        table: the table.
        image: its column of images.
        columns: those that name the unit; several are joined by ``_`` (``10006_L``).
    """

    by: Literal["table"]
    table: str
    image: str
    columns: tuple[str, ...] = Field(min_length=1)


class UnitPattern(Section):
    """The unit of each image, from its id.

    Attributes:
        pattern: a regular expression that is searched for in the id; its group ``unit`` names the unit.
    """

    by: Literal["pattern"]
    pattern: str

    @field_validator("pattern")
    @classmethod
    def _names_a_unit(cls, pattern: str) -> str:
        return require_groups(pattern, "unit")


class UnitGroup(Section):
    """The unit of each image is its group: the column ``train.group``, or what a container ties together."""

    by: Literal["group"]


UnitSource = Annotated[UnitTable | UnitPattern | UnitGroup, Field(discriminator="by")]


class Units(Section):
    """One answer for several images: of a patient, a breast, a product, a restaurant.

    The sample's ids are those of the units then. Folds keep the images of a unit together.

    Attributes:
        test: the unit of each test image.
        train: the unit of each training image; None where training images are units of their own.
        pooling: ``mean``, ``max`` or ``power`` (the mean of powers, whose exponent is fitted) of a unit's predictions;
            None takes the one that scores best out-of-fold, and ``mean`` where ``train`` is None.
    """

    test: UnitSource
    train: UnitSource | None = None
    pooling: Literal["mean", "max", "power"] | None = None


def require_groups(pattern: str, *names: str) -> str:
    """Returns a regular expression that has named groups.

    Raises:
        ValueError: it is none, or lacks a group.
    """
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise ValueError(f"pattern is not a regular expression ({error})") from error
    for name in names:
        if name not in groups:
            raise ValueError(f"pattern needs a group named {name}, such as (?P<{name}>.+)")
    return pattern
