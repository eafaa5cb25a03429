"""What a model's file does to its training images, read without the networks: they would cost seconds and Keras."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from pipeline.core.arrays import Images, Rows
from pipeline.core.config import Section, parse, read_yaml
from pipeline.core.paths import check_model_name, model_path
from pipeline.images.augmentation import Augmentation, Declared
from pipeline.images.batches import TrainBatches
from pipeline.images.preprocessing import Steps, preprocess_image
from pipeline.images.resizing import resize_image
from pipeline.training.recipes.balance import Balance


class _Input(Section):
    """What `recipe.Input` says about pixels."""

    size: int | None = Field(default=None, ge=4, le=2048)
    preprocess: Steps = ()


@dataclass(frozen=True)
class Look:
    """How a model sees its training images.

    Attributes:
        size: side of the input in pixels; None for the stored size.
        steps: what every image goes through once.
        augmentation: what each draw goes through.
        strong: labels whose images go through ``stronger`` as well, as far as the file names them.
        stronger: transforms.
        remarks: what the pictures cannot show.
    """

    size: int | None = None
    steps: Steps = ()
    augmentation: Augmentation = field(default_factory=Augmentation)
    strong: tuple[str, ...] = ()
    stronger: Declared = ()
    remarks: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether two draws of an image may differ."""
        plain = Augmentation()
        return self.augmentation != plain or bool(self.strong)

    def draws(self, images: Images, labels: Rows, classes: tuple[str, ...], count: int) -> tuple[Images, list[Images]]:
        """Makes training batches of the same images, as the training's own loader does.

        Args:
            images: uint8 (n, height, width, channels), as stored.
            labels: int64 (n,), class indices.
            classes: labels in the order of their indices.
            count: epochs, one draw each.

        Returns:
            The images before augmentation, and every draw, each uint8 (n, size, size, channels) in the order given.
        """
        before = np.stack([preprocess_image(image, self.steps) for image in images])
        size = self.size or images.shape[1]
        batches = TrainBatches(
            images=before,
            labels=labels,
            rows=np.arange(len(images), dtype=np.int64),
            n_classes=len(classes),
            size=size,
            batch_size=len(images),
            steps_per_epoch=1,
            augmentation=self.augmentation,
            seed=(0, 0),
            strong_labels=tuple(classes.index(name) for name in self.strong if name in classes),
            strong_transforms=self.stronger,
        )
        transform = batches.transform()
        made = []
        for epoch in range(count):
            batch, _ = batches.batch(epoch, transform)
            draw = np.empty_like(batch)
            draw[batches.order(epoch)] = batch  # each epoch has an order of its own
            made.append(draw)
        return np.stack([resize_image(image, size) for image in before]), made


def read_look(root: Path, model: str, mirror: bool) -> Look:
    """Reads what ``configs/models/<model>.yaml`` does to training images.

    Args:
        root: the repository folder.
        model: its name.
        mirror: whether a mirrored image keeps its class; otherwise nothing is flipped.

    Raises:
        InputError: no such file, or one of these sections does not fit its schema.
    """
    check_model_name(model)
    path = model_path(root, model)
    data = read_yaml(path)

    def part(key: str) -> dict[str, Any]:
        found = data.get(key) or {}
        return found if isinstance(found, dict) else {}

    pixels = {key: value for key, value in part("input").items() if key in _Input.model_fields}
    shown = parse(pixels, _Input, f"{path}: input")
    if "classifier" in data:
        return _classic(data, mirror, shown.preprocess)
    augmentation = parse(part("augmentation"), Augmentation, f"{path}: augmentation")
    balance = parse(part("balance"), Balance, f"{path}: balance")
    if not mirror and augmentation.flip != "none":
        augmentation = augmentation.model_copy(update={"flip": "none"})
    training = part("training")
    return Look(
        size=training.get("size") or shown.size,
        steps=shown.preprocess,
        augmentation=augmentation,
        strong=balance.stronger.classes if balance.stronger else (),
        stronger=balance.stronger.transforms if balance.stronger else (),
        remarks=_remarks(training, balance),
    )


def _classic(data: dict[str, Any], mirror: bool, steps: Steps) -> Look:
    features = data.get("features") or {}
    both = bool(data.get("mirror_training")) and mirror
    remark = (
        "Each training image is there twice, the second time mirrored."
        if both
        else "It sees each image once, as it is."
    )
    return Look(size=features.get("size"), steps=steps, remarks=(remark,))


def _remarks(training: dict[str, Any], balance: Balance) -> tuple[str, ...]:
    stages = [*training.get("before", []), training]
    found = []
    if all(stage.get("unfreeze") == "head" for stage in stages):
        draws = max(int(stage.get("draws", 0)) for stage in stages)
        found.append(
            f"Its head trains on features of {draws} draws of each image, made once."
            if draws
            else "Its head trains on features computed once, of the image and, where it flips, of its mirror image."
        )
    plain = int(training.get("plain_epochs", 0))
    if plain:
        found.append(f"The last {plain} epochs go without, but for flips.")
    if balance.weak is not None and balance.weak.strong:
        found.append("Classes that turn out weak go through more; which they are is known once a model has trained.")
    return tuple(found)
