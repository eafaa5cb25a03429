"""Phases of a training as its file describes them: length, pace and what trains."""

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from pipeline.core.bounds import BatchSize, Epochs
from pipeline.core.config import Section
from pipeline.training.recipes.optimizers import Optimizer
from pipeline.training.recipes.schedules import Constant, Cosine, Schedule


class Prefix(Section):
    """The lower layers of a backbone, which rest: what they make of each image is computed once, and kept.

    Attributes:
        after: the last of these layers, by the name that Keras gives it: ``block_12_add``. What is above it trains.
        draws: augmented versions of each image that are kept next to the image itself and, where the augmentation
            flips, its mirror image; a step shows one of all these by chance. Where it only flips, none are made.
        limit_gb: gigabytes (1e9 bytes) that all kept versions of one seed may take on the disk; more is refused before
            any is written.
    """

    after: str
    draws: int = Field(default=2, ge=0, le=100)
    limit_gb: float = Field(default=10.0, gt=0.0)


class PhaseRecipe(Section):
    """One phase of a training, with its own length, pace and trainable layers.

    Attributes:
        epochs: passes over the training images.
        schedule: of the learning rate, from the first update of the phase to its last.
        batch_size: images per step; ``auto`` takes what fits into the GPU, 32 on a CPU.
        unfreeze: what trains: ``all``, the ``head`` alone (on features that are computed once), or the head and the top
            n layers of the backbone, counted as Keras counts them.
        size: side of the input in pixels during this phase; None means the model's own.
        layer_decay: the learning rate shrinks by this factor from each layer with a kernel to the one below it.
        draws: augmented versions of each image whose features the head trains on; 0 trains on the image, and on its
            mirror image where the augmentation flips.
        plain_epochs: the last epochs of the phase, without augmentation but flips.
        prefix: lower layers that rest and are computed once, so that an epoch costs what is above them; ``unfreeze``
            stays out.

    Reference: gradual unfreezing https://arxiv.org/abs/1801.06146, layer-wise decay https://arxiv.org/abs/2106.08254,
    train-test resolution https://arxiv.org/abs/1906.06423
    """

    epochs: Epochs
    batch_size: BatchSize | Literal["auto"]
    optimizer: Optimizer
    schedule: Schedule = Constant(name="constant")
    unfreeze: Literal["all", "head"] | PositiveInt = "all"
    size: int | None = Field(default=None, ge=4, le=2048)
    layer_decay: float = Field(default=1.0, gt=0.0, le=1.0)
    draws: int = Field(default=0, ge=0, le=100)
    plain_epochs: int = Field(default=0, ge=0)
    prefix: Prefix | None = Field(default=None, exclude_if=lambda prefix: prefix is None)

    @property
    def on_features(self) -> bool:
        """Whether what trains sees no images, but what the layers below it made of them once."""
        return self.unfreeze == "head" or self.prefix is not None

    @model_validator(mode="after")
    def _phase_agrees(self) -> "PhaseRecipe":
        if isinstance(self.schedule, Cosine) and self.schedule.warmup_epochs >= self.epochs:
            raise ValueError(f"schedule.warmup_epochs must be less than epochs ({self.epochs})")
        if self.plain_epochs > self.epochs or (self.plain_epochs and self.unfreeze == "head"):
            raise ValueError(
                f"plain_epochs must be at most epochs ({self.epochs}) and needs more to train than the head"
            )
        if self.prefix is not None and self.unfreeze != "all":
            raise ValueError("prefix says what trains: all above prefix.after; leave unfreeze out")
        if self.prefix is not None and self.plain_epochs:
            raise ValueError("plain_epochs needs images: above a prefix, layers see what it made of them once")
        if self.draws and self.unfreeze != "head":
            raise ValueError("draws needs unfreeze: head")
        if self.unfreeze == "head" and self.layer_decay < 1:
            raise ValueError("layer_decay needs more to train than the head; see unfreeze")
        return self
