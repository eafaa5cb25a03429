"""Notebooks on record: read back as they were written, and no other one believed."""

import json
import random
from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.kaggle.renting import PushedKernel, SentFold, pushed_path, read_pushed, write_pushed

_KERNEL = PushedKernel(
    ref="someone/tiny-train-0", version=3, tasks=(SentFold(model="one", fold=1, fingerprint="0123456789abcdef"),)
)


def test_any_flipped_bit_and_any_cut_of_the_record_is_noticed_or_without_effect(tmp_path: Path) -> None:
    write_pushed(tmp_path, [_KERNEL])
    assert read_pushed(tmp_path) == [_KERNEL]
    path, rng, noticed = pushed_path(tmp_path), random.Random(0), 0
    content = path.read_bytes()
    for number in range(300):
        changed = bytearray(content)
        changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content[: rng.randrange(len(content))] if number % 4 == 0 else changed)
        try:
            found = read_pushed(tmp_path)
        except InputError:
            noticed += 1
        else:
            assert found == [_KERNEL], number
    assert noticed > 200


def test_a_record_of_an_earlier_version_is_read_as_it_is(tmp_path: Path) -> None:
    pushed_path(tmp_path).write_text(json.dumps([_KERNEL.model_dump(mode="json")]))
    assert read_pushed(tmp_path) == [_KERNEL]
