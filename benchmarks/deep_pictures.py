"""Deep pictures beside the same by hand, and 300 damages of 12 formats through `prepare`.

    PYTHONPATH=tests python -m benchmarks.deep_pictures decoding
    PYTHONPATH=tests python -m benchmarks.deep_pictures damages --seed 0

`decoding`: DICOM and TIFF files of 16 bits per CPU second, decoded to grey levels, and prepared (resized, with both
hashes that find copies), beside pydicom with NumPy, or tifffile with OpenCV, and the same resizing without hashes.
`damages`: each of 12 formats cut, with flipped bits and under wrong suffixes, 25 times, in a competition that is
prepared twice: it must end in one line, and with `drop_broken` in a store of all that is not listed as broken.
"""

import argparse
import io
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pydicom
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps
from support import tiny
from support.dicom import make_dicom

from pipeline.core.errors import InputError
from pipeline.core.files import read_json
from pipeline.core.paths import prepared_folder
from pipeline.core.picture_formats import SIGNATURE_BYTES, find_picture_format
from pipeline.core.tables import read_index
from pipeline.images.bands import Bands, ValueRange, scale_bands
from pipeline.images.decoding import decode_file
from pipeline.images.fitting import StorageForm
from pipeline.images.picture_files import open_picture
from pipeline.stages import fetch, prepare

Pixels = NDArray[np.uint8]
SIDE, _WINDOW = 160, (-200.0, 1800.0)
_SUFFIXES = ("png", "jpg", "dcm", "tif", "bmp", "webp")
_NAMES = {"PNG": "png", "JPEG": "jpg", "BMP": "bmp", "GIF": "gif", "WEBP": "webp", "AVIF": "avif", "JPEG2000": "jp2"}
_NAMES |= {"PPM": "ppm", "QOI": "qoi", "TIFF": "tif", "DICOM": "dcm", "JPEG XL": "jxl"}


def _draw(seed: int, side: int) -> NDArray[np.uint16]:
    """Smooth shapes of 12 bits with noise, (side, side)."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(300, 3700, (12, 12)).astype(np.float32))
    smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))
    return np.clip(smooth + random.normal(0, 12, smooth.shape), 0, 4095).astype(np.uint16)


def _store(levels: Pixels) -> Pixels:
    return np.asarray(ImageOps.fit(Image.fromarray(levels), (SIDE, SIDE), Image.Resampling.BICUBIC))


def _decode_dicom(path: Path) -> Pixels:
    data = pydicom.dcmread(path)
    values = data.pixel_array.astype(np.float32) * float(data.RescaleSlope) + float(data.RescaleIntercept)
    levels = (np.clip(values, *_WINDOW) - _WINDOW[0]) * np.float32(255 / (_WINDOW[1] - _WINDOW[0]))
    return np.asarray(np.rint(levels), dtype=np.uint8)


def _decode_tiff(path: Path) -> Pixels:
    return np.asarray(cv2.convertScaleAbs(tifffile.imread(path), alpha=255 / 4095), dtype=np.uint8)


def _decode(path: Path, wanted: ValueRange) -> Pixels:
    """Decodes as `prepare` does, before it resizes and hashes."""
    with path.open("rb") as file:
        known = find_picture_format(file.read(SIGNATURE_BYTES))
        assert known is not None
        file.seek(0)
        bands = open_picture(file, known, 1 << 28, "first", many_bands=False).picture
    assert isinstance(bands, Bands)
    return scale_bands(bands, wanted)[..., 0]


def measure_decoding(pictures: int, rounds: int) -> None:
    """Prints pictures per CPU second of both ways, and how far their pixels differ."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in range(pictures):
            values = _draw(seed, 1024)
            for suffix, syntax in (("dcm", "1.2.840.10008.1.2.1"), ("j2k.dcm", "1.2.840.10008.1.2.4.90")):
                content = make_dicom(values, syntax, RescaleSlope=1, RescaleIntercept=-1024)
                (folder / f"{seed}.{suffix}").write_bytes(content)
            tifffile.imwrite(folder / f"{seed}.tif", values)
            tifffile.imwrite(folder / f"{seed}.z.tif", values, compression="deflate", predictor=True)
        kinds: dict[str, tuple[str, ValueRange, Callable[[Path], Pixels]]] = {
            "DICOM, plain": ("dcm", _WINDOW, _decode_dicom),
            "DICOM, JPEG 2000": ("j2k.dcm", _WINDOW, _decode_dicom),
            "TIFF, plain": ("tif", (0.0, 4095.0), _decode_tiff),
            "TIFF, deflate": ("z.tif", (0.0, 4095.0), _decode_tiff),
        }
        for title, (suffix, wanted, by_hand) in kinds.items():
            _compare(title, [folder / f"{seed}.{suffix}" for seed in range(pictures)], wanted, by_hand, rounds)


