"""Writes a trained model as one file for phones, servers and browsers, and says how near it is to the pipeline.

Run by hand: no stage of dvc.yaml.

Reads: params.yaml, configs/, data/prepared/, folds/<model> (card, checkpoints)
Writes: a folder: the model, labels.txt, export.json
"""

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core import files
from pipeline.core.active import active_models, active_name
from pipeline.core.cards import ModelCard, read_card
from pipeline.core.errors import InputError
from pipeline.core.files import require_folder_place, write_text
from pipeline.core.paths import ENSEMBLE, card_path, prepared_folder
from pipeline.images.store import open_store
from pipeline.inference.export_formats import NAMES, Format, Precision, check, load, write
from pipeline.inference.exported_graph import whole_graph
from pipeline.inference.selection import select_models
from pipeline.inference.trained_model import TrainedModel, open_model
from pipeline.networks import hardware

_COMPARED = 100
_FEW = 0.95  # of the pictures with the same class; below, the precision is not worth its bytes


def run(root: Path, name: str | None, kind: Format, precision: Precision, to: Path | None, fold: int | None) -> None:
    """Writes the folder under another name first: it is there whole, or not at all.

    Raises:
        InputError: the model cannot be exported, is not trained, or the folder holds something already.
    """
    check(kind, precision)
    card = _card(root, name)
    target = to or root / "export" / f"{card.model}-{kind}"
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is there already; give another folder with --to")
    require_folder_place(target, "--to")
    pipeline = open_model(root, card, precision="float32")
    if fold is not None and fold not in pipeline.checkpoints:
        raise InputError(f"{card.model} has no fold {fold}; it has {', '.join(map(str, pipeline.checkpoints))}")
    folds = [fold] if fold is not None else list(pipeline.checkpoints)
    prepared = prepared_folder(root)
    stored = open_store(prepared / "train_images.npy")
    graph = _graph(pipeline, folds, stored.shape[2], stored.shape[3])
    target.parent.mkdir(parents=True, exist_ok=True)
    building = target.with_name(f".tmp-{target.name}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    try:
        path = building / NAMES[kind]
        write(graph, path, kind, precision)
        pictures = _pictures(open_store(prepared / "test_images.npy"), stored)
        about = _measured(pipeline, folds, path, kind, pictures)
        told = {"model": card.model, "competition": card.competition, "format": kind, "precision": precision}
        files.write_json(building / "export.json", told | {"folds": folds} | _described(card, graph) | about)
        write_text(building / "labels.txt", "\n".join(pipeline.classes) + "\n")
        if target.exists():
            target.rmdir()
        building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    _say(card.model, target, kind, precision, about)


def _card(root: Path, name: str | None) -> ModelCard:
    if name == ENSEMBLE:
        raise InputError("export takes one model, not the ensemble: its combination is no graph; name a model")
    return select_models(root, name or _best(root)).models[0]


def _best(root: Path) -> str:
    """Names the best model that is a network; others are no graph.

    Raises:
        InputError: none is trained.
    """
    paths = [card_path(root, name) for name in active_models(root)]
    cards = [read_card(path, ModelCard) for path in paths if path.is_file()]
    active = active_name(root)
    networks = [card for card in cards if card.competition == active and "classifier" not in card.config]
    if not networks:
        raise InputError(f"no network among the models of params.yaml is trained for {active} yet; run `dvc repro`")
    return max(networks, key=lambda card: card.pooled if card.greater_is_better else -card.pooled).model


def _graph(pipeline: TrainedModel, folds: list[int], size: int, channels: int) -> Any:
    checkpoints = {one: pipeline.checkpoints[one] for one in folds}
    return whole_graph(pipeline.card, checkpoints, size, channels, len(pipeline.classes), pipeline.weights)


def _pictures(test: NDArray[np.uint8], train: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([test[:_COMPARED], train[: max(0, _COMPARED - len(test))]])


def _measured(
    pipeline: TrainedModel, folds: list[int], path: Path, kind: Format, pictures: NDArray[np.uint8]
) -> dict[str, Any]:
    """Compares what was written with the pipeline, and times it picture by picture."""
    known = _probs(pipeline, pictures, folds)
    runs = load(path, kind)
    runs(pictures[:1])
    seconds, found = [], []
    for picture in pictures:
        begun = time.perf_counter()
        found.append(runs(picture[None])[0])
        seconds.append(time.perf_counter() - begun)
    probs = np.stack(found)
    written = sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
    return {
        "compared_pictures": len(pictures),
        "max_probability_difference": float(np.abs(probs - known).max()),
        "same_class": float((probs.argmax(axis=1) == known.argmax(axis=1)).mean()),
        "bytes": written,
        "milliseconds_per_picture": 1000 * float(np.median(seconds)),
        "hardware": hardware.name_hardware(),
    }


def _probs(pipeline: TrainedModel, pictures: NDArray[np.uint8], folds: list[int]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = np.stack([said.probs for said in pipeline.said(pictures, folds)]).mean(axis=0)
    return mean


def _described(card: ModelCard, graph: Any) -> dict[str, Any]:
    side, channels = graph.input_shape[1], graph.input_shape[-1]
    return {
        "input": f"uint8 (batch, {side}, {side}, {channels}), 0..255, {'RGB' if channels == 3 else 'grey'}",
        "outside": "decoding the file, its orientation, cutting and scaling it to that size, as the competition stores",
        "inside": "resizing to the network's size, normalisation, views, mean over views and folds, softmax",
        "output": "float32 (batch, classes), probabilities in the order of labels.txt",
        "oof": {card.metric: card.pooled},
    }


def _say(name: str, target: Path, kind: str, precision: str, about: dict[str, Any]) -> None:
    print(
        f"exported {name} as {kind} in {precision} to {target}: {about['bytes'] / 1e6:,.2f} MB, "
        f"{about['milliseconds_per_picture']:.2f} ms a picture"
    )
    print(
        f"parity with the pipeline on {about['compared_pictures']} pictures: probabilities differ by "
        f"{about['max_probability_difference']:.2g} at most, {about['same_class']:.0%} get the same class"
    )
    if about["same_class"] < _FEW and precision != "float32":
        print(f"note: {precision} costs this model its answers; take a higher --precision")
