"""Malformed inputs from a generator: one clear line, nothing half-written, below ten seconds; or taken as they are.

A value that may stand where it was put is no error; what is plainly none (a cut table, a class that does not exist)
must be refused, or leave what is made of it as it was.
"""

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from support.fabricated import CLASSES, random_probs, train_fake, write_repository
from support.tiny import build, prepare_tiny, read_yaml, write_yaml

from benchmarks.reliability.verbs import Ending, call_verbs, list_files, watch_action
from pipeline.cli import main
from pipeline.core import paths
from pipeline.core.predictions import Predictions, read_predictions, write_predictions
from pipeline.tuning.space import load_space

_CHAIN = (("fetch",), ("prepare",), ("split",))
_JUNK: tuple[Callable[[random.Random], Any], ...] = (
    lambda rng: None,
    lambda rng: True,
    lambda rng: -rng.randint(1, 10**6),
    lambda rng: 10 ** rng.randint(9, 400),
    lambda rng: rng.choice([float("nan"), float("inf"), 1e308, -0.5]),
    lambda rng: "",
    lambda rng: "x" * rng.choice([300, 5_000, 200_000]),
    lambda rng: rng.choice(
        [
            "../../etc",
            "/etc/passwd",
            "~",
            "a\0b",
            "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
            "${HOME}",
        ]
    ),
    lambda rng: rng.choice(["(", "(?P<label>", "(a+)+$", "[[:alpha:]", "(?P<label>(\\w+\\s?)*)\\."]),
    lambda rng: [],
    lambda rng: {},
    lambda rng: [[[[["deep"]]]]],
    lambda rng: {"kind": "none such"},
    lambda rng: ["a"] * 1000,
    lambda rng: "2026-11-29",
)
_TEXTS = (
    b"",
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf\xff\xff",
    b"\0" * 400,
    b"Id,Label\n" + b"0," + b"x" * 300_000 + b"\n",
    b'Id,Label\n0,"never closed\n1,cat\n',
    b"Id,Id\n0,1\n",
    b"Id;Label\n0;cat;dog\n1\n",
    b"Id,Label\n" + b"0,cat\n" * 50,
    b"Id,Label\n../../etc/passwd,cat\n",
)
_PICTURES = (
    b"",
    b"not a picture",
    b"GIF89a\xff\xff\xff\xff\x00",
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\x00\x00\x00\x00\x00\x00\x00",
    b"\x89PNG\r\n\x1a\n" + b"\0" * 60,
    b"BM" + b"\xff" * 60,
    b"II*\0\xff\xff\xff\x7f",
)
_SEARCH = {
    "training.optimizer.learning_rate": {"kind": "float", "low": 0.001, "high": 0.1, "log": True},
    "training.epochs": {"kind": "int", "low": 1, "high": 4},
    "network.units": {"kind": "categorical", "choices": [[8], [16]]},
}
_MODEL = {
    "network": {"name": "mlp_pixels", "units": [8]},
    "training": {"epochs": 2, "batch_size": 8, "optimizer": {"name": "adam", "learning_rate": 0.01}},
    "search": _SEARCH,
}
LAYOUTS = ("csv_images", "csv_one_hot", "file_names", "csv_pixels", "folders")


@dataclass(frozen=True)
class Spoilt:
    """A repository with one malformed input, the verbs that read it, and what must not change when they refuse it.

    ``read`` is called before the verbs; ``refused`` says that they must refuse it, ``same`` that what they make of it
    must be what they made of the whole one.
    """

    root: Path
    verbs: tuple[tuple[str, ...], ...]
    kept: Path
    read: Callable[[], object] = lambda: None
    refused: bool = False
    same: bool = False

    def call(self) -> int:
        """Reads the input; returns an exit code."""
        self.read()
        return next((code for verb in self.verbs if (code := main(list(verb)))), 0)


