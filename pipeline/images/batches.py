"""Batches for training and prediction, made off the training thread.

A training batch is a pure function of (seed, step): threads only decide when it is made, never what is in it.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Images, Labels, Pixels, Rows, Targets, round_levels
from pipeline.core.errors import InputError
from pipeline.images.augmentation import Augmentation, Declared, ImageTransform, explain_errors
from pipeline.images.mixing import mix_batch
from pipeline.images.prefetching import Prefetcher
from pipeline.images.resizing import resize_image, resize_unrounded

_SAMPLE, _FLATTEST = 256, 4  # images looked at before a training, and those of them that are tried
_NEARLY_ALL, _FAR = 0.99, 64  # share of pixels of one value; grey levels between two values that are not alike
_PART = 32  # images that a thread resizes at a time


@dataclass(frozen=True)
class TrainingSet:
    """Images and targets that a training draws from.

    Attributes:
        images: (n_images, height, width, channels), usually memory-mapped.
        rows: int64, the training rows among them; a row that stands there twice is shown twice as often.
        labels: int64 (n_images,), class indices; of no meaning where there are ``targets``.
        n_classes: width of the targets.
        targets: float32 (n_images, n_classes), instead of one-hot rows of ``labels``.
        strong: bool (n_images,), which images go through ``AugmentationPlan.strong_transforms`` as well; None for none.
        more_images: as ``images``; row ``len(images) + i`` is image i of these.
        ids: of ``images``, for messages; None to name rows.
    """

    images: Images
    rows: Rows
    labels: Labels
    n_classes: int
    targets: Targets | None = None
    strong: NDArray[np.bool_] | None = None
    more_images: Images | None = None
    ids: Sequence[str] | None = None

    def name(self, row: int) -> str:
        """Names an image for messages."""
        return self.ids[row] if self.ids is not None and row < len(self.ids) else f"in row {row}"

    def image(self, row: int) -> Images:
        """Returns one image: (height, width, channels)."""
        later = row - len(self.images)
        image: Images = self.images[row] if later < 0 or self.more_images is None else self.more_images[later]
        return image

    def is_strong(self, rows: Rows) -> NDArray[np.bool_]:
        """Says which of some rows are augmented more."""
        return np.zeros(len(rows), dtype=np.bool_) if self.strong is None else self.strong[rows]

    def targets_of(self, rows: Rows) -> Targets:
        """Returns the targets of some rows: float32 (n_rows, n_classes)."""
        if self.targets is not None:
            return self.targets[rows]
        return np.eye(self.n_classes, dtype=np.float32)[self.labels[rows]]


@dataclass(frozen=True)
class AugmentationPlan:
    """Which images are augmented how, and when.

    Attributes:
        augmentation: of all images.
        strong_transforms: of some images, after these.
        plain_from: from this epoch on nothing but flips: no policy, no transforms, no mixing; None for never.
    """

    augmentation: Augmentation
    strong_transforms: Declared = ()
    plain_from: int | None = None

    def transform(self) -> ImageTransform:
        """Returns what changes an image, for one thread."""
        return ImageTransform(self.augmentation, self.strong_transforms)

    def is_plain(self, epoch: int) -> bool:
        """Says whether an epoch shows images as they are, but for flips."""
        return self.plain_from is not None and epoch >= self.plain_from


@dataclass(frozen=True)
class TrainBatches:
    """All batches of one training, by step.

    Attributes:
        data: images and targets.
        plan: what images go through.
        size: side of the network's input in pixels.
        batch_size: images per batch.
        steps_per_epoch: batches per epoch; the rows beyond ``steps_per_epoch * batch_size`` sit an epoch out, others
            each time.
        seed: fixes order and draws.
    """

    data: TrainingSet
    plan: AugmentationPlan
    size: int
    batch_size: int
    steps_per_epoch: int
    seed: tuple[int, ...]

    def check(self) -> None:
        """Tries what images go through, so that a transform that does not fit fails here and plainly.

        Tried on are the first image, and the flattest of some: blank ones are what fitted transforms fail on.

        Raises:
            InputError: a transform fails, or changes the size or the dtype.
        """
        transform = self.plan.transform()
        declared = (*self.plan.augmentation.transforms, *self.plan.strong_transforms)
        looked_at = self.data.rows[:: max(1, len(self.data.rows) // _SAMPLE)] if declared else self.data.rows[:0]
        flattest = np.argsort([self.data.image(row).std() for row in looked_at], kind="stable")[:_FLATTEST]
        for row in (self.data.rows[0], *looked_at[flattest]):
            image = resize_image(self.data.image(row), self.size)
            try:
                transform.check(image)
            except InputError as error:
                raise InputError(f"image {self.data.name(row)}: {error}") from error
            for entry in declared:
                if _flattens(entry, image):
                    name = f"{next(iter(entry))} turns nearly all pixels of image {self.data.name(row)} into one value"
                    _print_once(f"note: {name}; where that is not meant, take it out of the model's file")
        with explain_errors("the augmentation fails on the first batch"):
            self.batch(0, transform)

    def order(self, epoch: int) -> Rows:
        """Returns the positions within ``data.rows`` in the order of one epoch."""
        return _order(self.seed, epoch, len(self.data.rows))

    def batch(self, step: int, transform: ImageTransform) -> tuple[Images, Targets]:
        """Makes one batch: (batch, size, size, channels) in the images' type, and float32 (batch, n_classes).

        Args:
            step: its number, from 0 on.
            transform: from `AugmentationPlan.transform`; of the thread that calls, as it keeps a random state.
        """
        epoch, within = divmod(step, self.steps_per_epoch)
        chosen = self.order(epoch)[within * self.batch_size : (within + 1) * self.batch_size]
        rng = np.random.default_rng([*self.seed, 1, step])
        transform.seed(int(rng.integers(2**31)))
        flips = self._flips(chosen, epoch, rng)
        rows, images = self.data.rows[chosen], self.data.images
        plain, strong = self.plan.is_plain(epoch), self.data.is_strong(rows)
        batch = np.empty((len(chosen), self.size, self.size, images.shape[-1]), dtype=images.dtype)
        for place, (row, flip, more) in enumerate(zip(rows, flips, strong, strict=True)):
            image = resize_image(self.data.image(row), self.size)
            image = image[:, ::-1] if flip else image
            with explain_errors(f"the augmentation fails on image {self.data.name(row)}"):
                batch[place] = image if plain else transform(image, more)
        targets = self.data.targets_of(rows)
        return (batch, targets) if plain else mix_batch(batch, targets, self.plan.augmentation, rng)

    def _flips(self, chosen: Rows, epoch: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        flip = self.plan.augmentation.flip
        if flip == "random":
            return rng.random(len(chosen)) < 0.5
        if flip == "alternating":
            return _first_flips(self.seed, len(self.data.rows))[chosen] ^ bool(epoch % 2)
        return np.zeros(len(chosen), dtype=np.bool_)


def _flattens(entry: dict[str, dict[str, Any]], image: Images) -> bool:
    """Says whether a transform makes one value of nearly all pixels; a blank image may keep a value near its own."""
    ((name, arguments),) = entry.items()
    alone = ImageTransform(Augmentation(transforms=({name: arguments | {"p": 1.0}},)))
    alone.seed(0)
    (share, value), (before, known) = _measure_flatness(alone(image)), _measure_flatness(image)
    return share >= _NEARLY_ALL and (before < _NEARLY_ALL or abs(value - known) > _FAR)


def _measure_flatness(image: Images) -> tuple[float, int]:
    counts = np.bincount(round_levels(image).ravel(), minlength=256)
    return float(counts.max() / image.size), int(counts.argmax())


@lru_cache(maxsize=256)
def _print_once(text: str) -> None:
    print(text)


@lru_cache(maxsize=8)
def _order(seed: tuple[int, ...], epoch: int, n_rows: int) -> Rows:
    return np.random.default_rng([*seed, 2, epoch]).permutation(n_rows)


@lru_cache(maxsize=2)
def _first_flips(seed: tuple[int, ...], n_rows: int) -> NDArray[np.bool_]:
    return np.random.default_rng([*seed, 3]).random(n_rows) < 0.5


def stream(batches: TrainBatches, first_step: int, last_step: int, workers: int) -> Prefetcher[tuple[Images, Targets]]:
    """Makes the batches of steps ``first_step`` to ``last_step`` - 1; close it when done."""
    local = threading.local()

    def make(step: int) -> tuple[Images, Targets]:
        # A pipeline carries its random state: each thread needs its own.
        if not hasattr(local, "transform"):
            local.transform = batches.plan.transform()
        return batches.batch(step, local.transform)

    return Prefetcher(make, range(first_step, last_step), workers)


def plain_batches(images: Images, rows: Rows, size: int, batch_size: int, workers: int) -> Iterator[Pixels]:
    """Yields ``rows`` unaugmented, in order: (batch_size or fewer, size, size, channels), float32 where resized."""
    if size == images.shape[1]:  # nothing to do that threads would speed up
        for start in range(0, len(rows), batch_size):
            yield np.ascontiguousarray(images[rows[start : start + batch_size]])
        return

    def make(part: int) -> Pixels:
        return np.stack([resize_unrounded(images[row], size) for row in parts[part]])

    # Parts of a batch are made ahead, not whole ones: those of many threads would fill the memory.
    parts = [
        rows[begun : min(begun + _PART, start + batch_size)]
        for start in range(0, len(rows), batch_size)
        for begun in range(start, min(start + batch_size, len(rows)), _PART)
    ]
    each = -(-batch_size // _PART)
    with closing(Prefetcher(make, range(len(parts)), workers)) as made:
        waiting = iter(made)
        while batch := list(islice(waiting, each)):
            yield np.concatenate(batch)


def changed(batch: Pixels, changes: Sequence[Callable[[Pixels], Pixels]], workers: int) -> Iterator[Pixels]:
    """Yields what each change makes of a batch, in order; the next ones are made while a network works on the last."""
    if len(changes) == 1:
        yield changes[0](batch)
        return
    with closing(Prefetcher(lambda number: changes[number](batch), range(len(changes)), workers)) as made:
        yield from made
