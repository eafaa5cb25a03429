"""Features of a frozen backbone, or of its lower layers, computed once: a file for each view of all images.

Folds, heads and trials share them.
A view is written in blocks: a pass that was killed goes on after its last whole block, and processes that train folds
at once share its blocks out. Files hold float16; features beyond its range stay float32. No backend starts where all
files are there.
"""

import hashlib
import math
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.arrays import Features, Images, KeptFeatures, Pixels
from pipeline.core.digests import is_signed, sign_file
from pipeline.core.files import atomic_path, locked, require_space, write_text
from pipeline.core.progress import track_progress
from pipeline.images.prefetching import Prefetcher
from pipeline.images.resizing import resize_image, resize_unrounded
from pipeline.images.views import Views, ViewTransform, make_view_transforms

if TYPE_CHECKING:  # which takes most of a second to import
    from pipeline.images.augmentation import Augmentation

BYTES = 2  # of a number, in float16
_BATCH = 64
_BLOCK = 32 * _BATCH
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class FeatureCache:
    """A folder of features, and how they are made.

    Attributes:
        folder: of this very network on these very images, named by a fingerprint of both.
        extract: grey levels (n, size, size, channels) to float32 (n, width), or to the maps (n, ...) of a lower layer;
            or from such maps on.
        size: side of the input in pixels.
        workers: threads that resize and augment.
        used: the seconds that computing each requested array took.
    """

    folder: Path
    extract: Callable[[Any], Features]
    size: int
    workers: int
    used: dict[str, float] = field(default_factory=dict)

    def compute_views(self, part: str, images: Images, views: Views) -> list[KeptFeatures]:
        """Returns the features of every view of all images: float16 (n, width) each, the images themselves first.

        Args:
            part: ``train`` or ``test``.
            images: uint8 (n, stored size, stored size, channels).
            views: which views.
        """
        return [
            self._computed(f"{part}-{name}", len(images), partial(self._view, images, change))
            for name, change in make_view_transforms(views).items()
        ]

    def compute_draws(
        self, images: Images, augmentation: "Augmentation", count: int, seed: int, part: str = "train"
    ) -> list[KeptFeatures]:
        """Returns the features of ``count`` augmented versions of all images of a part, drawn from ``seed``.

        Mixing belongs to batches and is left out.

        Raises:
            InputError: a transform fails on the images, or changes their size or dtype.
        """
        from pipeline.images.augmentation import ImageTransform

        ImageTransform(augmentation).check(resize_image(images[0], self.size))
        names = name_draws(augmentation, count, seed, part)
        return [
            self._computed(name, len(images), partial(self._draw, images, augmentation, seed, draw))
            for draw, name in enumerate(names)
        ]

    def compute_from(self, part: str, sources: dict[str, KeptFeatures]) -> list[KeptFeatures]:
        """Returns the features made of what another cache holds of each view.

        Args:
            part: ``train`` or ``test``.
            sources: what ``extract`` takes, of all images, by the view's name.
        """

        def read(source: KeptFeatures, rows: range) -> Pixels:
            made: Pixels = source[rows.start : rows.stop].astype(np.float32)
            return made

        return [
            self._computed(f"{part}-{name}", len(source), partial(read, source)) for name, source in sources.items()
        ]

    def is_kept(self, name: str) -> bool:
        """Says whether the features of a view or draw are there, by the name of their file."""
        return is_signed(self.folder / f"{name}.npy")

    def count_begun(self, name: str) -> int:
        """Counts the bytes of the blocks of a view or draw that a pass which was killed left behind."""
        return sum(block.stat().st_size for block in (self.folder / name).glob("*.npy"))

    def _view(self, images: Images, change: ViewTransform, rows: range) -> Pixels:
        return np.ascontiguousarray(change(np.stack([resize_unrounded(images[row], self.size) for row in rows])))

    def _draw(self, images: Images, augmentation: "Augmentation", seed: int, draw: int, rows: range) -> Images:
        from pipeline.images.augmentation import ImageTransform

        rng = np.random.default_rng([seed, 4, draw, rows.start])
        transform = ImageTransform(augmentation)
        transform.seed(int(rng.integers(2**31)))
        flips = rng.random(len(rows)) < (0.5 if augmentation.flip != "none" else 0.0)
        plain = [resize_image(images[row], self.size) for row in rows]
        return np.stack([transform(x[:, ::-1] if flip else x) for x, flip in zip(plain, flips, strict=True)])

    def _computed(self, name: str, count: int, make: Callable[[range], Pixels]) -> KeptFeatures:
        whole, seconds = self.folder / f"{name}.npy", self.folder / f"{name}.seconds"
        if not _is_whole(whole):
            self._compute(whole, seconds, count, make)
        self.used[name] = float(seconds.read_text(encoding="utf-8")) if is_signed(seconds) else 0.0
        features: KeptFeatures = np.load(whole, mmap_mode="r")
        return features

    def _compute(self, whole: Path, seconds: Path, count: int, make: Callable[[range], Pixels]) -> None:
        begun = time.perf_counter()
        folder = whole.with_suffix("")
        blocks = self._blocks(folder, count, make)
        with locked(whole.with_suffix(".lock")):
            if is_signed(whole):  # another process was quicker, and its folder may have been made anew for a lock
                shutil.rmtree(folder, ignore_errors=True)
                return
            with atomic_path(whole) as temporary, temporary.open("wb") as file:
                opened = [np.load(block, mmap_mode="r") for block in blocks]
                shape = count, *(opened[0].shape[1:] if opened else (0,))
                dtype = np.result_type(np.float16, *opened)
                header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                for block in opened:
                    file.write(block.astype(dtype).tobytes())
            del opened
            sign_file(whole)
            shutil.rmtree(folder, ignore_errors=True)
            write_text(seconds, str(time.perf_counter() - begun))
            sign_file(seconds)

    def _blocks(self, folder: Path, count: int, make: Callable[[range], Pixels]) -> list[Path]:
        """Computes the blocks that nobody has; those that other processes are at are waited for at the end."""
        from pipeline.networks import runtime

        whole, extract = folder.with_name(f"{folder.name}.npy"), runtime.halve_to_fit(self.extract)
        blocks, said = {folder / f"{rows.start:09}.npy": rows for rows in _cut(range(count), _BLOCK)}, False
        with track_progress(f"features {folder.name}", count) as advance:
            for path, rows, there in _claim(blocks, whole):
                if there:
                    advance(len(rows))
                    continue
                parts = []
                for part in self._extracted(rows, make, extract):
                    if not said:
                        said = True
                        _require_room(folder, (count, *part.shape[1:]), self.count_begun(folder.name))
                    parts.append(part)
                    advance(len(part))
                with atomic_path(path) as temporary, temporary.open("wb") as file:
                    np.save(file, _halve_precision(np.concatenate(parts)), allow_pickle=False)
        return list(blocks)

    def _extracted(
        self, rows: range, make: Callable[[range], Pixels], extract: Callable[[Any], Features]
    ) -> Iterator[Features]:
        """Yields the features of a block, batch by batch."""
        batches = _cut(rows, _BATCH)
        with closing(Prefetcher(lambda number: make(batches[number]), range(len(batches)), self.workers)) as ahead:
            for images in ahead:
                yield extract(images)


