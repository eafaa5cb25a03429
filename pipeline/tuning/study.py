"""From a model and a budget to what tuning came to: search, last word, card, page."""

import dataclasses
import sys
import time
from contextlib import nullcontext
from pathlib import Path

from optuna.study import Study
from optuna.trial import FrozenTrial

from pipeline.core import cards
from pipeline.core.active import active_name
from pipeline.core.cards import TrialCard, TuningCard, VerdictCard
from pipeline.core.competition import load_competition
from pipeline.core.config import setting_or_variable
from pipeline.core.errors import InputError
from pipeline.core.processes import EXIT_ENDED, EndedError, raise_on_signals
from pipeline.training.context import read_context
from pipeline.tuning import optuna_studies, page, storing
from pipeline.tuning.locks import alone
from pipeline.tuning.params import TuneParams
from pipeline.tuning.results import page_path
from pipeline.tuning.search import Night
from pipeline.tuning.space import load_space
from pipeline.tuning.trials import Bench
from pipeline.tuning.verdict import DefaultFellError, FellError, Verdict, judge
from pipeline.tuning.worker import Order


def tuned(root: Path, model: str, params: TuneParams, hours: float | None) -> TuningCard:
    """Searches, or goes on searching, until the budget is spent; then measures the best trial on unseen rows.

    Args:
        root: the repository folder.
        model: its name.
        params: how is searched.
        hours: of this model, all runs of its study together.

    Raises:
        InputError: the space, the storage or the trainings cannot be used.
        SystemExit: Ctrl-C or SIGTERM.
    """
    if params.sampler == "gp" or params.terminator:
        optuna_studies.require_torch("tune.sampler: gp" if params.sampler == "gp" else "tune.terminator")
    storing.quiet()
    url = setting_or_variable(params.storage, "TUNE_STORAGE", "")
    competition = load_competition(root)
    bench = Bench(
        root, model, load_space(root, model, competition.mirror), read_context(root), competition.metric, params, None
    )
    _check_folds(bench)
    order = Order(root, model, bench.study_name, params, url, None, bench.epochs)
    with nullcontext() if url else alone(order.folder, model):  # a database may be shared
        if not url:
            storing.mend_journal(storing.journal_path(root, model))
        return _searched(order, bench, hours)


def _searched(order: Order, bench: Bench, hours: float | None) -> TuningCard:
    study = order.study()
    study.enqueue_trial(bench.space.default_params(), skip_if_exists=True)
    before = float(study.user_attrs.get(optuna_studies.SEARCHED, 0.0))
    deadline = None if hours is None else time.time() + max(0.0, 3600 * hours - before)
    order = dataclasses.replace(order, deadline=deadline)
    _announce(study, order, before)
    try:
        with raise_on_signals():
            Night(order, study, bench.score.metric, before).search()
            card = _card(study, order, bench)
    except EndedError:
        done = optuna_studies.tally(study).finished
        print(
            f"{order.model}: ended as asked; {done} trials are kept. Run the same command again to go on, or with "
            f"tune.n_trials={done} and tune.hours=null to use what was found so far",
            flush=True,
        )
        sys.exit(EXIT_ENDED)
    page.write(page_path(order.root, order.model), study, card)
    return card


def _check_folds(bench: Bench) -> None:
    n_folds = int(bench.around.data.fold_of.max()) + 1
    wrong = [fold for fold in bench.params.folds if not 0 <= fold < n_folds]
    if wrong:
        raise InputError(
            f"tune.folds must name folds in 0..{n_folds - 1}, got {list(bench.params.folds)}; see params.yaml"
        )


def _announce(study: Study, order: Order, before: float) -> None:
    tally = optuna_studies.tally(study)
    where = storing.masked(order.url)
    if tally.finished or before:
        print(
            f"{order.model}: going on with study {order.name} in {where}: {tally.finished} trials done, {before:,.0f} s"
        )
        return
    print(f"{order.model}: new study {order.name} in {where}")
    others = [name for name in _names(study) if name.startswith(f"{order.model}-") and name != order.name]
    if others:
        print(
            f"{order.model}: {len(others)} earlier studies ({', '.join(others[:3])}) belong to another space, data, "
            "folds or code and are left alone"
        )


