"""Predicts any images. Run by hand: no stage of dvc.yaml.

Reads: params.yaml, configs/, data/prepared/, folds/ (cards, checkpoints, predictions, the fold table),
    reports/ensemble.json, the images
Writes: on request a file of results and a folder of overlays; .work/graphs, .work/unknown
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError, printable, some
from pipeline.core.files import atomic_path, require_file_place, require_folder_place, write_text
from pipeline.core.formats import ResultFormat
from pipeline.inference.image_files import find_image_files, gather_slices, read_image_files
from pipeline.inference.image_results import ImageResult, choose_separator, format_results, make_results
from pipeline.inference.predictor import ImagePredictions, Predictor, open_predictor
from pipeline.inference.saliency.heat import overlay_heat

_CHUNK = 1024
_DISPLAYED = 320  # side of an overlay in pixels, at least: a store may have 32
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class PredictOptions:
    """Options of predictions.

    Attributes:
        kind: the format of the results.
        out: a file for them; None prints them.
        gradcam: a folder for images with their heat overlaid.
        rate: share of known images that may be called unknown.
    """

    kind: ResultFormat = "table"
    out: Path | None = None
    gradcam: Path | None = None
    rate: float = 0.05


def run(root: Path, paths: Sequence[str], name: str, options: PredictOptions) -> None:
    """Predicts all that can be read, and then refuses what cannot.

    Raises:
        InputError: nothing is trained, a path does not exist, or an output cannot be written; after all others are
            written, files that are not images.
    """
    files = find_image_files(paths)
    _require_places(options, files)
    predictor = open_predictor(root, name)
    if options.gradcam is not None:
        predictor.require_heat()
    files = gather_slices(files, predictor.form)
    results = list(_predict_files(predictor, files, options))
    written = getattr(load_competition(root).submission, "separator", None)
    text = format_results(results, options.kind, choose_separator(predictor.target.columns, written))
    if options.out is None:
        print(text, end="")
    else:
        write_text(options.out, text)
        print(f"predictions: {options.out} ({len(files)} images)")
    if options.kind == "table":
        print(_summarise(predictor, results, options.rate))
    broken = [f"{result.name} ({result.problem})" for result in results if result.problem]
    if broken:
        raise InputError(f"{len(broken)} of {len(files)} files are not images: {some(broken, 3)}; others are predicted")


def _require_places(options: PredictOptions, files: Sequence[Path]) -> None:
    """Refuses outputs that cannot be written, and overlays among the images: the next run would predict them."""
    if options.out is not None:
        require_file_place(options.out, "--out")
    if options.gradcam is None:
        return
    require_folder_place(options.gradcam, "--gradcam")
    folder = options.gradcam.resolve()
    among = next((path for path in files if path.parent.resolve() == folder), None)
    if among is not None:
        raise InputError(
            f"{among} is in the folder of --gradcam, where overlays are written; "
            "give another folder, or remove the overlays of an earlier run"
        )


def _predict_files(predictor: Predictor, files: Sequence[Path], options: PredictOptions) -> Iterator[ImageResult]:
    for start in range(0, len(files), _CHUNK):
        chunk = files[start : start + _CHUNK]
        images, problems = read_image_files(chunk, predictor.form)
        for place, problem in problems.items():
            print(printable(f"{chunk[place]}: {problem}"), file=sys.stderr)
        predictions = predictor.predict(images)
        whole = [path for place, path in enumerate(chunk) if place not in problems]
        if options.gradcam is not None and whole:
            _write_overlays(predictor, whole, start, images, predictions, options.gradcam)
        good = iter(make_results(list(map(str, whole)), predictions, predictor, options.rate))
        for place, path in enumerate(chunk):
            yield ImageResult(str(path), problem=problems[place]) if place in problems else next(good)


def _write_overlays(
    predictor: Predictor,
    paths: Sequence[Path],
    first: int,
    images: np.ndarray,
    predictions: ImagePredictions,
    folder: Path,
) -> None:
    size = predictor.form.size
    # A mosaic of slices needs a multiple of its own side.
    larger = size * ceil(_DISPLAYED / size) if predictor.form.slices == "mosaic" else _DISPLAYED
    large = replace(predictor.form, size=max(size, larger))
    heat = predictor.compute_heat(images, predictor.choose_columns(predictions))
    for number, (path, heat_map) in enumerate(zip(paths, heat, strict=True), first + 1):
        displayed, _ = read_image_files([path], large)
        target = folder / f"{number:05}-{_UNSAFE.sub('_', path.stem)[:80]}.png"
        with atomic_path(target) as temporary:
            Image.fromarray(overlay_heat(displayed[0], heat_map)).save(temporary)


def _summarise(predictor: Predictor, results: Sequence[ImageResult], rate: float) -> str:
    if predictor.detector is None:
        kind = predictor.target.kind.replace("_", " ")
        return f"{predictor.name}: {kind}; unknown images are recognised only where each image has one class"
    model = predictor.detecting_model or predictor.name
    unknown = sum(result.unknown for result in results)
    return (
        f"{predictor.name}: {unknown} of {sum(not result.problem for result in results)} called unknown, by {model}'s "
        f"{predictor.detector.score}; false alarms: about {rate:.1%} of known images"
    )