class Generator:
    """Repositories, each with one malformed input; the same seed gives the same one."""

    def __init__(self, folder: Path, layouts: Sequence[str] = LAYOUTS) -> None:
        """Makes the whole repositories that are spoilt later: one of each layout, one with members of an ensemble."""
        self._folder, self._members = folder, folder / "members"
        self._wholes = [folder / layout for layout in layouts]
        for layout, whole in zip(layouts, self._wholes, strict=True):
            build(whole, layout, "label" if layout == "csv_images" else "probabilities", per_class=4, n_test=3)
            write_yaml(whole / "configs" / "models" / "small_cnn.yaml", _MODEL)
            prepare_tiny(whole)
            call_verbs(whole, ("split",))
        write_repository(self._members)
        for seed, name in enumerate(("one", "two")):
            train_fake(self._members, name, seed)
        self._kinds: tuple[Callable[[Path, random.Random], Spoilt], ...] = (
            self._spoil_competition,
            self._spoil_params,
            self._spoil_model,
            self._spoil_table,
            self._spoil_picture,
            self._spoil_member,
        )

    def try_once(self, seed: int) -> str | None:
        """Spoils one input and calls the verbs that read it; returns the problem, or None where it held."""
        rng = random.Random(f"malformed {seed}")
        root = self._folder / "spoilt"
        shutil.rmtree(root, ignore_errors=True)
        spoilt = self._kinds[seed % len(self._kinds)](root, rng)
        before = list_files(spoilt.kept)
        ending = watch_action(root, spoilt.call)
        problem = ending.problem or _find_rests(spoilt, before, ending)
        return problem and f"{self._kinds[seed % len(self._kinds)].__name__.removeprefix('_spoil_')}: {problem}"

    @cached_property
    def _warm(self) -> bool:
        """Imports Keras, which takes its time once."""
        return not call_verbs(self._wholes[0], ("tasks",), seconds=120).code

    def _spoil_competition(self, root: Path, rng: random.Random) -> Spoilt:
        shutil.copytree(rng.choice(self._wholes), root)
        _spoil_yaml(root / "configs" / "competitions" / "tiny.yaml", rng)
        return Spoilt(root, _CHAIN, root / "data" / "prepared")

    def _spoil_params(self, root: Path, rng: random.Random) -> Spoilt:
        assert self._warm
        shutil.copytree(rng.choice(self._wholes), root)
        _spoil_yaml(root / "params.yaml", rng)
        return Spoilt(root, (*_CHAIN, ("tasks",), ("scores",)), root / "submissions")

    def _spoil_model(self, root: Path, rng: random.Random) -> Spoilt:
        assert self._warm
        shutil.copytree(rng.choice(self._wholes), root)
        _spoil_yaml(root / "configs" / "models" / "small_cnn.yaml", rng)

        def read() -> object:
            return load_space(root, "small_cnn", mirror=True).default_params()

        return Spoilt(root, (("tasks",),), root / "data", read)

    def _spoil_table(self, root: Path, rng: random.Random) -> Spoilt:
        shutil.copytree(rng.choice(self._wholes), root)
        path = rng.choice(sorted((root / "download" / "tiny").glob("*.csv")))
        path.write_bytes(_spoil_text(path.read_bytes(), rng))
        return Spoilt(root, _CHAIN, root / "data" / "prepared")

    def _spoil_picture(self, root: Path, rng: random.Random) -> Spoilt:
        shutil.copytree(rng.choice(self._wholes), root)
        path = rng.choice(sorted((root / "download" / "tiny").rglob("*.png")) or [root / "download/tiny/test.csv"])
        content = path.read_bytes()
        path.write_bytes(rng.choice([*_PICTURES, content[: rng.randrange(len(content))], _flip(content, rng)]))
        return Spoilt(root, _CHAIN, root / "data" / "prepared", same=path.suffix == ".png")

    def _spoil_member(self, root: Path, rng: random.Random) -> Spoilt:
        shutil.copytree(self._members, root)
        path = rng.choice([paths.oof_path, paths.predicted_test_path])(root, "one")
        known = read_predictions(path, CLASSES)
        ids, rows = list(known.ids), len(known.ids)
        way = rng.randrange(6)
        if way == 0:
            path.write_bytes(_spoil_text(path.read_bytes(), rng))
        elif way == 1:
            ids[rng.randrange(rows)] = "nobody"
        elif way == 2:
            ids, rows = ids[: rows - 1], rows - 1
        elif way == 3:
            path.unlink()
        names = ("ant", "bee", "dog") if way == 4 else CLASSES
        folds = "0" * 64 if way == 5 and known.folds else known.folds
        if way in (1, 2, 4, 5):
            write_predictions(path, Predictions(tuple(ids), random_probs(rows, 3, 1), names, folds, ("valid",)))
        refused = way in (1, 2, 3, 4) or folds != known.folds
        return Spoilt(root, (("ensemble",),), root / "folds" / "predictions" / "ensemble", refused=refused)


def _find_rests(spoilt: Spoilt, before: dict[str, bytes], ending: Ending) -> str | None:
    rests = [path.name for path in spoilt.root.rglob(".tmp-*")]
    if rests:
        return f"half-written: {rests}"
    after = list_files(spoilt.kept)
    if ending.code and after != before:
        return f"refused, but {spoilt.kept.name} has changed"
    if not ending.code and spoilt.refused:
        return "taken in silence"
    stores = [name for name in before if name.endswith(".npy")]
    if not ending.code and spoilt.same and any(after.get(name) != before[name] for name in stores):
        return "taken in silence, with other pixels"
    return None


def _spoil_yaml(path: Path, rng: random.Random) -> None:
    """Replaces or removes a value, adds a key, or spoils the text."""
    way = rng.randrange(6)
    if way == 0:
        path.write_bytes(_spoil_text(path.read_bytes(), rng))
        return
    if way == 1:
        path.write_text(rng.choice(_make_bombs()), encoding="utf-8")
        return
    data = read_yaml(path)
    section: Any = data
    while True:
        key = rng.choice(list(section) if isinstance(section, dict) else range(len(section)))
        if not isinstance(section[key], (dict, list)) or not section[key] or rng.random() < 0.15:
            break
        section = section[key]
    if way == 2:
        del section[key]
    elif way == 3 and isinstance(section, dict):
        section[f"{key}s"] = section.pop(key)
    else:
        section[key] = rng.choice(_JUNK)(rng)
    write_yaml(path, data)


def _make_bombs() -> list[str]:
    aliases = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    return [
        aliases,
        "[" * 3000 + "]" * 3000,
        "a: &a [*a]",
        "a: !!python/object:os.system ls",
        "? [a]\n: b\n",
        "- a\n- b\n",
    ]


def _spoil_text(content: bytes, rng: random.Random) -> bytes:
    """Cuts, flips, repeats or replaces the content of a file."""
    way = rng.randrange(5)
    if way == 0:
        return content[: rng.randrange(len(content))]
    if way == 1:
        return _flip(content, rng)
    if way == 2:
        lines = content.splitlines(keepends=True)
        return b"".join([*lines, rng.choice(lines)])
    if way == 3:
        return content.decode("utf-8", "replace").encode("utf-16") + b"\0"
    return rng.choice(_TEXTS)


def _flip(content: bytes, rng: random.Random) -> bytes:
    changed = np.frombuffer(content, dtype=np.uint8).copy()
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return changed.tobytes()
