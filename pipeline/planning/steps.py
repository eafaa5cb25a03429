"""The steps of a plan: a model joins the ensemble for a try, and stays where the nested score says so."""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.core import cards, paths
from pipeline.core.arrays import Labels, Values
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.files import atomic_path
from pipeline.core.measures.metric import Metric
from pipeline.core.params_file import write_active
from pipeline.core.predictions import Predictions, read_predictions
from pipeline.core.scores import LabelledRows
from pipeline.core.tables import read_folds
from pipeline.core.targets.contract import Target
from pipeline.core.targets.prepared import read_fold_truth, read_target
from pipeline.planning.choosing import Option
from pipeline.planning.evidence import compare_ensembles, score_after_choice
from pipeline.planning.pace import FoldFiles, TooSlowError, read_changes
from pipeline.planning.plan import Plan, PlanStep, plan_folder
from pipeline.training.context import read_train_params
from pipeline.workspace.running import Run, run_stages, run_verb

Tick = Callable[[float], None]
ENSEMBLING = ("ensemble", "submission-ensemble")
IDLE = 1e-3  # weight below which a member does nothing
_BACK = 300.0  # seconds at most for getting the ensemble back from DVC's cache, which takes some


@dataclass(frozen=True)
class Judge:
    """What ensembles of a competition are judged by.

    Attributes:
        rows: the rows that are scored, whose order all nested predictions are brought into.
        ids: (n,) of the rows.
        folds: (n,) of the rows.
        metric: the competition's.
        target: what is predicted.
    """

    rows: LabelledRows
    ids: tuple[str, ...]
    folds: Labels
    metric: Metric
    target: Target


def make_judge(root: Path) -> Judge:
    """Reads the truth of the rows that the ensemble scored."""
    target = read_target(paths.prepared_folder(root))
    scored = read_predictions(paths.oof_path(root, paths.ENSEMBLE), target)
    folds = read_folds(paths.folds_path(root), paths.prepared_folder(root))
    folds = folds[folds["id"].isin(scored.ids)]
    truth = read_fold_truth(paths.prepared_folder(root), target, folds)
    rows = LabelledRows(truth, folds["group"].to_numpy())
    metric = load_competition(root).metric.metric_for(target)
    return Judge(rows, tuple(folds["id"]), folds["fold"].to_numpy(), metric, target)


def try_model(root: Path, plan: Plan, option: Option, seconds: float, tick: Tick, beside: tuple[str, ...] = ()) -> Plan:
    """Trains a model, combines it with the present ones, and keeps it or puts everything back.

    Args:
        root: the repository.
        plan: so far.
        option: the model.
        seconds: after which the step is ended; what is half done is kept for a later run.
        tick: called while it runs; may end the step by `TooSlowError`.
        beside: models that are trained on cores that the step leaves free, until it is trained.

    Returns:
        The plan with the step. Its ``spent`` is the caller's to set.
    """
    began = time.monotonic()
    log = plan_folder(root, plan.competition) / "log.txt"
    write_active(root, (*plan.models, option.model))
    try:
        ran = _train_and_combine(root, (option.model, *beside), seconds, log, tick)
    except TooSlowError as slow:
        put_back(root, plan, option.model)
        return _note_too_slow(plan, option, slow, seconds)
    except BaseException:
        put_back(root, plan, option.model)
        raise
    known = _list_known(option)
    if ran.code != 0:
        put_back(root, plan, option.model)
        if plan.models:
            run_stages(root, ENSEMBLING, _BACK, log, tick)
        if os.strerror(errno.ENOSPC) in ran.error:
            raise InputError(f"{ran.error}; free some space, then the same command goes on")
        if ran.error.startswith("train.ray"):  # of the cluster, which is no model's fault
            raise InputError(f"{ran.error}; the same command goes on")
        late = ran.code is None
        reason = f"not done within {seconds:.0f} s; what was trained is kept" if late else ran.error
        outcome = "out_of_time" if late else "failed"
        step = PlanStep.model_validate({**known, "outcome": outcome, "reason": reason, "seconds": ran.seconds})
        return plan.model_copy(update={"steps": (*plan.steps, step)})
    judge = make_judge(root)
    card = cards.read_card(paths.card_path(root, paths.ENSEMBLE), cards.EnsembleCard)
    new = _read_nested(paths.oof_path(root, paths.ENSEMBLE), judge)
    known |= {"score": card.pooled, "alone": card.alone[option.model]}
    if plan.models:
        old = _read_nested(_version_path(root, plan, plan.present), judge)
        verdict = compare_ensembles(judge.rows, new, old, judge.metric, judge.target)
        better, reason = verdict.better, verdict.reason
        known |= {"gain": verdict.gain, "gain_error": verdict.error}
    else:
        better, reason = True, "the first"
    models = (*plan.models, option.model)
    _keep_version(root, plan)
    outcome = "kept" if better else "dropped"
    step = PlanStep.model_validate(
        {**known, "outcome": outcome, "reason": reason, "seconds": round(time.monotonic() - began, 1)}
    )
    after = plan.model_copy(update={"steps": (*plan.steps, step)})
    if not better:
        put_back(root, after, option.model)
        run_stages(root, ENSEMBLING, _BACK, log, tick)
        return after.model_copy(update={"score_after_choice": _score_choice(root, after, judge)})
    kept = {
        "models": models,
        "metric": card.metric,
        "greater_is_better": judge.metric.greater_is_better,
        "score": card.pooled,
        "interval": card.interval,
    }
    after = after.model_copy(update=kept)
    return after.model_copy(update={"score_after_choice": _score_choice(root, after, judge)})


