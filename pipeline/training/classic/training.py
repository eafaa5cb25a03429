"""Training of a classic model on one fold: a task in, the same files as a network's out.

A fold is seconds to minutes and keeps no state on its way; descriptors, which take longest, are computed once for all
folds and kept. Every random choice has its seed and every sum one thread, so a fold that was killed comes out the same.
"""

import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.core import predictions
from pipeline.core.arrays import Images, Rows, Truth
from pipeline.core.files import atomic_path
from pipeline.core.progress import track_progress
from pipeline.core.targets.contract import Target
from pipeline.core.targets.grade_heads import give_head
from pipeline.core.threads import limit_threads
from pipeline.images.hog import Hog, compute_hog, count_features
from pipeline.images.sift import Sift
from pipeline.networks.hardware import name_hardware
from pipeline.training.classic.linear import Matrix
from pipeline.training.classic.local_features import LocalFeatures, open_descriptors
from pipeline.training.classic.recipe import (
    ClassicModel,
    ClassicRecipe,
    fit_classifier,
    predict_logits,
    save_classic_model,
)
from pipeline.training.classic.visual_words import count_words, learn_vocabulary
from pipeline.training.data import Data
from pipeline.training.finished import is_finished, read_done, write_done
from pipeline.training.task import FoldTask, OnEpoch, describe_machine
from pipeline.training.view_weights import ViewedRows, collect_views

Part = Literal["train", "test"]
_BATCH = 256
_TIMED = 64


class ClassicSession:
    """What all folds of one classic model share: the data, and the features that depend on images alone.

    Attributes:
        recipe: how it is trained.
        data: what it is trained on; its target has the head that the recipe gives it.
    """

    def __init__(self, recipe: ClassicRecipe, data: Data, folder: Path, workers: int) -> None:
        """Computes nothing yet.

        Args:
            recipe: how it is trained.
            data: what it is trained on.
            folder: where descriptors are kept, keyed by a fingerprint of the images, of `Sift.extraction_settings` and
                of the code and versions that make them.
            workers: threads that extract descriptors.

        Raises:
            InputError: the recipe does not fit the target.
        """
        self.recipe = recipe
        self.data = replace(data, target=give_head(data.target, recipe.classifier.grades, "classifier.grades"))
        self._folder, self._workers = folder, workers
        self._hog, self._sift = cache(self._hog_of_all), cache(self._sift_of_all)

    def learn_vocabulary(self, rows: Rows, seed: int) -> Matrix:
        """Learns the words from the training rows alone; empty (0, 128) for features without words."""
        section = self.recipe.features
        if isinstance(section, Hog):
            return np.zeros((0, 128), dtype=np.float32)
        with limit_threads():
            return learn_vocabulary(self._sift(section, "train", False), rows, section, seed)

    def compute_features(self, part: Part, mirrored: bool, rows: Rows, vocabulary: Matrix) -> Matrix:
        """Returns the features of some images, or of their mirror images: float32 (n_rows, n_features)."""
        section = self.recipe.features
        if isinstance(section, Hog):
            return self._hog(section, part, mirrored)[rows]
        with limit_threads():
            return count_words(self._sift(section, part, mirrored), rows, vocabulary, section)

    def predict_views(self, model: ClassicModel, part: Part, rows: Rows) -> Matrix:
        """Returns the logits of each view: float32 (n_views, n_rows, n_outputs)."""
        mirrors = (False, True) if self.recipe.views.mirror else (False,)
        with limit_threads():
            views = [
                model.logits(self.compute_features(part, mirrored, rows, model.vocabulary)) for mirrored in mirrors
            ]
        return np.stack(views)

    def _images(self, part: Part) -> Images:
        return self.data.images if part == "train" else self.data.test_images

    def _hog_of_all(self, section: Hog, part: Part, mirrored: bool) -> Matrix:
        images = self._images(part)
        count = count_features(section, section.size or images.shape[1], images.shape[3])
        features = np.empty((len(images), count), dtype=np.float32)
        with track_progress(f"HOG {part}{' mirrored' if mirrored else ''}", len(images)) as advance:
            for start in range(0, len(images), _BATCH):
                batch = images[start : start + _BATCH]
                features[start : start + len(batch)] = compute_hog(batch[:, :, ::-1] if mirrored else batch, section)
                advance(len(batch))
        return features

    def _sift_of_all(self, section: Sift, part: Part, mirrored: bool) -> LocalFeatures:
        path = self._folder / f"{part}{'-mirrored' if mirrored else ''}.descriptors"
        return open_descriptors(path, self._images(part), mirrored, section, self._workers)


