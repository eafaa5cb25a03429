"""The files of nine real competitions, in their structure and names, with few and small images.

Each function returns path -> content as Kaggle's zip holds them; `pack` makes that zip.
"""

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from hashlib import md5

import numpy as np
from PIL import Image

Files = Mapping[str, bytes | str]

BREEDS = tuple(
    sorted(
        f"{kind}_{place}" for kind in ("hound", "spaniel", "terrier") for place in (f"of_{n:02d}" for n in range(40))
    )
)
DISEASES = {
    "0": "Cassava Bacterial Blight (CBB)",
    "1": "Cassava Brown Streak Disease (CBSD)",
    "2": "Cassava Green Mottle (CGM)",
    "3": "Cassava Mosaic Disease (CMD)",
    "4": "Healthy",
}
LEAVES = ("healthy", "multiple_diseases", "rust", "scab")
SEEDLINGS = ("Black-grass", "Charlock", "Common wheat", "Loose Silky-bent", "Shepherds Purse", "Sugar beet")
ANIMALS = ("bear", "bee", "camel", "cattle", "dolphin", "elephant", "kangaroo", "leopard", "lion", "mouse")
FLOWERS = ("daisy", "dandelion", "rose", "sunflower", "tulip")


def dog_breed_identification() -> Files:
    train, test = _hashes("train", 240), _hashes("test", 5)
    return {
        "labels.csv": _csv("id,breed", ((name, BREEDS[n % 120]) for n, name in enumerate(train))),
        "sample_submission.csv": _csv(
            "id," + ",".join(BREEDS), ((name, *[0.00833333333333333] * 120) for name in test)
        ),
        **_jpegs([f"train/{name}.jpg" for name in train] + [f"test/{name}.jpg" for name in test], (100, 75)),
    }


def digit_recognizer() -> Files:
    values = np.random.default_rng(0).integers(0, 256, (46, 784))
    pixels = ",".join(f"pixel{n}" for n in range(784))
    return {
        "sample_submission.csv": _csv("ImageId,Label", ((n, 0) for n in range(1, 7))),
        "test.csv": _csv(pixels, values[40:].tolist()),
        "train.csv": _csv("label," + pixels, ((n % 10, *row) for n, row in enumerate(values[:40].tolist()))),
    }


def cassava_leaf_disease_classification() -> Files:
    train = [f"{1000015157 + 1000199 * n}.jpg" for n in range(20)]
    return {
        "label_num_to_disease_map.json": json.dumps(DISEASES),
        "sample_submission.csv": _csv("image_id,label", [("2216849948.jpg", 4)]),
        "test_images/2216849948.jpg": jpeg((80, 60)),
        "test_tfrecords/ld_test00-1.tfrec": b"\x0a\x00records",
        "train.csv": _csv("image_id,label", ((name, n % 5) for n, name in enumerate(train))),
        **_jpegs([f"train_images/{name}" for name in train], (80, 60)),
        "train_tfrecords/ld_train00-1338.tfrec": b"\x0a\x00records",
        "train_tfrecords/ld_train01-1338.tfrec": b"\x0a\x00records",
    }


def plant_pathology_2020_fgvc7() -> Files:
    train, test = [f"Train_{n}" for n in range(16)], [f"Test_{n}" for n in range(4)]
    marks = np.eye(4, dtype=int)[np.arange(16) % 4].tolist()
    return {
        **_jpegs([f"images/{name}.jpg" for name in (*test, *train)], (90, 60)),
        "sample_submission.csv": _csv("image_id," + ",".join(LEAVES), ((name, *[0.25] * 4) for name in test)),
        "test.csv": _csv("image_id", ((name,) for name in test)),
        "train.csv": _csv(
            "image_id," + ",".join(LEAVES), ((name, *row) for name, row in zip(train, marks, strict=True))
        ),
    }


def plant_seedlings_classification() -> Files:
    train = [f"train/{kind}/{name}.png" for kind in SEEDLINGS for name in _hashes(kind, 4, 9)]
    test = [f"{name}.png" for name in _hashes("test", 5, 9)]
    return {
        "sample_submission.csv": _csv("file,species", ((name, "Sugar beet") for name in test)),
        **_pngs([*(f"test/{name}" for name in test), *train], (70, 70)),
    }


def dogs_vs_cats_redux_kernels_edition() -> Files:
    train = [f"train/{kind}.{n}.jpg" for kind in ("cat", "dog") for n in range(10)]
    return {
        "sample_submission.csv": _csv("id,label", ((n, 0.5) for n in range(1, 8))),
        "test.zip": pack(_jpegs([f"test/{n}.jpg" for n in range(1, 8)], (90, 70))),
        "train.zip": pack(_jpegs(train, (90, 70))),
    }


def aerial_cactus_identification() -> Files:
    train = [f"{name}.jpg" for name in _hashes("train", 16)]
    test = [f"{name}.jpg" for name in _hashes("test", 4)]
    return {
        "sample_submission.csv": _csv("id,has_cactus", ((name, 0.5) for name in test)),
        "test.zip": pack(_jpegs([f"test/{name}" for name in test], (32, 32))),
        "train.csv": _csv("id,has_cactus", ((name, int(n % 4 > 0)) for n, name in enumerate(train))),
        "train.zip": pack(_jpegs([f"train/{name}" for name in train], (32, 32))),
    }


def flowers_recognition() -> Files:
    return _jpegs(
        [f"flowers/{kind}/{n}_{md5(kind.encode()).hexdigest()[:10]}.jpg" for kind in FLOWERS for n in range(6)]
    )


def animals15() -> Files:
    return {
        "sample_submission.csv": _csv("Id,Category", ((n, "bear") for n in range(6))),
        "train.csv": _csv("Id,Category", ((n, ANIMALS[n % 10]) for n in range(40))),
        **_pngs([*(f"test/{n}.png" for n in range(6)), *(f"train/{n}.png" for n in range(40))], (32, 32)),
    }


SHAPES: dict[str, Callable[[], Files]] = {
    "dog-breed-identification": dog_breed_identification,
    "digit-recognizer": digit_recognizer,
    "cassava-leaf-disease-classification": cassava_leaf_disease_classification,
    "plant-pathology-2020-fgvc7": plant_pathology_2020_fgvc7,
    "plant-seedlings-classification": plant_seedlings_classification,
    "dogs-vs-cats-redux-kernels-edition": dogs_vs_cats_redux_kernels_edition,
    "aerial-cactus-identification": aerial_cactus_identification,
    "flowers-recognition": flowers_recognition,
    "animals15": animals15,
}


def pack(files: Files) -> bytes:
    """Returns a zip of files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@cache
def jpeg(size: tuple[int, int], seed: int = 0, kind: str = "JPEG") -> bytes:
    """Returns a noisy picture in colour; ``size`` is width and height."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3)).astype("uint8")
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def _jpegs(names: Sequence[str], size: tuple[int, int] = (90, 70)) -> dict[str, bytes]:
    return {name: jpeg(size, seed % 40) for seed, name in enumerate(names)}


def _pngs(names: Sequence[str], size: tuple[int, int]) -> dict[str, bytes]:
    return {name: jpeg(size, seed % 40, "PNG") for seed, name in enumerate(names)}


def _hashes(part: str, count: int, length: int = 32) -> list[str]:
    return [md5(f"{part}{n}".encode()).hexdigest()[:length] for n in range(count)]


def _csv(header: str, lines: Iterable[Sequence[object]]) -> str:
    return "\n".join([header, *(",".join(map(str, line)) for line in lines)]) + "\n"
