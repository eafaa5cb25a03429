"""A model's YAML as one typed recipe: input, augmentation, network, training."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from pipeline.augmentation import Augmentation
from pipeline.config import Section, load
from pipeline.networks.build import Network
from pipeline.optimizers import Optimizer
from pipeline.schedules import Constant, Cosine, Schedule
from pipeline.tables import check_model_name
from pipeline.views import Views


class Input(Section):
    """What the network sees; ``size`` None means the competition's storage size."""

    size: int | None = Field(default=None, ge=4, le=2048)


class Training(Section):
    """How long and how a network is trained.

    Attributes:
        select: which weights are kept: the ``last`` ones (their average where ``optimizer.ema`` is set), or the
            ``best`` epoch by validation loss; the latter looks at the fold it reports, and the card says so.
        patience: stops after so many epochs without a lower validation loss; needs ``select: best``.
        validate_every: epochs between looks at the validation fold; they cost time and, alone, decide nothing.
    """

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    optimizer: Optimizer
    schedule: Schedule = Constant(name="constant")
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    select: Literal["last", "best"] = "last"
    patience: int | None = Field(default=None, ge=1)
    validate_every: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _settings_agree(self) -> "Training":
        if self.patience is not None and self.select != "best":
            raise ValueError("patience needs select: best")
        if self.validate_every > 1 and (self.select == "best" or self.schedule.name == "plateau"):
            raise ValueError("select: best and schedule plateau need validate_every: 1")
        if isinstance(self.schedule, Cosine) and self.schedule.warmup_epochs >= self.epochs:
            raise ValueError(f"schedule.warmup_epochs must be less than epochs ({self.epochs})")
        return self

    @property
    def peeked(self) -> tuple[str, ...]:
        """Which choices are made on the fold whose score is reported."""
        found = ["epoch chosen on the validation fold"] if self.select == "best" else []
        found += ["stopped on the validation fold"] if self.patience else []
        found += ["learning rate lowered on the validation fold"] if self.schedule.name == "plateau" else []
        return tuple(found)


class Recipe(Section):
    """The whole truth about one model, from ``configs/models/<model>.yaml``."""

    input: Input = Input()
    augmentation: Augmentation = Augmentation()
    network: Network
    training: Training
    views: Views = Views()


def without_flips(recipe: Recipe) -> Recipe:
    """Returns the recipe for a competition whose mirrored images are no members of their class."""
    augmentation = recipe.augmentation.model_copy(update={"flip": "none"})
    return recipe.model_copy(
        update={"augmentation": augmentation, "views": recipe.views.model_copy(update={"mirror": False})}
    )


def load_recipe(root: Path, model: str) -> Recipe:
    """Reads a model's file.

    Raises:
        InputError: no such model (the near names are listed), or the file does not fit the schema.
    """
    check_model_name(model)
    return load(root / "configs" / "models" / f"{model}.yaml", Recipe)
