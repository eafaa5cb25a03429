"""Writes a trained model as one file for phones, servers and browsers, and measures its difference to the pipeline.

Run by hand: no stage of dvc.yaml.

Reads: params.yaml, configs/, data/prepared/, folds/<model> (card, checkpoints)
Writes: a folder: the model, labels.txt, export.json
"""

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core import files
from pipeline.core.active import active_models, active_name
from pipeline.core.arrays import Images, Values
from pipeline.core.cards import ModelCard, read_card
from pipeline.core.errors import InputError
from pipeline.core.files import require_folder_place, write_text
from pipeline.core.formats import GraphFormat, WeightPrecision
from pipeline.core.paths import ENSEMBLE, card_path, prepared_folder
from pipeline.core.targets.contract import Target
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.images.store import open_store
from pipeline.inference.export_formats import FILE_NAMES, check_precision, load_exported, write_graph
from pipeline.inference.exported_graph import build_graph
from pipeline.inference.graph_outputs import describe_decision
from pipeline.inference.licences import write_licences
from pipeline.inference.opened_network import TaskShape
from pipeline.inference.selection import select_models
from pipeline.inference.trained_model import TrainedModel, open_trained_model
from pipeline.networks import hardware

_COMPARED = 100
_MIN_AGREEMENT = 0.95  # share of images with the same class; below, the precision loses too much

_DIFFERENCES = {
    "max_probability_difference": "probabilities",
    "max_difference_in_deviations": "numbers, in their standard deviations,",
}
_CHANNELS = {1: "grey", 3: "RGB"}


