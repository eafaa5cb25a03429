"""JSON of others, looked at while it is read: what would end the process or take hours is one line."""

import io
import json
import random
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import InputError
from pipeline.data.containers.json_guard import GuardedJson
from pipeline.data.containers.json_rows import iterate_json

DIGITS = b"9" * 5000


def read(content: bytes, size: int) -> bytes:
    file = GuardedJson(io.BytesIO(content), Path("a.json"))
    return b"".join(iter(lambda: file.read(size), b""))


def make_value(rng: random.Random, depth: int = 0) -> Any:
    if depth > 5 or rng.random() < 0.3:
        return rng.choice(['a"b', "\\", '\\"', "[[[", '{"', "\u00e9\n", "1" * 4400, "x\\", 0.25, 12345])
    inner = [make_value(rng, depth + 1) for _ in range(rng.randint(0, 4))]
    keys = [rng.choice(["k", "\\"]) + str(place) for place in range(len(inner))]
    return inner if rng.random() < 0.5 else dict(zip(keys, inner, strict=True))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 65536])
def test_any_json_comes_through_as_it_is(size: int) -> None:
    rng = random.Random(0)
    for _ in range(60 if size > 100 else 2):
        content = json.dumps([make_value(rng) for _ in range(4)], ensure_ascii=rng.random() < 0.5).encode()
        assert read(content * 3, size) == content * 3  # its depth is as before


@pytest.mark.parametrize("size", [1, 100, 4299, 65536])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" + DIGITS + b"]", "^a.json holds a number with more than 4,300 digits; correct it"),
        (b'["' + DIGITS + b'", "\\\\", ' + DIGITS + b"]", "more than 4,300 digits"),
        (b"[" * 101, "^a.json nests values deeper than 100, as no table does"),
        (b'["]]]"' + b', {"a": [' * 51, "deeper than 100"),
    ],
)
def test_what_the_parser_does_not_survive_is_refused(size: int, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(content, size)


@pytest.mark.parametrize(
    ("label", "message"),
    [("9" * 100_000, "more than 4,300 digits"), ("[" * 300_000 + "]" * 300_000, "deeper than 100")],
)
def test_a_bomb_behind_many_rows_is_refused_at_once(tmp_path: Path, label: str, message: str) -> None:
    path = tmp_path / "train.json"
    row = '{"id": "0.png", "label": 1}'
    path.write_text(f'[{f"{row}, " * 40_000}{{"id": "1.png", "label": {label}}}]')
    with pytest.raises(InputError, match=message):
        list(iterate_json(path, None))
