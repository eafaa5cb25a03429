"""Submissions from packed checkpoints: predicts a competition's test images, as a packed notebook runs it.

Nothing is written into the folders of the checkpoints and of the images, and nothing is downloaded.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core import paths
from pipeline.core.arrays import Probs, Values
from pipeline.core.cards import EnsembleCard, ModelCard, SubmissionCard, read_card
from pipeline.core.competition import Competition, load_competition
from pipeline.core.errors import some
from pipeline.core.files import atomic_path
from pipeline.core.paths import prepared_folder
from pipeline.core.predictions import Predictions, check_predictions, read_predictions
from pipeline.core.targets.contract import Target
from pipeline.core.targets.prepared import read_target
from pipeline.data.prepared.answer_subjects import make_sheet
from pipeline.data.prepared.preparing import decode_records
from pipeline.data.sources.source import find_layout_folder
from pipeline.ensemble.recombining import list_used_members, read_rule_alone, rebuild_combination
from pipeline.images.store import open_store
from pipeline.inference.checkpoints import InferenceInput, predict_images
from pipeline.inference.hidden_images import list_hidden_images
from pipeline.inference.selection import list_checkpoints
from pipeline.kaggle import submission, submission_checks
from pipeline.kaggle.answers.contract import AnswerRule


def predict_folder(root: Path, data: Path, name: str, target: Path = Path("submission.csv")) -> pd.DataFrame:
    """Predicts all test images of a competition's folder and writes a checked submission.

    Args:
        root: a folder made by `python -m pipeline pack`.
        data: the competition's folder as Kaggle lays it out, hidden test images in it.
        name: a model, or ``ensemble``.
        target: where the submission goes.

    Returns:
        The submission, as text.

    Raises:
        InputError: the folders do not hold what they should, or a checkpoint does not fit.
    """
    competition = load_competition(root)
    predicted = read_target(prepared_folder(root))
    classes = predicted.columns
    base = find_layout_folder(data, competition)
    records, sample = list_hidden_images(base, competition)
    with tempfile.TemporaryDirectory(prefix="predicting-") as work:
        store = Path(work) / "test_images.npy"
        ordered, decoded = decode_records(store, base, competition, competition.test, records, None)
        broken = [record.id for record, image in zip(ordered, decoded, strict=True) if image.broken]
        if broken:
            print(f"note: {len(broken)} images cannot be read and are replaced by black ones: {some(broken)}")
        inputs = InferenceInput(open_store(store), predicted, root / "weights", Path(work))
        probs = (
            _predict_ensemble(root, competition, inputs)
            if name == paths.ENSEMBLE
            else _predict_model(root, name, inputs)
        )
    predictions = Predictions(tuple(record.id for record in ordered), probs, classes, target=predicted)
    check_predictions(predictions, name)
    _compare(root, name, predictions)
    rule, decision = _read_rule(root, name, predicted)
    if decision is not None:
        predictions = replace(predictions, probs=decision(predictions.probs))
    sheet = replace(make_sheet(base, competition, predicted, records, sample), rule=rule)
    frame = submission.build_submission(predictions, sheet)
    with atomic_path(target) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")
        submission_checks.check_submission_file(temporary, sheet)
    print(f"submission: {target} ({len(frame)} rows, checked against the sample)")
    return frame


def _read_rule(root: Path, name: str, target: Target) -> tuple[AnswerRule, Callable[[Values], Values] | None]:
    """Reads what was fitted for the submission of the repository; the defaults where the form needs nothing."""
    path = paths.submission_path(root, name).with_suffix(".json")
    if not path.is_file():
        return AnswerRule(), None
    card = read_card(path, SubmissionCard)
    rule = AnswerRule(card.pooling or AnswerRule.pooling, card.new_threshold or AnswerRule.new_threshold)
    return rule, read_rule_alone(card, target)


def _predict_model(root: Path, name: str, inputs: InferenceInput) -> Probs:
    card = read_card(paths.card_path(root, name), ModelCard)
    checkpoints = list_checkpoints(root, card)
    print(f"{name}: {len(inputs.images)} images, {len(checkpoints)} folds", flush=True)
    work = inputs.work / name
    probs = predict_images(card, checkpoints, InferenceInput(inputs.images, inputs.target, inputs.weights, work))
    shutil.rmtree(work, ignore_errors=True)  # one member's features at a time
    return probs


def _predict_ensemble(root: Path, competition: Competition, inputs: InferenceInput) -> Probs:
    card = read_card(paths.card_path(root, paths.ENSEMBLE), EnsembleCard)
    combine = rebuild_combination(root, competition.metric.metric_for(inputs.target))
    used = list_used_members(card)
    n_columns = len(inputs.target.columns)
    even = np.full((len(inputs.images), n_columns), 1 / n_columns, dtype=np.float32)
    # A member without weight has no influence, whatever its probabilities.
    return combine(
        np.stack(
            [
                inputs.target.normalise(_predict_model(root, name, inputs)) if name in used else even
                for name in card.members
            ]
        )
    )


def _compare(root: Path, name: str, predictions: Predictions) -> None:
    """Prints the largest difference to the repository's own predictions, where the test images are the same."""
    path = paths.predicted_test_path(root, name)
    packed = read_predictions(path, predictions.target or predictions.classes) if path.is_file() else None
    if packed is None or set(packed.ids) != set(predictions.ids):
        print(f"{len(predictions.ids)} test images, other than those of the repository")
        return
    difference = float(np.abs(packed.aligned(predictions.ids, str(path)) - predictions.probs).max())
    print(f"the same test images as in the repository: probabilities differ by {difference:.2g} at most")
