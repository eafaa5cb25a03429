"""Pictures per CPU second of `prepare`'s decoding, beside Pillow alone with and without its scaled decode, in turn.

The photographs are made: smooth shapes with noise, 2000 x 1500 and 640 x 480, as JPEG of quality 88.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pipeline.core.arrays import Images
from pipeline.images.decoding import decode_file
from pipeline.images.fitting import StorageForm


def write_photo(path: Path, size: tuple[int, int], seed: int) -> None:
    """Writes a made photograph."""
    random = np.random.default_rng(seed)
    levels = random.normal(128, 4, (size[1], size[0], 3))
    for cells, weight in ((4, 1.0), (12, 0.6), (40, 0.35), (150, 0.2)):
        coarse = Image.fromarray(random.integers(0, 256, (cells * size[1] // size[0], cells, 3), dtype=np.uint8))
        levels += weight * (np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)).astype(np.float64) - 128)
    Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).save(path, quality=88)


def main() -> None:
    """Prints pictures per CPU second of each way and the mean difference to the whole decode."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    side = (options.size, options.size)
    form = StorageForm(options.size, 3, "crop")

    def fit(path: Path, least: int | None) -> Images:
        image = Image.open(path)
        if least is not None:
            image.draft(None, (least, least))
        upright = ImageOps.exif_transpose(image).convert("RGB")
        return np.asarray(ImageOps.fit(upright, side, Image.Resampling.BICUBIC), dtype=np.uint8)

    ways: dict[str, Callable[[Path], Images]] = {
        "prepare": lambda path: decode_file(path, form).pixels,
        "Pillow, draft": lambda path: fit(path, 2 * options.size),
        "Pillow, whole": lambda path: fit(path, None),
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.jpg" for number in range(options.pictures)]
        for number, path in enumerate(paths):
            write_photo(path, (2000, 1500) if number % 2 else (640, 480), number)
        whole = np.stack([ways["Pillow, whole"](path) for path in paths]).astype(np.int64)
        speeds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, way in ways.items():
                start = time.process_time()
                pixels = [way(path) for path in paths]
                speeds[name].append(len(paths) / (time.process_time() - start))
                difference = np.abs(np.stack(pixels) - whole).mean()
                if len(speeds[name]) == options.rounds:
                    low, high = min(speeds[name]), max(speeds[name])
                    print(
                        f"{name}: {statistics.median(speeds[name]):.0f} ({low:.0f} - {high:.0f}) pictures per CPU "
                        f"second, mean difference to the whole decode {difference:.2f} grey levels"
                    )


if __name__ == "__main__":
    main()
