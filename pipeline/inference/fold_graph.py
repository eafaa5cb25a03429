"""Graphs of all folds of a network: from grey levels to the outputs of each fold for each view, before any mean."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.core.cards import ModelCard
from pipeline.core.errors import InputError
from pipeline.inference.export_formats import write_graph
from pipeline.inference.exported_graph import ResizeImages, StackViews
from pipeline.inference.opened_network import open_network
from pipeline.inference.task_shape import TaskShape
from pipeline.networks.build import build_penultimate
from pipeline.networks.runtime import keras


def write_fold_graph(path: Path, card: ModelCard, checkpoints: Sequence[Path], shape: TaskShape, weights: Path) -> None:
    """Writes the graph of all folds as ONNX, in float32.

    Args:
        path: a file.
        card: of a model with a network.
        checkpoints: of its folds and seeds, in the order of the outputs.
        shape: of its images and outputs.
        weights: folder of the files that a network needs before its checkpoint can be loaded.
    """
    write_graph(_build_fold_graph(card, checkpoints, shape, weights), path, "onnx", "float32")


def _build_fold_graph(card: ModelCard, checkpoints: Sequence[Path], shape: TaskShape, weights: Path) -> keras.Model:
    """Builds the graph: of each checkpoint the outputs and what the layer of logits sees, both (n_views * batch, _)."""
    pictures = keras.Input((shape.stored, shape.stored, shape.channels), dtype="float32", name="pictures")
    views, outputs = None, []
    for number, path in enumerate(checkpoints):
        opened = open_network(card, shape, weights, precision="float32")
        if opened is None:
            raise InputError(f"{card.model} has no network")
        opened.load(path)
        if views is None:
            sized = ResizeImages(shape.stored, opened.size)(pictures) if opened.size != shape.stored else pictures
            views = StackViews(opened.recipe.views, opened.size)(sized)
        model = opened.net.model
        last = build_penultimate(opened.net, on_features=False).outputs[0]
        outputs += keras.Model(model.inputs[0], [model.outputs[0], last], name=f"checkpoint{number}")(views)
    return keras.Model(pictures, outputs, name="folds")
