"""Predicts any pictures. Run by hand: no stage of dvc.yaml.

Reads: params.yaml, configs/, data/prepared/, folds/ (cards, checkpoints, predictions, the fold table),
    reports/ensemble.json, the pictures
Writes: what was asked for: a file of answers, a folder of overlays; .work/unknown
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.core.errors import InputError, printable, some
from pipeline.core.files import atomic_path, require_file_place, require_folder_place, write_text
from pipeline.inference import pictures
from pipeline.inference.answers import Answer, Format, answers, written
from pipeline.inference.predictor import Prediction, Predictor, open_predictor
from pipeline.inference.saliency.heat import overlaid

_CHUNK = 1024
_SHOWN = 320  # pixels of an overlay at least: a store of 32 pixels is no sight
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class PredictOptions:
    """What a person wants of predictions.

    Attributes:
        kind: how they are written.
        out: where to; None prints them.
        gradcam: a folder for pictures with heat laid over them.
        rate: share of known pictures that may be called unknown.
    """

    kind: Format = "table"
    out: Path | None = None
    gradcam: Path | None = None
    rate: float = 0.05


def run(root: Path, paths: Sequence[str], name: str, wishes: PredictOptions) -> None:
    """Predicts all that can be read, and then refuses what cannot.

    Raises:
        InputError: nothing is trained, a path is not there, or nothing can be written where it is wanted; when all else
            is written, files that are no pictures.
    """
    found = pictures.find(paths)
    _require_places(wishes, found)
    predictor = open_predictor(root, name)
    if wishes.gradcam is not None:
        predictor.require_heat()
    told = list(_told(predictor, found, wishes))
    text = written(told, wishes.kind)
    if wishes.out is None:
        print(text, end="")
    else:
        write_text(wishes.out, text)
        print(f"predictions: {wishes.out} ({len(found)} pictures)")
    if wishes.kind == "table":
        print(_about(predictor, told, wishes.rate))
    broken = [f"{one.picture} ({one.problem})" for one in told if one.problem]
    if broken:
        raise InputError(f"{len(broken)} of {len(found)} files are no pictures: {some(broken, 3)}; the others are done")


def _require_places(wishes: PredictOptions, found: Sequence[Path]) -> None:
    """Refuses what cannot be written, and overlays among pictures: the next run would take them for such."""
    if wishes.out is not None:
        require_file_place(wishes.out, "--out")
    if wishes.gradcam is None:
        return
    require_folder_place(wishes.gradcam, "--gradcam")
    folder = wishes.gradcam.resolve()
    among = next((path for path in found if path.parent.resolve() == folder), None)
    if among is not None:
        raise InputError(
            f"{among} lies in the folder of --gradcam, where overlays are written; "
            "give another folder, or remove the overlays of an earlier run"
        )


def _told(predictor: Predictor, found: Sequence[Path], wishes: PredictOptions) -> Iterator[Answer]:
    for start in range(0, len(found), _CHUNK):
        chunk = found[start : start + _CHUNK]
        images, problems = pictures.read(chunk, predictor.form)
        for place, problem in problems.items():
            print(printable(f"{chunk[place]}: {problem}"), file=sys.stderr)
        said = predictor.predict(images)
        whole = [path for place, path in enumerate(chunk) if place not in problems]
        if wishes.gradcam is not None and whole:
            _overlay(predictor, whole, start, images, said, wishes.gradcam)
        good = iter(answers(list(map(str, whole)), said, predictor, wishes.rate))
        for place, path in enumerate(chunk):
            yield Answer(str(path), problem=problems[place]) if place in problems else next(good)


def _overlay(
    predictor: Predictor, paths: Sequence[Path], first: int, images: np.ndarray, said: Prediction, folder: Path
) -> None:
    large = replace(predictor.form, size=max(predictor.form.size, _SHOWN))
    heat = predictor.heat(images, said.probs.argmax(axis=1))
    for number, (path, warm) in enumerate(zip(paths, heat, strict=True), first + 1):
        shown, _ = pictures.read([path], large)
        target = folder / f"{number:05}-{_UNSAFE.sub('_', path.stem)[:80]}.png"
        with atomic_path(target) as temporary:
            Image.fromarray(overlaid(shown[0], warm)).save(temporary)


def _about(predictor: Predictor, told: Sequence[Answer], rate: float) -> str:
    judge = predictor.judge or predictor.name
    unknown = sum(one.unknown for one in told)
    return (
        f"{predictor.name}: {unknown} of {sum(not one.problem for one in told)} called unknown, by {judge}'s "
        f"{predictor.unknown.score}; of known pictures about {rate:.1%} would be"
    )