def _names(study: Study) -> list[str]:
    return [each.study_name for each in study._storage.get_all_studies()]


def _card(study: Study, order: Order, bench: Bench) -> TuningCard:
    metric = bench.score.metric
    tally = optuna_studies.tally(study)
    default_params = bench.space.default_params()
    leader = optuna_studies.best(tally.complete, metric)
    default = next((trial for trial in tally.complete if trial.params == default_params), None)
    verdict: Verdict | None = None
    fell, adopted = list[str](), False
    settings = leader.user_attrs[optuna_studies.SETTINGS] if leader else {}
    if leader is None:
        print(f"{order.model}: no trial came to its end, so the recipe stays as it is", flush=True)
    elif leader.params == default_params:
        print(f"{order.model}: nothing beat the recipe as it stands on folds {list(bench.params.folds)}", flush=True)
    else:
        try:
            verdict = judge(order, bench, settings)
            adopted = verdict.gain.value > 0
            _say(order, metric.name, verdict)
        except DefaultFellError as error:
            fell, adopted = [f"{page.DEFAULT_ELSEWHERE} {error}"], True
            print(f"{order.model}: the best trial is laid over the recipe: {fell[0]}", flush=True)
        except FellError as error:
            fell = [f"{page.ELSEWHERE} {error}"]
            print(f"{order.model}: the recipe stays as it is: {fell[0]}", flush=True)
    card = TuningCard(
        model=order.model,
        competition=active_name(order.root),
        metric=metric.name,
        greater_is_better=metric.greater_is_better,
        study=order.name,
        storage=storing.masked(order.url),
        folds=bench.params.folds,
        space=tuple(bench.space.parameters),
        complete=len(tally.complete),
        pruned=len(tally.pruned),
        failed=len(tally.failed),
        reasons=optuna_studies.counted_reasons(
            [*(str(trial.user_attrs[optuna_studies.REASON]) for trial in tally.failed), *fell]
        ),
        searched_seconds=float(study.user_attrs.get(optuna_studies.SEARCHED, 0.0)),
        saved_seconds=sum(float(trial.user_attrs.get(optuna_studies.SAVED, 0.0)) for trial in tally.pruned),
        default=_trial(default, True) if default else None,
        best=_trial(leader, leader.params == default_params) if leader else None,
        front=tuple(_trial(trial, trial.params == default_params) for trial in study.best_trials)
        if bench.params.two
        else (),
        verdict=_verdict(verdict) if verdict else None,
        adopted=adopted,
    )
    return card


def _say(order: Order, metric: str, verdict: Verdict) -> None:
    gain = verdict.gain
    adopted = "it is laid over the recipe" if gain.value > 0 else "it is not, so the recipe stays as it is"
    print(
        f"{order.model}: on folds {list(verdict.folds)}, seed {verdict.seed} ({verdict.rows:,} rows "
        f"{page.whose_rows(verdict.folds, order.params.folds)}): {metric} {verdict.default:.4f} as it stands, "
        f"{verdict.tuned:.4f} tuned, gain {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]; {adopted}",
        flush=True,
    )


def _trial(trial: FrozenTrial, default: bool) -> TrialCard:
    return cards.TrialCard(
        number=trial.number,
        default=default,
        values=tuple(trial.values),
        log_loss=trial.user_attrs.get(optuna_studies.LOG_LOSS),
        seconds=float(trial.user_attrs.get(optuna_studies.SECONDS, 0.0)),
        settings=trial.user_attrs[optuna_studies.SETTINGS],
    )


def _verdict(verdict: Verdict) -> VerdictCard:
    gain = verdict.gain
    return VerdictCard(
        folds=verdict.folds,
        seed=verdict.seed,
        rows=verdict.rows,
        default=verdict.default,
        tuned=verdict.tuned,
        gain=gain.value,
        interval=(gain.low, gain.high),
    )
