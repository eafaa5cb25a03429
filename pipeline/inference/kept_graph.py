"""Kept graphs: what the folds of a small network compute, written once and run without starting TensorFlow.

Starting TensorFlow and building the network costs seconds, a small network thousandths of one for each image. The file
lies in ``.work/graphs``, named by all that determines it, with its digest beside it; it computes in float32, whatever
was trained in. A network is small where the weights of all its folds are: the start of a larger one is the lesser part,
and TensorFlow may compute it in bfloat16.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.arrays import Features, Images, Logits
from pipeline.core.cards import ModelCard
from pipeline.core.closure import code_digest
from pipeline.core.config import parse
from pipeline.core.digests import is_signed, sign_file
from pipeline.core.errors import one_line
from pipeline.core.files import atomic_path, locked
from pipeline.core.paths import work_folder
from pipeline.images.prefetching import default_workers
from pipeline.images.views import Views, make_view_transforms
from pipeline.inference.task_shape import TaskShape
from pipeline.networks.processor import USUAL, read_backend

_MOST_WEIGHTS = 8_000_000  # of all folds and seeds: 32 MB
_MOST_AT_ONCE, _MOST_PIXELS = 256, 2_500_000  # images, and pixels of all their views


@dataclass(frozen=True)
class KeptGraph:
    """A graph of all checkpoints of a model, opened in ONNX Runtime.

    Attributes:
        checkpoints: in the order of the outputs.
        n_views: of each image.
        batch: images at once.
        session: of ONNX Runtime.
    """

    checkpoints: tuple[Path, ...]
    n_views: int
    batch: int
    session: Any

    def predict_logits_and_features(
        self, checkpoints: Sequence[Path], images: Images
    ) -> Iterator[tuple[Logits, Features]]:
        """Yields the outputs of each checkpoint's network, as `OpenedNetwork.predict_logits_and_features` does.

        Args:
            checkpoints: of the folds and seeds that are asked for.
            images: uint8 (n, size, size, channels), as the image store keeps them; n > 0.

        Yields:
            Logits of all views, float32 (n_views, n, n_outputs), and the inputs of the layer of logits for the images
            themselves, float32 (n, width).
        """
        taken = self.session.get_inputs()[0].name
        given = [output.name for output in self.session.get_outputs()]
        places = [self.checkpoints.index(path) for path in checkpoints]
        names = [given[2 * place + kind] for place in places for kind in (0, 1)]
        starts = range(0, len(images), self.batch)
        batches = [
            self.session.run(names, {taken: images[start : start + self.batch].astype(np.float32)}) for start in starts
        ]
        for number in range(len(places)):
            logits = [_split_views(batch[2 * number], self.n_views) for batch in batches]
            features = [_split_views(batch[2 * number + 1], self.n_views)[0] for batch in batches]
            yield np.concatenate(logits, axis=1), np.concatenate(features)


def open_kept_graph(
    root: Path, card: ModelCard, checkpoints: Sequence[Path], shape: TaskShape, weights: Path
) -> KeptGraph | None:
    """Opens the graph of a model, written before or now.

    Args:
        root: the repository folder.
        card: of the model.
        checkpoints: of its folds and seeds.
        shape: of its images and outputs.
        weights: folder of the files that a network needs before its checkpoint can be loaded.

    Returns:
        None for a model without a network, with a large one, or with something in it that no graph can hold, for other
        backends than TensorFlow, and where the file cannot be written, which a line says.

    Raises:
        InputError: the card's recipe is not one of this version, or a checkpoint does not fit.
    """
    small = card.parameters * len(checkpoints) <= _MOST_WEIGHTS
    if not card.has_network or not small or not _fits(card.config) or read_backend() != USUAL:
        return None
    path = work_folder(root, "graphs") / f"{card.model}-{_key(card, checkpoints, shape)}.onnx"
    try:
        with locked(path.with_name(f"{card.model}.lock")):  # two at once would sign one file and put the other there
            if not is_signed(path):
                _write(path, card, checkpoints, shape, weights)
            session = _open_session(path)
    except OSError as error:
        print(f"{card.model}: no graph is kept for later predictions ({one_line(error)})", flush=True)
        return None
    views = parse(card.config.get("views", {}), Views, f"card of {card.model}: config.views")
    n_views, side = len(make_view_transforms(views)), max(shape.stored, card.config.get("input", {}).get("size") or 0)
    batch = max(1, min(_MOST_AT_ONCE, _MOST_PIXELS // (n_views * max(side, views.size or 0) ** 2)))
    return KeptGraph(tuple(checkpoints), n_views, batch, session)


def _open_session(path: Path) -> Any:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = default_workers()
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")  # which burns a core between operations
    return onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])


def _write(path: Path, card: ModelCard, checkpoints: Sequence[Path], shape: TaskShape, weights: Path) -> None:
    """Writes the graph, and removes those of earlier trainings of the model."""
    from pipeline.inference.fold_graph import write_fold_graph  # which starts the backend

    earlier = list(path.parent.glob(f"{card.model}-{'?' * 16}.onnx*"))
    with atomic_path(path) as temporary:
        write_fold_graph(temporary, card, checkpoints, shape, weights)
    sign_file(path)
    for each in earlier:
        if not each.name.startswith(path.name):
            each.unlink(missing_ok=True)


def _fits(config: dict[str, Any]) -> bool:
    """Says whether a graph can hold what a model does between the stored image and its outputs."""
    views, read = config.get("views", {}), config.get("input", {})  # of an earlier version they may lack a key
    outside = read.get("preprocess") or views.get("crops") or views.get("scales")
    return not outside and config.get("network", {}).get("name", "mlp_hog") != "mlp_hog"


def _split_views(made: Any, n_views: int) -> Any:
    return made.reshape(n_views, -1, made.shape[-1])


def _key(card: ModelCard, checkpoints: Sequence[Path], shape: TaskShape) -> str:
    determined_by = {
        "model": [card.fingerprint, card.digests, card.config],
        "checkpoints": [path.name for path in checkpoints],
        "shape": [shape.stored, shape.channels, shape.n_classes],
        "code": code_digest("pipeline.inference.fold_graph"),
    }
    return hashlib.sha256(json.dumps(determined_by, sort_keys=True).encode()).hexdigest()[:16]
