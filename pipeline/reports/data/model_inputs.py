"""Model inputs: what a model's file does to training images, read without the networks, whose import takes seconds."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from pipeline.core.arrays import Images, Rows
from pipeline.core.config import Section, parse, read_yaml
from pipeline.core.paths import check_model_name, model_path
from pipeline.images.augmentation import Augmentation, Declared
from pipeline.images.batches import AugmentationPlan, TrainBatches, TrainingSet
from pipeline.images.preprocessing import Steps, preprocess_image
from pipeline.images.resizing import resize_image
from pipeline.training.recipes.balance import Balance


class _Input(Section):
    """The part of `recipe.Input` that concerns pixels."""

    size: int | None = Field(default=None, ge=4, le=2048)
    preprocess: Steps = ()


@dataclass(frozen=True)
class ModelInput:
    """Transforms of a model's training images.

    Attributes:
        size: side of the input in pixels; None for the stored size.
        steps: preprocessing, applied once to every image.
        augmentation: applied to each draw.
        strong: labels whose images get ``stronger`` as well, as far as the file names them.
        stronger: transforms.
        remarks: sentences about what the pictures cannot show.
    """

    size: int | None = None
    steps: Steps = ()
    augmentation: Augmentation = field(default_factory=Augmentation)
    strong: tuple[str, ...] = ()
    stronger: Declared = ()
    remarks: tuple[str, ...] = ()

    @property
    def augments(self) -> bool:
        """Whether two draws of an image may differ."""
        plain = Augmentation()
        return self.augmentation != plain or bool(self.strong)

    def draw_batches(
        self, images: Images, labels: Rows, classes: tuple[str, ...], count: int
    ) -> tuple[Images, list[Images]]:
        """Draws training batches of the same images, with the loader of the training.

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
        strong = np.isin(labels, [classes.index(name) for name in self.strong if name in classes])
        batches = TrainBatches(
            data=TrainingSet(before, np.arange(len(images), dtype=np.int64), labels, len(classes), strong=strong),
            plan=AugmentationPlan(self.augmentation, self.stronger),
            size=size,
            batch_size=len(images),
            steps_per_epoch=1,
            seed=(0, 0),
        )
        transform = batches.plan.transform()
        draws = []
        for epoch in range(count):
            batch, _ = batches.batch(epoch, transform)
            draw = np.empty_like(batch)
            draw[batches.order(epoch)] = batch  # each epoch has an order of its own
            draws.append(draw)
        return np.stack([resize_image(image, size) for image in before]), draws


def read_model_input(root: Path, model: str, mirror: bool) -> ModelInput:
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
        section = data.get(key) or {}
        return section if isinstance(section, dict) else {}

    pixels = {key: value for key, value in part("input").items() if key in _Input.model_fields}
    pixels_section = parse(pixels, _Input, f"{path}: input")
    if "tabular" in data:
        return ModelInput(size=None, remarks=("It reads columns of the tables, and of images nothing.",))
    if "backbones" in data:
        return ModelInput(size=None, remarks=("It reads features of frozen backbones, which see each image as it is.",))
    if "classifier" in data:
        return _read_classic(data, mirror, pixels_section.preprocess)
    augmentation = parse(part("augmentation"), Augmentation, f"{path}: augmentation")
    balance = parse(part("balance"), Balance, f"{path}: balance")
    if not mirror and augmentation.flip != "none":
        augmentation = augmentation.model_copy(update={"flip": "none"})
    training = part("training")
    return ModelInput(
        size=training.get("size") or pixels_section.size,
        steps=pixels_section.preprocess,
        augmentation=augmentation,
        strong=balance.stronger.classes if balance.stronger else (),
        stronger=balance.stronger.transforms if balance.stronger else (),
        remarks=_list_remarks(training, balance),
    )


def _read_classic(data: dict[str, Any], mirror: bool, steps: Steps) -> ModelInput:
    features = data.get("features") or {}
    both = bool(data.get("mirror_training")) and mirror
    remark = (
        "Each training image is used twice, once mirrored." if both else "Each training image is used once, unchanged."
    )
    return ModelInput(size=features.get("size"), steps=steps, remarks=(remark,))


def _list_remarks(training: dict[str, Any], balance: Balance) -> tuple[str, ...]:
    phases = [*training.get("before", []), training]
    remarks = []
    if all(phase.get("unfreeze") == "head" for phase in phases):
        draws = max(int(phase.get("draws", 0)) for phase in phases)
        remarks.append(
            f"Its head is trained on features of {draws} draws of each image, computed once."
            if draws
            else "Its head is trained on features computed once, of the image and, with flips, of its mirror image."
        )
    kept = [phase["prefix"] for phase in phases if phase.get("prefix")]
    if kept:
        draws = max(int(prefix.get("draws", 2)) for prefix in kept)
        remarks.append(
            f"Its upper layers are trained on what those up to {kept[-1]['after']} made, once, of each image, its "
            f"mirror image (with flips) and {draws} draws of it."
        )
    plain = int(training.get("plain_epochs", 0))
    if plain:
        remarks.append(f"The last {plain} epochs use no augmentation except flips.")
    if balance.weak is not None and balance.weak.strong:
        remarks.append("Classes with low scores get additional transforms; which ones is known only after a training.")
    return tuple(remarks)