def _list_known(option: Option) -> dict[str, float | str | None]:
    known = {"expected_seconds": option.seconds, "table_seconds": option.table_seconds, "expected_gain": option.gain}
    return {"model": option.model, **known}


def _note_too_slow(plan: Plan, option: Option, slow: TooSlowError, seconds: float) -> Plan:
    """Adds a step that its epochs ended, while some were left: no stage after the training was begun."""
    reason = f"by its first epochs it takes {slow.projected:.0f} s of {seconds:.0f} s; what was trained is kept"
    known = {**_list_known(option), "outcome": "out_of_time", "reason": reason, "seconds": round(slow.gone, 1)}
    step = PlanStep.model_validate({**known, "projected": round(slow.projected, 1)})
    return plan.model_copy(update={"steps": (*plan.steps, step)})


def _train_and_combine(root: Path, models: tuple[str, ...], seconds: float, log: Path, tick: Tick) -> Run:
    """Trains the folds of the first model, with others beside it on what they leave free, and adds it to the rest."""
    trained, (model, *beside) = Run(0, 0.0), models
    on_ray = read_train_params(root).executor == "ray"
    if on_ray or beside:
        words = ("train-all" if on_ray else "train", model, *(f"--next={each}" for each in beside))
        trained = run_verb(root, words, seconds, log, tick)
    if trained.code != 0:
        return trained
    targets, left = (f"train@{model}", *ENSEMBLING), seconds - trained.seconds
    ran = run_stages(root, targets, left, log, lambda gone: tick(trained.seconds + gone))
    return Run(ran.code, trained.seconds + ran.seconds, ran.error)


def read_progress_of(root: Path, models: Iterable[str]) -> dict[str, FoldFiles]:
    """Reads `read_changes` of several models."""
    return {model: read_changes(paths.work_folder(root, "train"), model) for model in models}


def note_beside(root: Path, plan: Plan, before: Mapping[str, FoldFiles]) -> Plan:
    """Notes the models of which a fold was trained beside a step; a fold that only waited for its turn is none.

    Args:
        root: the repository.
        plan: so far.
        before: of the models that might be, what `read_progress_of` returned before the step.
    """
    trained = [model for model, now in read_progress_of(root, before).items() if now - before[model]]
    return plan.model_copy(update={"beside": tuple(dict.fromkeys((*plan.beside, *trained)))})


def leave_out_idle(root: Path, plan: Plan, seconds: float, tick: Tick) -> Plan:
    """Leaves out the models to which the ensemble gives no weight, where its nested score does not get worse by that.

    Args:
        root: the repository.
        plan: with all steps.
        seconds: after which it is given up.
        tick: called while it runs.
    """
    weights = cards.read_card(paths.card_path(root, paths.ENSEMBLE), cards.EnsembleCard).weights
    used = tuple(name for name in plan.models if weights.get(name, 1.0) >= IDLE)
    if used == plan.models or not used:
        return plan
    judge = make_judge(root)
    old = _read_nested(paths.oof_path(root, paths.ENSEMBLE), judge)
    log = plan_folder(root, plan.competition) / "log.txt"
    write_active(root, used)
    ran = run_stages(root, ENSEMBLING, seconds, log, tick)
    new = _read_nested(paths.oof_path(root, paths.ENSEMBLE), judge) if ran.code == 0 else old
    verdict = compare_ensembles(judge.rows, new, old, judge.metric, judge.target)
    if ran.code != 0 or verdict.gain < 0:
        write_active(root, plan.models)
        run_stages(root, ENSEMBLING, _BACK, log, tick)
        return plan
    card = cards.read_card(paths.card_path(root, paths.ENSEMBLE), cards.EnsembleCard)
    after = plan.model_copy(update={"models": used, "score": card.pooled, "interval": card.interval})
    for name in set(plan.models) - set(used):
        put_back(root, after, name)
    return after


def put_back(root: Path, plan: Plan, model: str) -> None:
    """Leaves a model out again: params.yaml names those of the plan, and no stage finds its predictions.

    DVC's cache keeps them: a later run gets them back without training.
    """
    if plan.models:
        write_active(root, plan.models)
    for folder in (paths.oof_path(root, model).parent, paths.model_folder(root, model)):
        shutil.rmtree(folder, ignore_errors=True)
    for file in paths.submissions_folder(root).glob(f"{model}.*"):
        file.unlink()


def _version_path(root: Path, plan: Plan, step: int) -> Path:
    return plan_folder(root, plan.competition) / "ensembles" / f"{step:03d}.parquet"


def _keep_version(root: Path, plan: Plan) -> None:
    path = _version_path(root, plan, len(plan.steps))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        shutil.copyfile(paths.oof_path(root, paths.ENSEMBLE), temporary)


def _read_nested(path: Path, judge: Judge) -> Values:
    predictions: Predictions = read_predictions(path, judge.target)
    return predictions.aligned(list(judge.ids), str(path))


def _score_choice(root: Path, plan: Plan, judge: Judge) -> float:
    folder = plan_folder(root, plan.competition) / "ensembles"
    versions = [_read_nested(path, judge) for path in sorted(folder.glob("*.parquet"))]
    return score_after_choice(judge.rows, np.asarray(judge.folds), versions, judge.metric)
