"""One trial: settings are suggested, each fold is trained and scored, and what looks hopeless is stopped.

A trial trains as `train` would: a fold that `train` or an earlier trial finished under the same fingerprint is not
trained again, and a fold that was cut off goes on from its last epoch.
"""

import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from optuna.pruners import WilcoxonPruner
from optuna.study import Study, StudyDirection
from optuna.trial import Trial, TrialState

from pipeline.core import predictions
from pipeline.core.arrays import Labels, Probs
from pipeline.core.closure import code_digest
from pipeline.core.competition import Score
from pipeline.core.errors import InputError
from pipeline.core.files import sha256
from pipeline.core.metrics import get_metric
from pipeline.core.paths import work_folder
from pipeline.networks import hardware
from pipeline.training.classic.recipe import ClassicRecipe
from pipeline.training.context import TrainingContext
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.setup import Trainable, digest_dependencies, make_trainable
from pipeline.training.task import FoldTask
from pipeline.tuning import optuna_studies
from pipeline.tuning.params import TuneParams
from pipeline.tuning.space import Space

FOLDER, FOLDS, BLOCKS = "folder", "fold_scores", "blocks"
_ROWS_OF_BLOCK, _MOST_BLOCKS, _P = 40, 25, 0.05
_LOG_LOSS = get_metric("log_loss")


class OutOfTime(KeyboardInterrupt):
    """The hours are over; the trial goes on when there are more."""


@dataclass(frozen=True)
class Bench:
    """What all trials of a model share.

    Attributes:
        root: the repository folder.
        model: its name.
        space: what may vary.
        around: what models are opened with.
        score: the competition's metric.
        params: how is searched.
        deadline: of `time.time`; None for none.
    """

    root: Path
    model: str
    space: Space
    around: TrainingContext
    score: Score
    params: TuneParams
    deadline: float | None

    @property
    def epochs(self) -> int:
        """The longest training that one setting alone makes."""
        recipes = [self.space.recipe({})]
        for name, parameter in self.space.parameters.items():
            recipes += _allowed(self.space, name, parameter.extremes())
        return max(recipe.training.all_epochs if isinstance(recipe, Recipe) else 1 for recipe in recipes)

    @property
    def study_name(self) -> str:
        """The model's name and a fingerprint of data, folds, space and code: other scores are another study's."""
        prepared = self.around.prepared
        files = [prepared / name for name in ("train_images.npy", "train.csv", "classes.json")]
        determined_by = {
            "data": [sha256(path) for path in [*files, self.around.folds]],
            "default": self.space.default,
            "search": {name: parameter.model_dump(mode="json") for name, parameter in self.space.parameters.items()},
            "order": list(self.space.parameters),
            "mirror": self.space.mirror,
            "folds": self.params.folds,
            "objectives": self.params.objectives,
            "score": self.around.score,
            "seeds": [self.around.seed, self.params.seed],
            "precision": self.around.precision,
            "outside": digest_dependencies(self.space.recipe({}), self.around),
            "code": code_digest("pipeline.tuning.trials"),
            "versions": hardware.read_versions(),
        }
        digest = hashlib.sha256(json.dumps(determined_by, sort_keys=True).encode()).hexdigest()
        return f"{self.model}-{digest[:16]}"