def train_classic_fold(task: FoldTask, session: ClassicSession) -> None:
    """Trains one fold, or finds it finished.

    Writes into ``task.folder``: ``checkpoint.npz``, ``valid.parquet``, ``test.parquet``, ``history.csv`` and, last,
    ``done.json``; what each view says as `trainer.train_fold` does.

    Raises:
        InputError: the images do not suit the features, or have too few keypoints for the vocabulary.
    """
    if is_finished(task):
        return
    started = time.perf_counter()
    data, target, classifier = session.data.as_taught(task.fold), session.data.target, session.recipe.classifier
    rows, valid = data.rows(task.fold)
    seed = int(np.random.SeedSequence([task.seed, task.fold]).generate_state(1)[0])
    vocabulary = session.learn_vocabulary(rows, seed)
    mirrors = (False, True) if session.recipe.mirror_training else (False,)
    features = np.concatenate([session.compute_features("train", mirrored, rows, vocabulary) for mirrored in mirrors])
    known = np.concatenate([data.truth[rows]] * len(mirrors))
    model, iterations = fit_classifier(
        features, known, target, classifier, vocabulary, data.weigh_rows(rows, len(mirrors))
    )
    seconds = time.perf_counter() - started
    save_classic_model(task.folder / "checkpoint.npz", model)
    logits = _predicted(task, session, model, "valid", valid)
    _write(task.folder / "valid.parquet", tuple(data.ids[row] for row in valid), logits, target)
    test = _predicted(task, session, model, "test", np.arange(len(data.test_ids)))
    _write(task.folder / "test.parquet", data.test_ids, test, target)
    values, truth, metric = target.from_outputs(logits), data.truth[valid], task.score.metric_for(target)
    hits = target.measure_hits(truth, values)
    row = {
        "fold": task.fold,
        "epoch": iterations,
        "loss": _loss(features @ model.coefficients + model.intercepts, known, target),
        "valid_loss": _loss(logits, truth, target),
        **({} if hits is None else {"valid_accuracy": float(hits.mean())}),
        "valid_score": metric.score(truth, values),
    }
    with atomic_path(task.folder / "history.csv") as temporary:
        pd.DataFrame([row]).to_csv(temporary, index=False, lineterminator="\n")
    done = {
        "train_seconds": seconds,
        "predict_milliseconds_per_image": _milliseconds(model, session),
        "images_per_second": len(known) / max(seconds, 1e-9),
        "parameters": model.parameters,
        "trainable_parameters": model.trainable_parameters,
    }
    write_done(task, done | describe_machine(name_hardware()))
    stopped = " (max_iter)" if iterations >= classifier.max_iter else ""
    print(
        f"{task.name} fold {task.fold} {iterations} iterations{stopped} loss {row['loss']:.4f} "
        f"{metric.name} {row['valid_score']:.4f}, {seconds:.0f} s",
        flush=True,
    )


def score_classic_fold(task: FoldTask, session: ClassicSession) -> float:
    """Trains one fold as `train_classic_fold` does; returns the seconds that it took, whenever it ran."""
    train_classic_fold(task, session)
    return float(read_done(task)["train_seconds"])


def _predicted(
    task: FoldTask, session: ClassicSession, model: ClassicModel, rows_of: Literal["valid", "test"], rows: Rows
) -> Matrix:
    made = session.predict_views(model, "train" if rows_of == "valid" else "test", rows)
    return collect_views(
        [made], ViewedRows(len(rows), session.data.target, session.recipe.views), task.folder / f"{rows_of}_views.npy"
    )


def _milliseconds(model: ClassicModel, session: ClassicSession) -> float:
    """Times the whole way from images to logits, on a few of them: the features of all are shared by the folds."""
    images = np.asarray(session.data.test_images[:_TIMED])
    if not len(images):
        return 0.0
    started = time.perf_counter()
    predict_logits(model, session.recipe, images, session.data.target)
    return 1000 * (time.perf_counter() - started) / len(images)


def _loss(logits: Matrix, truth: Truth, target: Target) -> float:
    return float(target.measure_output_losses(truth, logits).mean())


def _write(path: Path, ids: tuple[str, ...], logits: Matrix, target: Target) -> None:
    values = target.from_outputs(logits)
    predictions.write_predictions(path, predictions.Predictions(ids, values, target.columns, target=target))


@dataclass(frozen=True)
class TrainableClassic:
    """A classic model whose folds can be trained; see `task.Trainable`.

    Attributes:
        recipe: as it will run.
        fingerprint: of all that determines the result.
        session: its features.
        precision: what it computes in.
    """

    recipe: ClassicRecipe
    fingerprint: str
    session: ClassicSession
    precision: str = "float32"

    def train(self, task: FoldTask) -> None:
        """Trains one fold."""
        train_classic_fold(task, self.session)

    def score(self, task: FoldTask, on_epoch: OnEpoch) -> float:
        """Trains one fold as far as ``valid.parquet``; it has no epochs."""
        return score_classic_fold(task, self.session)
