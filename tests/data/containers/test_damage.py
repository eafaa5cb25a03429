"""Damaged files of rows, cut off, with flipped bits or zeros: read or named, and never a stack trace."""

import random
from pathlib import Path

import pytest
from support.packers import PACKS

from pipeline.core.errors import InputError
from pipeline.core.file_layouts import Packed
from pipeline.data.containers.pictures import iterate_pictures
from pipeline.data.containers.tables import find_row_columns, read_rows

PLACES = ("tfrecords", "parquet bytes", "hdf5", "hdf5 arrays", "npz", "npy", "bson", "json")


def _damage(content: bytes, random_: random.Random) -> bytes:
    whole, kind = bytearray(content), random_.randrange(3)
    start = random_.randrange(len(whole))
    if kind == 0:
        return content[:start]
    if kind == 1:
        for _ in range(random_.choice((1, 5, 50))):
            whole[random_.randrange(len(whole))] ^= 1 << random_.randrange(8)
    else:
        whole[start : start + 200] = bytes(len(whole[start : start + 200]))
    return bytes(whole)


@pytest.mark.parametrize("pack", PLACES)
def test_damage_is_read_over_or_named(tmp_path: Path, pack: str) -> None:
    random_ = random.Random(1)
    files = {name: text for name, text in PACKS[pack].files().items() if not name.endswith(".csv")}
    said = []
    for _ in range(20):
        name = random_.choice(sorted(files))
        content = files[name]
        path = tmp_path / f"damaged{Path(name).suffix}"
        path.write_bytes(_damage(content.encode() if isinstance(content, str) else content, random_))
        try:
            columns = find_row_columns(path)
            read_rows(path, columns.plain)
            list(iterate_pictures(path, Packed(columns=columns.pictures or None), range(10)))
        except InputError as error:
            said.append(str(error))
    assert said
    assert all("damaged." in words for words in said)