def name_draws(augmentation: "Augmentation", count: int, seed: int, part: str) -> list[str]:
    """Names the files of the augmented versions of a part."""
    key = hashlib.sha256(augmentation.model_dump_json().encode()).hexdigest()[:12]
    return [f"{part}-{key}-seed{seed}-draw{draw}" for draw in range(count)]


def _require_room(folder: Path, shape: tuple[int, ...], begun: int) -> None:
    """Says how large a view's file will be, and refuses it where the disk has no room for it and the missing blocks."""
    needed = math.prod(shape) * BYTES
    size = " x ".join(f"{number:,}" for number in shape)
    print(f"features {folder.name}: {size}, {needed / 1e6:,.1f} MB in {folder.parent}", flush=True)
    require_space(folder.parent, 2 * needed - min(begun, needed))


def _halve_precision(features: Features) -> KeptFeatures:
    """Returns features as float16, or as float32 where one lies beyond its range."""
    whole = features.astype(np.float32)
    beyond = whole.size and not float(np.abs(whole).max()) <= _LARGEST  # not a number, too
    return whole if beyond else whole.astype(np.float16)


def _cut(rows: range, length: int) -> list[range]:
    return [range(start, min(start + length, rows.stop)) for start in range(rows.start, rows.stop, length)]


def _is_whole(file: Path) -> bool:
    """Says whether all features of a view are there; waits where a process is putting them together."""
    with locked(file.with_suffix(".lock")):
        return is_signed(file)


def _claim(blocks: dict[Path, range], whole: Path) -> Iterator[tuple[Path, range, bool]]:
    """Yields blocks, nobody else at them meanwhile, and whether they or the whole are there; those of others last."""
    left = dict(blocks)
    for wait in (False, True):
        for path, rows in tuple(left.items()):
            with ExitStack() as stack:
                try:
                    stack.enter_context(locked(path.with_suffix(".lock"), wait))
                except BlockingIOError:
                    continue
                del left[path]
                yield path, rows, path.is_file() or _is_whole(whole)
