"""Kinds of sources: where a competition's files come from."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.core.bounds import Seed
from pipeline.core.config import Section

SLUG = r"[a-z0-9][a-z0-9-]*"  # the last part of a Kaggle competition's address


class BundledSource(Section):
    """scikit-learn's handwritten digits, written to disk as a Kaggle download with a held-back solution.

    Attributes:
        name: the data set.
        test_fraction: share of the images that become the test set.
        seed: of that choice.
    """

    kind: Literal["sklearn"]
    name: Literal["digits"]
    test_fraction: float = Field(default=0.2, gt=0.0, lt=1.0)
    seed: Seed = 0


class KerasSource(Section):
    """A data set of ``keras.datasets`` (downloads once), in the form of a Kaggle download.

    Attributes:
        name: the data set.
        classes: keeps only these classes of those that Keras gives, by number, with their names; None keeps all.
    """

    kind: Literal["keras"]
    name: Literal["mnist", "fashion_mnist", "cifar10", "cifar100"]
    classes: dict[int, str] | None = None


class LocalSource(Section):
    """A zip or a folder.

    Attributes:
        path: relative to the repository, absolute, or through ``${VARIABLE}``.
    """

    kind: Literal["local"]
    path: str


class KaggleSource(Section):
    """A competition at Kaggle, downloaded by its command line client.

    Attributes:
        slug: the last part of the competition's address.
    """

    kind: Literal["kaggle"]
    slug: str = Field(pattern=f"^{SLUG}$")


Source = Annotated[BundledSource | KerasSource | LocalSource | KaggleSource, Field(discriminator="kind")]