def run(
    root: Path, name: str | None, kind: GraphFormat, precision: WeightPrecision, to: Path | None, fold: int | None
) -> None:
    """Writes the folder under another name first: it is there whole, or not at all.

    Raises:
        InputError: the model cannot be exported, is not trained, or the folder is not empty.
    """
    check_precision(kind, precision)
    card = _find_card(root, name)
    target = to or root / "export" / f"{card.model}-{kind}"
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} exists already; give another folder with --to")
    require_folder_place(target, "--to")
    model = open_trained_model(root, card, precision="float32")
    if fold is not None and fold not in model.checkpoints:
        raise InputError(f"{card.model} has no fold {fold}; it has {', '.join(map(str, model.checkpoints))}")
    folds = [fold] if fold is not None else list(model.checkpoints)
    prepared = prepared_folder(root)
    stored = open_store(prepared / "train_images.npy")
    graph = _build_graph(model, folds, stored.shape[2], stored.shape[3])
    target.parent.mkdir(parents=True, exist_ok=True)
    building = target.with_name(f".tmp-{target.name}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    try:
        path = building / FILE_NAMES[kind]
        write_graph(graph, path, kind, precision)
        images = _select_images(open_store(prepared / "test_images.npy"), stored)
        about = _measure(model, folds, path, kind, images)
        settings = {"model": card.model, "competition": card.competition, "format": kind, "precision": precision}
        described = _describe_graph(card, model.target, graph)
        files.write_json(building / "export.json", settings | {"folds": folds} | described | about)
        write_text(building / "labels.txt", "\n".join(model.classes) + "\n")
        licences = write_licences(building, [card], model.weights)
        if target.exists():
            target.rmdir()
        building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    print(*licences, sep="\n", end="\n" if licences else "")
    _print_result(card.model, target, kind, precision, about)


def _find_card(root: Path, name: str | None) -> ModelCard:
    if name == ENSEMBLE:
        raise InputError("export takes one model, not the ensemble, whose combination is not a graph; name a model")
    return select_models(root, name or _best_network(root)).models[0]


def _best_network(root: Path) -> str:
    """Returns the best model that is a network; others are not graphs.

    Raises:
        InputError: none is trained.
    """
    paths = [card_path(root, name) for name in active_models(root)]
    cards = [read_card(path, ModelCard) for path in paths if path.is_file()]
    active = active_name(root)
    networks = [card for card in cards if card.competition == active and card.has_network]
    if not networks:
        raise InputError(f"no network of params.yaml is trained for {active} yet; run `dvc repro`")
    return max(networks, key=lambda card: card.pooled if card.greater_is_better else -card.pooled).model


def _build_graph(model: TrainedModel, folds: list[int], size: int, channels: int) -> Any:
    checkpoints = {each: model.checkpoints[each] for each in folds}
    return build_graph(
        model.card, checkpoints, TaskShape(size, channels, model.target.n_outputs), model.target, model.weights
    )


def _select_images(test: Images, train: Images) -> Images:
    return np.concatenate([test[:_COMPARED], train[: max(0, _COMPARED - len(test))]])


def _measure(model: TrainedModel, folds: list[int], path: Path, kind: GraphFormat, images: Images) -> dict[str, Any]:
    """Compares the written model with the pipeline, and times it image by image."""
    expected = _predict_mean(model, images, folds)
    predict = load_exported(path, kind)
    predict(images[:1])
    seconds, outputs = [], []
    for image in images:
        begun = time.perf_counter()
        outputs.append(predict(image[None])[0])
        seconds.append(time.perf_counter() - begun)
    values = np.stack(outputs)
    written = sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
    return {
        "compared_pictures": len(images),
        **_compare(model.target, values, expected),
        "bytes": written,
        "milliseconds_per_picture": 1000 * float(np.median(seconds)),
        "hardware": hardware.name_hardware(),
    }


def _compare(target: Target, values: Values, expected: Values) -> dict[str, float]:
    """Compares predictions: largest differences, of numbers in their deviations, and the share of equal decisions."""
    found: dict[str, float] = {}
    same = np.ones(len(values), dtype=np.bool_)
    for _, part, columns, _ in target.each():
        mine, wanted = values[:, columns], expected[:, columns]
        if isinstance(part, Numbers):
            name, apart = "max_difference_in_deviations", np.abs(mine - wanted) / part.scales
        else:
            name, apart = "max_probability_difference", np.abs(mine - wanted)
            several = isinstance(part, SeveralLabels)
            same &= (part.decide(mine) == part.decide(wanted)).all(1) if several else mine.argmax(1) == wanted.argmax(1)
        found[name] = max(found.get(name, 0.0), float(apart.max()))
    return found | ({"same_class": float(same.mean())} if "max_probability_difference" in found else {})


def _predict_mean(model: TrainedModel, images: Images, folds: list[int]) -> Values:
    mean: Values = np.stack([fold.probs for fold in model.predict_folds(images, folds)]).mean(axis=0)
    return mean


def _describe_graph(card: ModelCard, target: Target, graph: Any) -> dict[str, Any]:
    side, channels = graph.input_shape[1], graph.input_shape[-1]
    last = "softmax" if target.kind in ("one_class", "grades") else f"what makes {target.kind} of the network's outputs"
    values = (
        "numbers"
        if isinstance(target, Numbers)
        else "predictions"
        if target.kind == "several_targets"
        else "probabilities"
    )
    return {
        "input": f"uint8 (batch, {side}, {side}, {channels}), 0..255, {_CHANNELS.get(channels, 'channels as stored')}",
        "outside": "decoding the file, its orientation, cutting and scaling it to that size, as the competition stores",
        "inside": f"resizing to the network's size, normalisation, views, mean over views and folds, {last}",
        "output": f"float32 (batch, {len(target.columns)}), {values} in the order of labels.txt",
        "target": target.kind,
        "decision": describe_decision(target),
        "oof": {card.metric: card.pooled},
    }


def _print_result(name: str, target: Path, kind: str, precision: str, about: dict[str, Any]) -> None:
    print(
        f"exported {name} as {kind} in {precision} to {target}: {about['bytes'] / 1e6:,.2f} MB, "
        f"{about['milliseconds_per_picture']:.2f} ms per image"
    )
    apart = [f"{name} differ by {about[key]:.2g} at most" for key, name in _DIFFERENCES.items() if key in about]
    same = f", {about['same_class']:.0%} get the same class" if "same_class" in about else ""
    print(f"compared with the pipeline on {about['compared_pictures']} images: {', '.join(apart)}{same}")
    if about.get("same_class", 1) < _MIN_AGREEMENT and precision != "float32":
        print(f"note: {precision} changes many predictions of this model; use a higher --precision")
