"""Batches for training and prediction, made off the training thread.

A training batch is a pure function of (seed, step): threads only decide when it is made, never what is in it.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Images, Pixels, Rows, Targets
from pipeline.core.errors import InputError
from pipeline.images.augmentation import Augmentation, Declared, ImageTransform, explain_errors, mix_batch
from pipeline.images.resizing import resize_image, resize_unrounded

Made = TypeVar("Made")
_PART = 32  # images that a thread resizes at a time


@dataclass(frozen=True)
class TrainBatches:
    """All batches of one training, by step.

    Attributes:
        images: uint8 (n_images, height, width, channels), usually memory-mapped.
        labels: int64 (n_images,), class indices.
        rows: int64, the training rows among them; a row that stands there twice is shown twice as often.
        n_classes: width of the targets.
        size: side of the network's input in pixels.
        batch_size: images per batch.
        steps_per_epoch: batches per epoch; the rows beyond ``steps_per_epoch * batch_size`` sit an epoch out, others
            each time.
        augmentation: what images go through.
        seed: fixes order and draws.
        plain_from: from this epoch on nothing but flips: no policy, no transforms, no mixing; None for never.
        targets: float32 (n_images, n_classes), instead of one-hot rows of ``labels``.
        strong_labels: classes whose images go through ``strong_transforms`` as well.
        strong_transforms: as ``Augmentation.transforms``, after these.
        more_images: as ``images``; row ``len(images) + i`` is image i of these.
    """

    images: Images
    labels: Rows
    rows: Rows
    n_classes: int
    size: int
    batch_size: int
    steps_per_epoch: int
    augmentation: Augmentation
    seed: tuple[int, ...]
    plain_from: int | None = None
    targets: Targets | None = None
    strong_labels: tuple[int, ...] = ()
    strong_transforms: Declared = ()
    more_images: Images | None = None

    def transform(self) -> ImageTransform:
        """Returns what `batch` takes, for one thread."""
        return ImageTransform(self.augmentation, self.strong_transforms)

    def check(self) -> None:
        """Tries what images go through, so that a transform that does not fit fails here and plainly.

        Raises:
            InputError: a transform fails, or changes the size or the dtype.
        """
        transform = self.transform()
        transform.check(resize_image(self.images[self.rows[0]], self.size))
        with explain_errors("the augmentation fails on the first batch"):
            self.batch(0, transform)

    def order(self, epoch: int) -> Rows:
        """Returns the positions within ``rows`` in the order of one epoch."""
        return _order(self.seed, epoch, len(self.rows))

    def batch(self, step: int, transform: ImageTransform) -> tuple[Images, Targets]:
        """Makes one batch: uint8 (batch, size, size, channels) and float32 (batch, n_classes)."""
        epoch, within = divmod(step, self.steps_per_epoch)
        chosen = self.order(epoch)[within * self.batch_size : (within + 1) * self.batch_size]
        rng = np.random.default_rng([*self.seed, 1, step])
        transform.seed(int(rng.integers(2**31)))
        flips = self._flips(chosen, epoch, rng)
        rows = self.rows[chosen]
        plain = self.plain_from is not None and epoch >= self.plain_from
        strong = self._strong(rows)
        batch = np.empty((len(chosen), self.size, self.size, self.images.shape[-1]), dtype=np.uint8)
        for place, (row, flip, more) in enumerate(zip(rows, flips, strong, strict=True)):
            image = resize_image(self._image(row), self.size)
            image = image[:, ::-1] if flip else image
            batch[place] = image if plain else transform(image, more)
        targets = self._targets(rows)
        return (batch, targets) if plain else mix_batch(batch, targets, self.augmentation, rng)

    def _image(self, row: int) -> Images:
        later = row - len(self.images)
        image: Images = self.images[row] if later < 0 or self.more_images is None else self.more_images[later]
        return image

    def _strong(self, rows: Rows) -> NDArray[np.bool_]:
        if not self.strong_labels:
            return np.zeros(len(rows), dtype=np.bool_)
        return np.isin(self.labels[rows], self.strong_labels)

    def _targets(self, rows: Rows) -> Targets:
        if self.targets is not None:
            return self.targets[rows]
        return np.eye(self.n_classes, dtype=np.float32)[self.labels[rows]]

    def _flips(self, chosen: Rows, epoch: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        if self.augmentation.flip == "random":
            return rng.random(len(chosen)) < 0.5
        if self.augmentation.flip == "alternating":
            return _first_flips(self.seed, len(self.rows))[chosen] ^ bool(epoch % 2)
        return np.zeros(len(chosen), dtype=np.bool_)


@lru_cache(maxsize=8)
def _order(seed: tuple[int, ...], epoch: int, n_rows: int) -> Rows:
    return np.random.default_rng([*seed, 2, epoch]).permutation(n_rows)


@lru_cache(maxsize=2)
def _first_flips(seed: tuple[int, ...], n_rows: int) -> NDArray[np.bool_]:
    return np.random.default_rng([*seed, 3]).random(n_rows) < 0.5


class Ahead(Generic[Made]):
    """What ``make`` returns for each number, in order, made a few ahead by threads.

    ``close`` ends the threads at once: whoever still holds the iterator (tf.data does, after an early stop) finds its
    end.

    Attributes:
        failed: what the user gave that an item could not be made of.
    """

    def __init__(self, make: Callable[[int], Made], numbers: range, workers: int) -> None:
        """Starts nothing yet: threads begin with the first item."""
        self._make, self._numbers = make, iter(numbers)
        self._most = 2 * workers + 2
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="loader")
        self._waiting: deque[Future[Made]] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self.failed: InputError | None = None

    def __iter__(self) -> Iterator[Made]:
        """Yields the items; Keras wants a generator, so this is one."""
        while (made := self._next()) is not None:
            yield made

    def close(self) -> None:
        """Drops what is not made yet and waits for the threads."""
        with self._lock:
            self._closed = True
            self._pool.shutdown(cancel_futures=True)

    def _next(self) -> Made | None:
        with self._lock:
            if self._closed:
                return None
            while len(self._waiting) < self._most and (number := next(self._numbers, None)) is not None:
                self._waiting.append(self._pool.submit(self._make, number))
            try:
                return self._waiting.popleft().result() if self._waiting else None
            except InputError as error:
                self.failed = error
                raise


def default_workers() -> int:
    """Returns how many threads make batches: half of the cores, as the network computes on all of them."""
    return max(1, min(8, (os.cpu_count() or 1) // 2))


def stream(batches: TrainBatches, first_step: int, last_step: int, workers: int) -> Ahead[tuple[Images, Targets]]:
    """Makes the batches of steps ``first_step`` to ``last_step`` - 1; close it when done."""
    local = threading.local()

    def make(step: int) -> tuple[Images, Targets]:
        # A pipeline carries its random state: each thread needs its own.
        if not hasattr(local, "transform"):
            local.transform = batches.transform()
        return batches.batch(step, local.transform)

    return Ahead(make, range(first_step, last_step), workers)


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
    with closing(Ahead(make, range(len(parts)), workers)) as made:
        waiting = iter(made)
        while batch := list(islice(waiting, each)):
            yield np.concatenate(batch)


def changed(batch: Pixels, changes: Sequence[Callable[[Pixels], Pixels]], workers: int) -> Iterator[Pixels]:
    """Yields what each change makes of a batch, in order; the next ones are made while a network works on the last."""
    if len(changes) == 1:
        yield changes[0](batch)
        return
    with closing(Ahead(lambda number: changes[number](batch), range(len(changes)), workers)) as made:
        yield from made