def _compare(title: str, paths: list[Path], wanted: ValueRange, by_hand: Callable[[Path], Pixels], rounds: int) -> None:
    form = StorageForm(SIDE, 1, "crop", range=wanted)
    ways: dict[str, Callable[[Path], Pixels]] = {
        "decoded": lambda path: _decode(path, wanted),
        "decoded by hand": by_hand,
        "prepared": lambda path: decode_file(path, form).pixels[..., 0],
        "stored by hand": lambda path: _store(by_hand(path)),
    }
    first = {way: read(paths[0]).astype(int) for way, read in ways.items()}
    speeds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, read in ways.items():
            start = time.process_time()
            for path in paths:
                read(path)
            speeds[way].append(len(paths) / (time.process_time() - start))
    for mine, theirs in (("decoded", "decoded by hand"), ("prepared", "stored by hand")):
        ratios = [one / other for one, other in zip(speeds[mine], speeds[theirs], strict=True)]
        low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
        print(f"{title}: {mine} {statistics.median(speeds[mine]):.1f} pictures per CPU second, {theirs}", end=" ")
        print(f"{statistics.median(speeds[theirs]):.1f}, ratio {middle:.2f} ({low:.2f} - {high:.2f}), pixels", end=" ")
        print(f"differ by {np.abs(first[mine] - first[theirs]).max()} levels at most")


def _list_contents() -> dict[str, bytes]:
    """The same picture in each of 12 formats."""
    coarse = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    picture = np.asarray(Image.fromarray(coarse).resize((96, 80), Image.Resampling.BICUBIC))
    contents: dict[str, bytes] = {}
    for name in list(_NAMES)[:9]:
        out = io.BytesIO()
        Image.fromarray(picture).save(out, name)
        contents[name] = out.getvalue()
    deep, out = picture[..., 0].astype(np.uint16) * 16, io.BytesIO()
    tifffile.imwrite(out, deep, compression="deflate")
    contents["TIFF"] = out.getvalue()
    contents["DICOM"] = make_dicom(deep, syntax="1.2.840.10008.1.2.4.90")
    contents["JPEG XL"] = bytes(imagecodecs.jpegxl_encode(picture, lossless=True))
    return contents


def _damage(content: bytes, number: int, random: np.random.Generator) -> tuple[bytes, str | None]:
    """Returns the bytes of a damage, and the wrong suffix where that is the damage."""
    if number >= 19:
        return content, _SUFFIXES[number - 19]
    if number < 9:
        return content[: int(random.integers(1, len(content)))], None
    damaged = bytearray(content)
    for place in random.integers(0, len(damaged), int(random.integers(1, 9))):
        damaged[place] ^= 1 << int(random.integers(8))
    return bytes(damaged), None


def _prepare_damages(root: Path, name: str, content: bytes, random: np.random.Generator) -> Counter[str]:
    """Prepares a competition with 25 damages of one format beside whole pictures, and says what became of them."""
    download = tiny.build(root, "folders", per_class=2, size=24)
    form: dict[str, Any] = {"size": 24, "channels": 3, "resize": "stretch", "range": "data"}
    path = root / "configs" / "competitions" / "tiny.yaml"
    tiny.write_yaml(path, tiny.read_yaml(path) | {"storage": form})
    folder = download / "train" / "cat"
    (folder / f"whole.{_NAMES[name]}").write_bytes(content)
    for number in range(25):
        damaged, suffix = _damage(content, number, random)
        (folder / f"damage{number}.{suffix or _NAMES[name]}").write_bytes(damaged)
    fetch.run(root)
    outcome: Counter[str] = Counter()
    line = ""
    try:
        prepare.run(root)
    except InputError as error:
        line = str(error)
    if "\n" in line:
        outcome["several lines"] += 25
    params = tiny.read_yaml(root / "params.yaml")
    tiny.write_yaml(root / "params.yaml", params | {"prepare": {"workers": 1, "drop_broken": True}})
    prepare.run(root)
    index = read_index(prepared_folder(root) / "train.csv")
    store = np.load(prepared_folder(root) / "train_images.npy")
    report = read_json(prepared_folder(root) / "report.json", "prepare again")
    listed = str(report)
    rows = {Path(source).stem: row for row, source in enumerate(index["source"])}
    whole = store[rows["whole"]]
    for number in range(25):
        row = rows.get(f"damage{number}")
        if row is None:
            outcome["listed" if f"damage{number}." in listed else "lost without a word"] += 1
        elif np.array_equal(store[row], whole):
            outcome["right"] += 1
        elif f"damage{number}." in listed:
            outcome["kept and counted"] += 1
        elif np.ptp(store[row]) == 0:
            outcome["flat without a word"] += 1
        else:
            outcome["cut without a word" if number < 9 else "other values of a whole file"] += 1
    return outcome


def damage_pictures(seed: int) -> None:
    """Prints what became of 300 damages, format by format."""
    random, total = np.random.default_rng(seed), Counter[str]()
    for name, content in _list_contents().items():
        with tempfile.TemporaryDirectory() as folder:
            found = _prepare_damages(Path(folder), name, content, random)
        total += found
        print(f"{name}: {dict(found)}")
    print(f"all {total.total()}: {dict(total)}")


def main() -> None:
    """Runs one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["decoding", "damages"])
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.part == "decoding":
        measure_decoding(options.pictures, options.rounds)
    else:
        damage_pictures(options.seed)


if __name__ == "__main__":
    main()
