"""Small competitions as the files that they ship, and how they are described: folders, tables, zips."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.core.archives.unpacking import unpack_archive
from pipeline.core.competition import Competition, load_competition
from pipeline.data.describe.init import describe_local
from pipeline.data.describe.match import Choices
from pipeline.data.prepared.records import list_records

BREEDS = ("boxer", "dingo", "pug")
Files = Mapping[str, bytes | str]


@cache
def image(seed: int, size: tuple[int, int] = (20, 20), grey: bool = False, kind: str = "PNG") -> bytes:
    shape = (size[1], size[0]) if grey else (size[1], size[0], 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape).astype("uint8")
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def images(names: Sequence[str], size: tuple[int, int] = (20, 20), grey: bool = False) -> dict[str, bytes]:
    return {name: image(seed, size, grey) for seed, name in enumerate(names)}


def rows(header: str, *lines: Sequence[object]) -> str:
    return "\n".join([header, *(",".join(map(str, line)) for line in lines)]) + "\n"


def zipped(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def write(root: Path, files: Files) -> Path:
    """Lays files out as a folder outside the repository."""
    folder = root.parent / "shape"
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def read(root: Path, files: Files, metric: str | None = None, **choices: str) -> Competition:
    """Describes files as a zip, unpacks it as fetch does, and lists every image that was written."""
    source = root.parent / "shape.zip"
    source.write_bytes(zipped(files))
    describe_local(root, source, None, Choices(**choices), metric)
    competition = load_competition(root, "shape")
    unpack_archive(source, root / "unpacked")
    list_records(root / "unpacked", competition)
    return competition


def labels(root: Path, competition: Competition) -> dict[str, str | None]:
    return {record.source: record.label for record in list_records(root / "unpacked", competition)[0]}


def cells_and_sample(
    train: str, sample: str, cells: Sequence[tuple[object, ...]], shown: tuple[object, ...]
) -> dict[str, bytes | str]:
    """Twelve training images with one row of cells each, and three test images of which each row shows the same."""
    return {
        "train.csv": rows("Id," + train, *((f"a{n}", *cells[n % len(cells)]) for n in range(12))),
        "sample_submission.csv": rows("Id," + sample, *((f"b{n}", *shown) for n in range(3))),
        **images([f"train/a{n}.png" for n in range(12)] + [f"test/b{n}.png" for n in range(3)], (32, 32)),
    }


def dog_breeds() -> dict[str, bytes | str]:
    train, test = [f"a{n}" for n in range(9)], [f"b{n}" for n in range(4)]
    return {
        "labels.csv": rows("id,breed", *((name, BREEDS[n % 3]) for n, name in enumerate(train))),
        "sample_submission.csv": rows("id," + ",".join(BREEDS), *((name, 0.3, 0.3, 0.4) for name in test)),
        **images([f"train/{name}.png" for name in train] + [f"test/{name}.png" for name in test], (90, 70)),
    }


def cactus() -> dict[str, bytes | str]:
    train, test = [f"{n}c.jpg" for n in range(8)], [f"{n}d.jpg" for n in range(4)]
    return {
        "train.csv": rows("id,has_cactus", *((name, n % 2) for n, name in enumerate(train))),
        "sample_submission.csv": rows("id,has_cactus", *((name, 0.5) for name in test)),
        "train.zip": zipped(images([f"train/{name}" for name in train], (32, 32))),
        "test.zip": zipped(images([f"test/{name}" for name in test], (32, 32))),
    }


def cats() -> dict[str, bytes | str]:
    names = [f"train/{name}.{n}.jpg" for name in ("cat", "dog") for n in range(4)]
    sample = rows("id,label", *((n, 0.5) for n in range(1, 4)))
    return {"sample_submission.csv": sample, **images([*names, *(f"test/{n}.jpg" for n in range(1, 4))])}


def seedlings() -> dict[str, bytes | str]:
    classes = ("Black-grass", "Sugar beet")
    names = [f"train/{name}/{n}{name[0]}.png" for name in classes for n in range(3)]
    sample = rows("file,species", *((f"t{n}.png", "Sugar beet") for n in range(3)))
    return {"sample_submission.csv": sample, **images([*names, *(f"test/t{n}.png" for n in range(3))])}


def animals(n_train: int = 12, n_test: int = 3) -> dict[str, bytes | str]:
    return {
        "train.csv": rows("Id,Category", *((n, ("ant", "bee")[n % 2]) for n in range(n_train))),
        "sample_submission.csv": rows("Id,Category", *((n, "ant") for n in range(n_test))),
        **images([f"train/{n}.png" for n in range(n_train)] + [f"test/{n}.png" for n in range(n_test)], (32, 32)),
    }


def pixels(n_train: int = 12, n_test: int = 4, side: int = 8) -> dict[str, bytes | str]:
    names = ",".join(f"pixel{n}" for n in range(side * side))
    values = np.random.default_rng(0).integers(0, 256, (n_train + n_test, side * side))
    return {
        "train.csv": rows("label," + names, *((n % 3, *values[n]) for n in range(n_train))),
        "test.csv": rows(names, *values[n_train:]),
        "sample_submission.csv": rows("ImageId,Label", *((n, 0) for n in range(1, n_test + 1))),
    }


def cassava(names_of_labels: str) -> Files:
    names = [f"{n}.jpg" for n in range(100, 110)]
    return {
        "train.csv": rows("image_id,label", *((name, n % 2) for n, name in enumerate(names))),
        "sample_submission.csv": rows("image_id,label", ("7.jpg", 1)),
        "label_num_to_disease_map.json": names_of_labels,
        **images([*(f"train_images/{name}" for name in names), "test_images/7.jpg"]),
    }


def plant_pathology(both: bool) -> dict[str, bytes | str]:
    names = [f"Train_{n}" for n in range(6)]
    marks = [(name, n % 2, 1 if both else 1 - n % 2) for n, name in enumerate(names)]
    return {
        "train.csv": rows("image_id,rust,scab", *marks[:-1], ("Train_5", 1, 0)),
        "test.csv": rows("image_id", *((f"Test_{n}",) for n in range(3))),
        "sample_submission.csv": rows("image_id,rust,scab", *((f"Test_{n}", 0.5, 0.5) for n in range(3))),
        **images([f"images/{name}.jpg" for name in [*names, *(f"Test_{n}" for n in range(3))]]),
    }


def flagged() -> dict[str, bytes | str]:
    """Columns of 0 and 1 that the sample submission does not ask for."""
    marks = ((n, n % 2, 1 - n % 2) for n in range(12))
    return animals() | {
        "train.csv": rows("Id,ant,bee", *marks),
        "sample_submission.csv": rows("Id,kind", *((n, "ant") for n in range(3))),
    }


def petals() -> dict[str, bytes | str]:
    names = [
        f"jpeg/{part}/{name}/{part}{n}{name}.jpeg"
        for part in ("train", "val")
        for name in ("iris", "rose")
        for n in range(3)
    ]
    sample = rows("id,label", *((f"t{n}", "iris") for n in range(3)))
    return {"sample_submission.csv": sample, **images([*names, *(f"jpeg/test/t{n}.jpeg" for n in range(3))])}
