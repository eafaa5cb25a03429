"""Competitions whose images are packed into few files: each container with the same pictures, ids and labels."""

import io
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import bson
import google_crc32c
import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from support.tiny import write_yaml

Pixels = NDArray[np.uint8]
SIDE = 8
TRAIN = {f"a{row:02d}": ("ant", "bee", "cow")[row % 3] for row in range(12)}
TEST = {f"t{row:02d}": ("bee", "cow", "ant")[row % 3] for row in range(4)}


def draw(seed: int, grey: bool = False) -> Pixels:
    """Noise, (8, 8) or (8, 8, 3)."""
    shape = (SIDE, SIDE) if grey else (SIDE, SIDE, 3)
    return np.random.default_rng(seed).integers(0, 256, shape).astype("uint8")


def png(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def pictures(ids: Sequence[str], grey: bool = False) -> dict[str, Pixels]:
    """A picture for each id, the same one in every container."""
    return {name: draw(sum(map(ord, name)) * 97 + len(name), grey) for name in ids}


def tfrecords(examples: Sequence[Mapping[str, object]]) -> bytes:
    """A TFRecord file of ``tf.train.Example``, written field by field; values are bytes, int, float or lists of one."""
    return b"".join(_framed(_example(example)) for example in examples)


def _framed(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    return length + _crc(length) + content + _crc(content)


def _crc(content: bytes) -> bytes:
    value = google_crc32c.value(content)
    return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _example(example: Mapping[str, object]) -> bytes:
    entries = b""
    for key, value in example.items():
        values: list[Any] = value if isinstance(value, list) else [value]
        if isinstance(values[0], bytes):
            feature = _field(1, b"".join(_field(1, item) for item in values))
        elif isinstance(values[0], float):
            feature = _field(2, _field(1, struct.pack(f"<{len(values)}f", *values)))
        else:
            feature = _field(3, _field(1, b"".join(map(_varint, values))))
        entries += _field(1, _field(1, key.encode()) + _field(2, feature))
    return _field(1, entries)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    value, out = value & (1 << 64) - 1, b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def parquet(columns: Mapping[str, object]) -> bytes:
    out = io.BytesIO()
    pd.DataFrame(columns).to_parquet(out, index=False)
    return out.getvalue()


def hdf5(sets: Mapping[str, object]) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        for name, value in sets.items():
            file.create_dataset(name, data=np.void(value) if isinstance(value, bytes) else value)
    return out.getvalue()


def npz(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def npy(array: NDArray[np.generic]) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def _labels() -> str:
    return "id,kind\n" + "".join(f"{name},{label}\n" for name, label in TRAIN.items())


Files = dict[str, bytes | str]


def pack_tfrecords() -> Files:
    """Two folders of one size, and a folder without labels."""
    shots = pictures([*TRAIN, *TEST])
    rows = [{"image": png(shots[name]), "id": name.encode(), "kind": label.encode()} for name, label in TRAIN.items()]
    tests = [{"image": png(shots[name]), "id": name.encode()} for name in TEST]
    return {
        "records-8x8/train/00-8x8-4.tfrec": tfrecords(rows[:4]),
        "records-8x8/train/01-8x8-4.tfrec": tfrecords(rows[4:8]),
        "records-8x8/val/00-8x8-4.tfrec": tfrecords(rows[8:]),
        "records-8x8/test/00-8x8-4.tfrec": tfrecords(tests),
    }


def pack_parquet_pixels() -> Files:
    """One column per pixel, in two files, and labels in a CSV."""
    shots = pictures([*TRAIN, *TEST], grey=True)

    def part(ids: Sequence[str]) -> bytes:
        values = np.stack([shots[name].ravel() for name in ids])
        return parquet({"id": list(ids)} | {str(n): values[:, n] for n in range(SIDE * SIDE)})

    train = list(TRAIN)
    return {
        "train_image_data_0.parquet": part(train[:5]),
        "train_image_data_1.parquet": part(train[5:]),
        "test_image_data_0.parquet": part(list(TEST)),
        "train.csv": _labels(),
    }


def pack_parquet_bytes() -> Files:
    """A column of encoded pictures beside ids and labels."""
    shots = pictures([*TRAIN, *TEST])
    return {
        "train.parquet": parquet(
            {
                "id": list(TRAIN),
                "kind": list(TRAIN.values()),
                "image": [{"bytes": png(shots[name]), "path": f"{name}.png"} for name in TRAIN],
            }
        ),
        "test.parquet": parquet({"id": list(TEST), "image": [png(shots[name]) for name in TEST]}),
    }


def pack_hdf5() -> Files:
    """One data set of encoded bytes per id, and labels in a CSV."""
    shots = pictures([*TRAIN, *TEST])
    return {
        "train-image.hdf5": hdf5({name: png(shots[name]) for name in TRAIN}),
        "test-image.hdf5": hdf5({name: png(shots[name]) for name in TEST}),
        "train-metadata.csv": _labels(),
    }


def pack_hdf5_arrays() -> Files:
    """Arrays of images, ids and labels."""
    shots = pictures([*TRAIN, *TEST])
    return {
        "train.h5": hdf5(
            {"image": np.stack([shots[name] for name in TRAIN]), "id": list(TRAIN), "kind": list(TRAIN.values())}
        ),
        "test.h5": hdf5({"image": np.stack([shots[name] for name in TEST]), "id": list(TEST)}),
    }


def pack_npz() -> Files:
    """Arrays of images, ids and labels."""
    shots = pictures([*TRAIN, *TEST])
    return {
        "train.npz": npz(
            {
                "image": np.stack([shots[name] for name in TRAIN]),
                "id": np.array(list(TRAIN)),
                "kind": np.array(list(TRAIN.values())),
            }
        ),
        "test.npz": npz({"image": np.stack([shots[name] for name in TEST]), "id": np.array(list(TEST))}),
    }


def pack_npy() -> Files:
    """Arrays without ids: the order of the tables pairs them."""
    shots = pictures([*TRAIN, *TEST])
    return {
        "train_images.npy": npy(np.stack([shots[name] for name in TRAIN])),
        "test_images.npy": npy(np.stack([shots[name] for name in TEST])),
        "train.csv": _labels(),
    }


def pack_bson() -> Files:
    """One document per image."""
    shots = pictures([*TRAIN, *TEST])
    return {
        "train.bson": b"".join(
            bson.encode({"id": name, "image": png(shots[name]), "kind": label}) for name, label in TRAIN.items()
        ),
        "test.bson": b"".join(bson.encode({"id": name, "image": png(shots[name])}) for name in TEST),
    }


def pack_json() -> Files:
    """Two bands of numbers in each record."""
    shots = pictures([*TRAIN, *TEST], grey=True)

    def part(ids: Sequence[str], labels: Mapping[str, str]) -> str:
        cell = {name: shots[name].ravel().tolist() for name in ids}
        return json.dumps([{"id": n, "band_1": cell[n]} | ({"kind": labels[n]} if labels else {}) for n in ids])

    return {"train.json": part(list(TRAIN), TRAIN), "test.json": part(list(TEST), {})}


def pack_coco() -> Files:
    """Image files in folders of two levels, listed by images, annotations and categories."""
    shots = pictures([*TRAIN, *TEST])
    kinds = {"ant": 0, "bee": 7, "cow": 155}
    folder = {kind: f"images/{number // 100:03d}/{number % 100:02d}" for kind, number in kinds.items()}
    name = {i: f"{folder[kind]}/{400 + n}.png" for n, (i, kind) in enumerate(TRAIN.items())}
    train = {
        "annotations": [{"id": n, "image_id": i, "category_id": kinds[k]} for n, (i, k) in enumerate(TRAIN.items())],
        "categories": [{"id": number, "name": kind} for kind, number in kinds.items()],
        "images": [{"id": i, "file_name": name[i], "place": f"p{n % 4}"} for n, i in enumerate(TRAIN)],
    }
    test = {"images": [{"id": i, "file_name": f"images/{n % 2:03d}/{n}.png"} for n, i in enumerate(TEST)]}
    return {
        "set/train/metadata.json": json.dumps(train),
        "set/test/metadata.json": json.dumps(test),
        **{f"set/train/{name[i]}": png(shots[i]) for i in TRAIN},
        **{f"set/test/images/{n % 2:03d}/{n}.png": png(shots[i]) for n, i in enumerate(TEST)},
    }


class Pack(NamedTuple):
    """A container: its files, what the sections train and test say beside the layout, whether its pictures are grey."""

    files: Callable[[], Files]
    train: Mapping[str, object]
    test: Mapping[str, object]
    grey: bool = False


def _one_file(files: Callable[[], Files], suffix: str, grey: bool = False) -> Pack:
    """A file of images, ids and labels, and one without labels."""
    train = {"images": f"train.{suffix}", "table": f"train.{suffix}"}
    return Pack(files, train, {"images": f"test.{suffix}", "packed": {"id": "id"}}, grey)


_TFRECORDS = "records-8x8/{train,val}/*.tfrec"
PACKS = {
    "tfrecords": Pack(
        pack_tfrecords,
        {"images": _TFRECORDS, "table": _TFRECORDS},
        {"images": "records-8x8/test/*.tfrec", "packed": {"id": "id"}},
    ),
    "parquet pixels": Pack(
        pack_parquet_pixels,
        {"images": "train_image_data_*.parquet", "table": "train.csv", "packed": {"pixels": r"\d+"}},
        {"images": "test_image_data_*.parquet", "packed": {"id": "id", "pixels": r"\d+"}},
        grey=True,
    ),
    "hdf5": Pack(
        pack_hdf5, {"images": "train-image.hdf5", "table": "train-metadata.csv"}, {"images": "test-image.hdf5"}
    ),
    "npy": Pack(pack_npy, {"images": "train_images.npy", "table": "train.csv"}, {"images": "test_images.npy"}),
    "parquet bytes": _one_file(pack_parquet_bytes, "parquet"),
    "hdf5 arrays": _one_file(pack_hdf5_arrays, "h5"),
    "npz": _one_file(pack_npz, "npz"),
    "bson": _one_file(pack_bson, "bson"),
    "json": _one_file(pack_json, "json", grey=True),
    "coco": Pack(
        pack_coco,
        {"images": "set/train", "table": "set/train/metadata.json", "label": "category_name", "file": "file_name"},
        {"images": "set/test", "listed_by": "table", "table": "set/test/metadata.json", "id": "id"}
        | {"file": "file_name"},
    ),
}


def write_pack(root: Path, pack: str) -> bool:
    """Writes a repository root whose competition ``packed`` lies in a container; says whether its pictures are grey."""
    files, train, test, grey = PACKS[pack]
    folder = root / "download"
    (root / "data").mkdir(parents=True)
    for name, content in (files() | {"sample.csv": "Id,Kind\n" + "".join(f"{name},ant\n" for name in TEST)}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    section = {
        "title": "packed",
        "source": {"kind": "local", "path": "download"},
        "train": {"layout": "csv_images", "id": "id", "label": "kind", **train},
        "test": {"layout": "images", **test},
        "storage": {"size": SIDE, "channels": 1 if grey else 3},
        "mirror": True,
        "metric": {"name": "accuracy"},
        "submission": {"kind": "label", "sample": "sample.csv", "id": "Id", "label": "Kind"},
        "models": ["small_cnn"],
    }
    write_yaml(root / "configs" / "competitions" / "packed.yaml", section)
    write_yaml(root / "params.yaml", {"competition": "packed", "models": ["small_cnn"], "prepare": {"workers": 1}})
    return grey
