import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from support.packers import tfrecords
from support.project_imports import ROOT

from pipeline.core.errors import InputError
from pipeline.data.containers.tfrecords import iterate_tfrecords

ROWS: list[dict[str, object]] = [
    {"image": b"\xff\xd8", "id": b"007", "class": 3, "box": [0.5, 1.0], "low": -2},
    {"image": b"\xff\xd9", "id": b"008", "class": 300},
]


def _write(folder: Path, content: bytes) -> Path:
    path = folder / "a.tfrec"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress], ids=["plain", "gzip"])
def test_features_come_back_as_they_were_written(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    assert list(iterate_tfrecords(_write(tmp_path, pack(tfrecords(ROWS))), None)) == ROWS


def test_chosen_features_come_alone(tmp_path: Path) -> None:
    assert list(iterate_tfrecords(_write(tmp_path, tfrecords(ROWS)), ["id"])) == [{"id": b"007"}, {"id": b"008"}]


@pytest.mark.parametrize(
    ("place", "words"), [(3, "no TFRecord file"), (30, "damaged at record 1"), (-2, "damaged at record 2")]
)
def test_a_flipped_bit_is_noticed_wherever_it_lies(tmp_path: Path, place: int, words: str) -> None:
    content = bytearray(tfrecords(ROWS))
    content[place] ^= 1
    with pytest.raises(InputError, match=words):
        list(iterate_tfrecords(_write(tmp_path, bytes(content)), None))


@pytest.mark.parametrize("left", [5, 40, -3])
def test_a_file_that_was_cut_off_is_named(tmp_path: Path, left: int) -> None:
    with pytest.raises(InputError, match=r"a\.tfrec"):
        list(iterate_tfrecords(_write(tmp_path, tfrecords(ROWS)[:left]), None))


def test_tensorflow_is_not_started(tmp_path: Path) -> None:
    path = str(_write(tmp_path, tfrecords(ROWS)))
    code = (
        "import pathlib, sys; from pipeline.data.containers.tfrecords import iterate_tfrecords as read; "
        f"print(len(list(read(pathlib.Path({path!r}), None))), 'tensorflow' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["2", "False"]
