"""Evaluation data: predictions of all models on the same rows, the truth, cards and histories.

Scores are computed from predictions alone. Cards and histories, which the same run of `train` writes as the
predictions, have the costs and learning curves of a model: docs/decisions/0009.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core import cards, paths, tables
from pipeline.core.active import active_members, active_name
from pipeline.core.arrays import Images, Labels, Probs, Truth
from pipeline.core.competition import Competition, load_competition
from pipeline.core.digests import require_digest
from pipeline.core.errors import InputError, one_line, some
from pipeline.core.measures.metric import Metric
from pipeline.core.paths import history_path, prepared_folder
from pipeline.core.predictions import read_predictions
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.prepared import read_target
from pipeline.ensemble.members import Members, read_members
from pipeline.images.store import open_store
from pipeline.kaggle import submission_log
from pipeline.kaggle.submission_log import LogEntry


@dataclass(frozen=True)
class EvaluatedModel:
    """One model, or the ensemble.

    Attributes:
        name: as in params.yaml.
        probs: float32 (n, n_columns), out-of-fold; of the ensemble nested.
        card: what it cost; None of members made elsewhere and of the ensemble.
        history: one row per fold and epoch; None where nothing was trained here.
        peeked: choices that used the rows that it is scored on.
    """

    name: str
    probs: Probs
    card: cards.ModelCard | None = None
    history: pd.DataFrame | None = None
    peeked: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluationData:
    """Data that the sections of the page about the models read.

    Attributes:
        root: the repository.
        competition: the active one.
        target: what is predicted.
        names: readable names of the columns of predictions: classes in the order of their indices, labels, numbers.
        ids: of the scored rows.
        labels: what is true of each row: (n,) class indices, or (n, truth_width) of other targets.
        folds: (n,) the fold that predicted each row.
        groups: (n,) rows of one group belong together.
        n_folds: of the fold table, scored or not.
        images: uint8 (n_stored, size, size, channels), on disk.
        stored: (n,) the row of ``images`` that each scored row is.
        members: what the ensemble combines, sorted by name.
        models: the same one by one, the best first.
        ensemble: None where there is none of these members.
        ensemble_card: of it.
        missing: models of params.yaml that are not trained for this competition.
        log: submissions of this competition, oldest first.
    """

    root: Path
    competition: Competition
    target: Target
    names: tuple[str, ...]
    ids: tuple[str, ...]
    labels: Truth
    folds: Labels
    groups: Labels
    n_folds: int
    images: Images
    stored: Labels
    members: Members
    models: tuple[EvaluatedModel, ...]
    ensemble: EvaluatedModel | None
    ensemble_card: cards.EnsembleCard | None
    missing: tuple[str, ...]
    log: tuple[LogEntry, ...]

    @property
    def metric(self) -> Metric:
        """The competition's."""
        return self.competition.metric.metric_for(self.target)

    @property
    def has_classes(self) -> bool:
        """Whether each image has one class, or one grade."""
        return isinstance(self.target, OneClass)

    @property
    def everyone(self) -> tuple[EvaluatedModel, ...]:
        """The ensemble, if there is one, and all models, the best first."""
        return (*((self.ensemble,) if self.ensemble else ()), *self.models)

    @property
    def judged(self) -> EvaluatedModel:
        """The model whose predictions are shown class by class and image by image: the ensemble, or the best model."""
        return self.everyone[0]

    def image(self, row: int) -> NDArray[np.uint8]:
        """Returns the picture of a scored row: (size, size, channels)."""
        return np.asarray(self.images[self.stored[row]])