def run_trial(trial: Trial, study: Study, bench: Bench) -> tuple[float, ...]:
    """Runs one trial.

    Returns:
        Its score and, where asked for, its seconds.

    Raises:
        InputError: the settings do not agree, or the training has diverged.
        optuna.TrialPruned: it looks hopeless.
        OutOfTime: the hours are over.
    """
    settings = bench.space.suggest(trial)
    trial.set_user_attr(optuna_studies.SETTINGS, settings)
    known = _same(trial, study)
    if known is not None:
        return known
    opened = make_trainable(bench.space.recipe(settings), bench.around)
    default = trial.params == bench.space.default_params()
    scores, losses, seconds = dict[str, float](), list[float](), 0.0
    for position, fold in enumerate(bench.params.folds):
        task = fold_task(bench, opened, fold, bench.around.seed, f"{bench.model} trial {trial.number}")
        trial.set_user_attr(FOLDER, task.folder.parent.name)
        watch = _Watch(trial, bench, position, tuple(scores.values()), opened.recipe, prunes=not default)
        spent = opened.score(task, watch)
        seconds += spent
        labels, probs = scored(task, bench.around)
        scores[str(fold)] = bench.score.metric.score(labels, probs)
        losses.append(_LOG_LOSS.score(labels, probs))
        trial.set_user_attr(FOLDS, scores)
        trial.set_user_attr(optuna_studies.SECONDS, seconds)
        trial.set_user_attr(BLOCKS, trial.user_attrs.get(BLOCKS, []) + blocks(bench.score, labels, probs))
        last = position == len(bench.params.folds) - 1
        prunes = bench.params.across == "wilcoxon" and not bench.params.two and not default
        if not last and prunes and hopeless(study, trial, bench.score):
            trial.set_user_attr(
                optuna_studies.SAVED, seconds / (position + 1) * (len(bench.params.folds) - position - 1)
            )
            raise optuna.TrialPruned(f"worse than the best on the rows of fold {fold}")
    score = float(np.mean(list(scores.values())))
    if not np.isfinite(score):
        raise InputError(f"its {bench.score.metric.name} is {score}")
    trial.set_user_attr(optuna_studies.LOG_LOSS, float(np.mean(losses)))
    if bench.params.terminator:
        optuna_studies.report_folds(trial, list(scores.values()))
    return (score, seconds)[: len(bench.params.objectives)]


def fold_task(bench: Bench, opened: Trainable, fold: int, seed: int, display_name: str) -> FoldTask:
    """Returns the task that `train` would run for a fold, but for the name on the screen."""
    return FoldTask(
        model=bench.model,
        fold=fold,
        recipe=opened.recipe,
        prepared=bench.around.prepared,
        folds=bench.around.folds,
        work=work_folder(bench.root, "train"),
        fingerprint=opened.fingerprint,
        score=bench.score,
        seed=seed,
        precision=opened.precision,
        display_name=display_name,
    )


def scored(task: FoldTask, around: TrainingContext) -> tuple[Labels, Probs]:
    """Reads the labels and the probabilities of a fold's valid rows."""
    path = task.folder / "valid.parquet"
    rows = around.data.rows(task.fold)[1]
    ids = [around.data.ids[row] for row in rows]
    return around.data.labels[rows], predictions.read_predictions(path, around.data.classes).aligned(ids, str(path))


