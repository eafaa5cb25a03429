"""Writes a trained model as one file for phones, servers and browsers, and measures its difference to the pipeline.

Run by hand: no stage of dvc.yaml.

Reads: params.yaml, configs/, data/prepared/, folds/<model> (card, checkpoints)
Writes: a folder: the model, labels.txt, export.json, a reader of picture files, a picture with what must come of it
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core import files
from pipeline.core.active import active_models, active_name
from pipeline.core.answers import RankedSubmission
from pipeline.core.cards import ModelCard, read_card
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError, some
from pipeline.core.files import require_folder_place, write_text
from pipeline.core.folders import atomic_folder
from pipeline.core.formats import GraphFormat, WeightPrecision
from pipeline.core.layouts import CsvPixels, FileNames, Folders
from pipeline.core.paths import ENSEMBLE, card_path, prepared_folder
from pipeline.core.tables import read_index
from pipeline.core.targets.contract import Target
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.prepared import read_target
from pipeline.data.sources.source import find_source_folder
from pipeline.images.store import open_store
from pipeline.inference import outside_graph, picture_reader
from pipeline.inference.export_formats import FILE_NAMES, check_precision, load_exported, write_graph
from pipeline.inference.exported_graph import build_graph
from pipeline.inference.fitted_rule import read_fitted_rule
from pipeline.inference.graph_outputs import describe_decision
from pipeline.inference.licences import write_licences
from pipeline.inference.parity import COMPARED, choose_files, describe_differences, measure_files, measure_graph
from pipeline.inference.selection import select_models
from pipeline.inference.task_shape import TaskShape
from pipeline.inference.trained_model import TrainedModel, open_trained_model, read_form
from pipeline.networks import hardware

_MIN_AGREEMENT = 0.95  # share of images with the same class; below, the precision loses too much

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
    shape = TaskShape(stored.shape[2], stored.shape[3], model.target.n_outputs, str(stored.dtype))
    graph = _build_graph(model, folds, shape)
    with atomic_folder(target) as building:
        path = building / FILE_NAMES[kind]
        write_graph(graph, path, kind, precision)
        test = open_store(prepared / "test_images.npy")
        images = np.concatenate([test[:COMPARED], stored[: max(0, COMPARED - len(test))]])
        about = measure_graph(model, folds, path, kind, images) | {"hardware": hardware.name_hardware()}
        settings = {"model": card.model, "competition": card.competition, "format": kind, "precision": precision}
        described = _describe_graph(card, model.target, graph) | _describe_rule(root, card.model)
        described |= _write_outside(root, model, folds, building, kind)
        files.write_json(building / "export.json", settings | {"folds": folds} | described | about)
        write_text(building / "labels.txt", "\n".join(model.classes) + "\n")
        licences = write_licences(building, [card], model.weights)
    print(*licences, sep="\n", end="\n" if licences else "")
    _print_result(f"{card.model} as {kind} in {precision} to {target}", precision, about | described)


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


def _build_graph(model: TrainedModel, folds: list[int], shape: TaskShape) -> Any:
    checkpoints = {each: model.checkpoints[each] for each in folds}
    return build_graph(model.card, checkpoints, shape, model.target, model.weights)


def _describe_graph(card: ModelCard, target: Target, graph: Any) -> dict[str, Any]:
    side, channels, dtype = graph.input_shape[1], graph.input_shape[-1], graph.inputs[0].dtype
    colours = _CHANNELS.get(channels, "channels as stored")
    last = "softmax" if target.kind in ("one_class", "grades") else f"what makes {target.kind} of the network's outputs"
    values = (
        "numbers"
        if isinstance(target, Numbers)
        else "predictions"
        if target.kind == "several_targets"
        else "probabilities"
    )
    sized = card.config["views"].get("size")
    size = f"{sized} x {sized} pixels, at which it predicts" if sized else "the network's size"
    return {
        "input": f"{dtype} (batch, {side}, {side}, {channels}), 0..255, {colours}",
        "inside": f"resizing to {size}, normalisation, views, mean over views and folds, {last}",
        "output": f"float32 (batch, {len(target.columns)}), {values} in the order of labels.txt",
        "target": target.kind,
        "decision": describe_decision(target),
        "oof": {card.metric: card.pooled},
    } | ({"student": card.student.model_dump(mode="json")} if card.student else {})


def _describe_rule(root: Path, model: str) -> dict[str, Any]:
    """Describes what decides better than the plain decision: ``rule``, absent where nothing does."""
    competition, target = load_competition(root), read_target(prepared_folder(root))
    new = competition.submission.new if isinstance(competition.submission, RankedSubmission) else None
    rule = read_fitted_rule(root, model, target, competition.metric.metric_for(target), new)
    return {"rule": rule} if rule else {}


def _write_outside(
    root: Path, model: TrainedModel, folds: list[int], folder: Path, kind: GraphFormat
) -> dict[str, Any]:
    """Writes what reads picture files, and the one to check it by; returns what the card says of it."""
    competition, form = load_competition(root), read_form(root)
    layout = competition.train
    one_name = isinstance(layout, CsvPixels | Folders | FileNames) or layout.files is None
    outside = outside_graph.describe_outside(form, several_files=not one_name)
    if not outside_graph.is_plain(form, several_files=not one_name):
        return {"outside": outside, "from_files": {"compared_files": 0, "not_read": [outside["channels"]]}}
    predict = load_exported(folder / FILE_NAMES[kind], kind)
    pixels = outside_graph.store_check_picture(folder, form)
    outside_graph.write_check(folder, pixels, predict(pixels[None])[0], model.classes)
    shutil.copyfile(picture_reader.__file__, folder / outside_graph.READER)
    prepared = prepared_folder(root)
    there = choose_files(
        find_source_folder(root, competition),
        read_index(prepared / "train.csv"),
        open_store(prepared / "train_images.npy"),
    )
    if there is None:
        return {"outside": outside, "from_files": {"compared_files": 0, "not_read": []}}
    return {"outside": outside, "from_files": measure_files(model, folds, predict, outside, there)}


def _print_result(what: str, precision: str, about: dict[str, Any]) -> None:
    print(f"exported {what}: {about['bytes'] / 1e6:,.2f} MB, {about['milliseconds_per_picture']:.2f} ms per image")
    print(f"from stored pixels, {about['compared_pictures']} images: {describe_differences(about)}")
    from_files = about["from_files"]
    if from_files["compared_files"]:
        print(
            f"from picture files, {from_files['compared_files']} read by export.json's words alone: "
            f"{describe_differences(from_files)}"
        )
    else:
        print("from picture files: not compared, as none that read_picture.py takes is here")
    if from_files["not_read"]:
        print(f"note: not read: {some(from_files['not_read'])}")
    if about.get("same_class", 1) < _MIN_AGREEMENT and precision != "float32":
        print(f"note: {precision} changes many predictions of this model; use a higher --precision")