def read_evaluation_data(root: Path) -> EvaluationData:
    """Reads predictions, cards, histories, images and the log of submissions.

    Raises:
        InputError: nothing is trained for the active competition, or files do not fit together.
    """
    competition, active = load_competition(root), active_name(root)
    prepared = prepared_folder(root)
    target = read_target(prepared)
    names = tables.read_classes(prepared / "class_names.json")
    cards_by_name = {name: _read_card(root, name) for name in active_members(root)}
    trained = [name for name, card in cards_by_name.items() if _is_trained(root, name, card, active)]
    if not trained:
        raise InputError(f"no model of params.yaml is trained for {active} yet; run `dvc repro` to train them")
    members = read_members(root, trained, target, allow_peeked=True)
    rows = members.rows
    labels = members.truth
    models = [
        EvaluatedModel(
            name,
            probs,
            cards_by_name[name],
            _read_history(root, name, cards_by_name[name]),
            members.peeked.get(name, ()),
        )
        for name, probs in zip(members.names, members.stacked, strict=True)
    ]
    metric = competition.metric.metric_for(target)
    models.sort(key=lambda model: metric.score(labels, model.probs), reverse=metric.greater_is_better)
    ensemble, card = _read_ensemble(root, members, active)
    images, stored = _open_images(prepared, rows["id"].tolist())
    return EvaluationData(
        root=root,
        competition=competition,
        target=target,
        names=names,
        ids=tuple(rows["id"]),
        labels=labels,
        folds=rows["fold"].to_numpy(dtype=np.int64),
        groups=rows["group"].to_numpy(dtype=np.int64),
        n_folds=int(tables.read_folds(paths.folds_path(root))["fold"].max()) + 1,
        images=images,
        stored=stored,
        members=members,
        models=tuple(models),
        ensemble=ensemble,
        ensemble_card=card,
        missing=tuple(name for name in cards_by_name if name not in trained),
        log=submission_log.read_log(root, active),
    )


def _read_card(root: Path, name: str) -> cards.ModelCard | None:
    path = paths.card_path(root, name)
    return cards.read_card(path, cards.ModelCard) if path.is_file() else None


def _is_trained(root: Path, name: str, card: cards.ModelCard | None, active: str) -> bool:
    """Says whether a model's predictions are of this competition; of members made elsewhere there is no card."""
    return paths.oof_path(root, name).is_file() and (card is None or card.competition == active)


def _read_history(root: Path, name: str, card: cards.ModelCard | None) -> pd.DataFrame | None:
    path = history_path(root, name)
    if not path.is_file():
        return None
    fix = f"run `dvc repro train@{name}`, or `dvc checkout`"
    require_digest(path, None if card is None else card.digests.get(path.name), fix)
    try:
        history = pd.read_csv(path)
    except ValueError as error:  # pandas' own errors are of this kind, and text that is no UTF-8
        raise InputError(f"{path} is not a training history ({one_line(error)}); {fix}") from error
    lacking = [column for column in _required_columns(history) if column not in history]
    if lacking:
        raise InputError(f"{path} is not a training history: it lacks {some(lacking)}; {fix}")
    words = [str(column) for column, kind in history.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    words += [column for column in ("fold", "epoch") if history[column].isna().any()]
    if words:
        raise InputError(f"{path} is not a training history: {some(words)} should hold numbers; {fix}")
    if "seed" in history:
        history = history[history["seed"] == history["seed"].iloc[0]].drop(columns="seed")
    return history


def _required_columns(history: pd.DataFrame) -> tuple[str, ...]:
    """Columns that a history needs: for a network, which has a learning rate, also its curves."""
    return ("fold", "epoch", *(("loss", "valid_loss", "valid_score") if "learning_rate" in history else ()))


def _read_ensemble(
    root: Path, members: Members, active: str
) -> tuple[EvaluatedModel | None, cards.EnsembleCard | None]:
    """The ensemble of exactly these members on exactly these rows; none where it is left over from others."""
    name = paths.ENSEMBLE
    path, predicted = paths.card_path(root, name), paths.oof_path(root, name)
    if not path.is_file() or not predicted.is_file():
        return None, None
    card = cards.read_card(path, cards.EnsembleCard)
    if card.competition != active or set(card.members) != set(members.names):
        return None, None
    predictions = read_predictions(predicted, members.target)
    if set(predictions.ids) != set(members.rows["id"]):
        return None, None
    probs = members.target.normalise(predictions.aligned(members.rows["id"].tolist(), str(predicted)))
    return EvaluatedModel(name, probs, peeked=predictions.peeked), card


def _open_images(prepared: Path, ids: list[str]) -> tuple[Images, Labels]:
    position = {name: row for row, name in enumerate(tables.read_index(prepared / "train.csv")["id"])}
    images = open_store(prepared / "train_images.npy", len(position))
    lacking = [name for name in ids if name not in position]
    if lacking:
        raise InputError(f"{prepared / 'train.csv'} lacks ids of the fold table, such as {lacking[0]}; run `dvc repro`")
    return images, np.array([position[name] for name in ids], dtype=np.int64)