def blocks(score: Score, labels: Labels, probs: Probs) -> list[float]:
    """Scores some blocks of the rows, the same rows in every trial: what is paired between trials.

    Empty where the metric cannot score so few rows.
    """
    count = min(_MOST_BLOCKS, len(labels) // _ROWS_OF_BLOCK)
    order = np.random.default_rng(0).permutation(len(labels))
    try:
        return [score.metric.score(labels[part], probs[part]) for part in np.array_split(order, count)] if count else []
    except InputError:
        return []


def hopeless(study: Study, trial: Trial, score: Score) -> bool:
    """Says whether a trial is worse than the best, by Wilcoxon's signed-rank test on blocks of the rows seen so far.

    A fold's score is one number, and a test of five numbers can hardly be sure; its rows are many.
    Reference: Wilcoxon 1945, https://doi.org/10.2307/3001968
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    leader = optuna_studies.best(complete, score.metric)
    own, theirs = trial.user_attrs.get(BLOCKS, []), leader.user_attrs.get(BLOCKS, []) if leader else []
    if len(own) < 2 or len(theirs) < len(own):
        return False
    greater = score.metric.greater_is_better
    pairs = optuna.create_study(direction=StudyDirection.MAXIMIZE if greater else StudyDirection.MINIMIZE)
    pairs.add_trial(optuna.create_trial(value=float(np.mean(theirs)), intermediate_values=dict(enumerate(theirs))))
    begun = optuna.create_trial(state=TrialState.RUNNING, intermediate_values=dict(enumerate(own)))
    return WilcoxonPruner(p_threshold=_P).prune(pairs, begun)


def forget(study: Study, bench: Bench) -> None:
    """Removes the half-done trainings of trials that are over, but for the best and the default.

    What `train` finished stays, and so does what a running trial writes to.
    """
    trials = study.get_trials(deepcopy=False)
    leader = optuna_studies.best([trial for trial in trials if trial.state == TrialState.COMPLETE], bench.score.metric)
    kept = [leader] if leader else []
    kept += [trial for trial in trials if not trial.state.is_finished() or trial.params == bench.space.default_params()]
    stays = {trial.user_attrs.get(FOLDER) for trial in kept}
    for trial in trials:
        name = trial.user_attrs.get(FOLDER)
        cut = trial.state == TrialState.FAIL and optuna_studies.REASON not in trial.user_attrs
        if not trial.state.is_finished() or cut or name in stays or not str(name).startswith(f"{bench.model}-"):
            continue
        place = work_folder(bench.root, "train") / Path(str(name)).name
        if place.is_dir() and not any(place.glob("fold*/done.json")):
            shutil.rmtree(place, ignore_errors=True)  # another worker may have been faster


class _Watch:
    """Reports the epochs of one fold to Optuna and stops what it gives up."""

    def __init__(
        self,
        trial: Trial,
        bench: Bench,
        position: int,
        before: tuple[float, ...],
        recipe: object,
        prunes: bool,
    ) -> None:
        self._trial, self._bench, self._position, self._before = trial, bench, position, before
        self._prunes = prunes and not bench.params.two
        self._epochs = recipe.training.all_epochs if isinstance(recipe, Recipe) else 1
        self._span = max(bench.epochs, self._epochs)
        self._began, self._seen = time.monotonic(), 0

    def __call__(self, row: dict[str, float]) -> None:
        self._seen += 1
        epoch = int(row["epoch"])
        if "valid_score" in row and not self._bench.params.two:
            value = float(np.mean([*self._before, row["valid_score"]]))
            self._trial.report(value, self._position * self._span + epoch)
            # The default is asked about as well, so that others are held against it; it is never stopped.
            behind = epoch < self._epochs and self._trial.should_prune()
            if behind and self._prunes:
                each = (time.monotonic() - self._began) / self._seen
                left = self._epochs * (len(self._bench.params.folds) - self._position) - epoch
                self._trial.set_user_attr(optuna_studies.SAVED, each * left)
                raise optuna.TrialPruned(f"behind after {epoch} of {self._epochs} epochs")
        if self._bench.deadline is not None and time.time() > self._bench.deadline:
            raise OutOfTime


def _same(trial: Trial, study: Study) -> tuple[float, ...] | None:
    """The values of an earlier trial with the same settings; a pruned one is pruned again."""
    for other in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)):
        if other.number == trial.number or other.params != trial.params:
            continue
        trial.set_user_attr("same_as", other.number)
        for name in (FOLDER, FOLDS, BLOCKS, optuna_studies.LOG_LOSS):
            if name in other.user_attrs:
                trial.set_user_attr(name, other.user_attrs[name])
        if other.state == TrialState.PRUNED:
            raise optuna.TrialPruned(f"the same as trial {other.number}")
        return tuple(other.values)
    return None


def _allowed(space: Space, name: str, values: list[object]) -> list[Recipe | ClassicRecipe]:
    found = []
    for value in values:
        try:
            found.append(space.recipe({name: value}))
        except InputError:
            continue  # asked for only under a condition
    return found
