"""Study of one model: the search, the confirmation of its best trial, the card and the page."""

import dataclasses
import sys
import time
from contextlib import nullcontext
from pathlib import Path

from optuna.study import Study
from optuna.trial import FrozenTrial

from pipeline.core.active import active_name
from pipeline.core.cards import TrialCard, TuningCard, VerdictCard
from pipeline.core.competition import load_competition
from pipeline.core.config import setting_or_variable
from pipeline.core.errors import InputError
from pipeline.core.measures.metric import Metric
from pipeline.core.paired import describe_gain
from pipeline.core.processes import EXIT_ENDED, EndedError, raise_on_signals
from pipeline.training.context import read_context
from pipeline.tuning import storages
from pipeline.tuning.confirmation import BestFailedError, Confirmation, DefaultFailedError, confirm_best
from pipeline.tuning.failures import count_reasons
from pipeline.tuning.locks import lock_journal
from pipeline.tuning.optuna_studies import require_torch
from pipeline.tuning.page import BEST_FAILED, DEFAULT_FAILED, describe_rows, write_study_page
from pipeline.tuning.params import TuneParams
from pipeline.tuning.results import study_page_path
from pipeline.tuning.search import Search
from pipeline.tuning.space import load_space
from pipeline.tuning.study_spec import StudySpec
from pipeline.tuning.trial_context import TrialContext
from pipeline.tuning.trial_states import (
    LOG_LOSS,
    REASON,
    SAVED,
    SEARCHED,
    SECONDS,
    SETTINGS,
    find_best_trial,
    tally_trials,
)


@dataclasses.dataclass(frozen=True)
class _Choice:
    """The choice between the recipe and the best trial.

    Attributes:
        confirmation: None where there was nothing to confirm, or a training failed.
        failures: reasons of failed trainings.
        adopted: whether the best trial's settings are laid over the recipe.
    """

    confirmation: Confirmation | None = None
    failures: tuple[str, ...] = ()
    adopted: bool = False


def tune_model(root: Path, model: str, params: TuneParams, hours: float | None, page: Path | None = None) -> TuningCard:
    """Searches until the budget is spent, continuing an earlier search; then confirms the best trial on unseen rows.

    Args:
        root: the repository folder.
        model: its name.
        params: the ``tune`` section.
        hours: of this model, all runs of its study together.
        page: where the study's page goes; None is the stage's own place.

    Raises:
        InputError: the space, the storage or the trainings cannot be used.
        SystemExit: Ctrl-C or SIGTERM.
    """
    if params.sampler == "gp" or params.terminator:
        require_torch("tune.sampler: gp" if params.sampler == "gp" else "tune.terminator")
    storages.silence_optuna()
    url = setting_or_variable(params.storage, "TUNE_STORAGE", "")
    competition = load_competition(root)
    space = load_space(root, model, competition.mirror)
    context = TrialContext(root, model, space, read_context(root), competition.metric, params, None)
    _check_folds(context)
    spec = StudySpec(root, model, context.study_name, params, url, None, context.epochs)
    with nullcontext() if url else lock_journal(spec.locks_folder, model):  # a database may be shared
        return _run_study(spec, context, hours, page or study_page_path(root, model))


def _run_study(spec: StudySpec, context: TrialContext, hours: float | None, page: Path) -> TuningCard:
    study = spec.open_study()
    study.enqueue_trial(context.space.default_params(), skip_if_exists=True)
    before = float(study.user_attrs.get(SEARCHED, 0.0))
    deadline = None if hours is None else time.time() + max(0.0, 3600 * hours - before)
    spec = dataclasses.replace(spec, deadline=deadline)
    _print_start(study, spec, before)
    try:
        with raise_on_signals():
            Search(spec, study, context.metric, before).run()
            card = _make_card(study, spec, context)
    except EndedError:
        finished = tally_trials(study).finished
        print(
            f"{spec.model}: interrupted; {finished} trials are kept. Run the same command again to continue, or with "
            f"tune.n_trials={finished} and tune.hours=null to use the best trial so far",
            flush=True,
        )
        sys.exit(EXIT_ENDED)
    write_study_page(page, study, card)
    return card


def _check_folds(context: TrialContext) -> None:
    wrong = [fold for fold in context.params.folds if not 0 <= fold < context.n_folds]
    if wrong:
        raise InputError(
            f"tune.folds must name folds in 0..{context.n_folds - 1}, got {list(context.params.folds)}; see params.yaml"
        )


def _print_start(study: Study, spec: StudySpec, before: float) -> None:
    finished, storage = tally_trials(study).finished, storages.mask_url(spec.url)
    if finished or before:
        print(f"{spec.model}: continuing study {spec.name} in {storage}: {finished} trials finished, {before:,.0f} s")
        return
    print(f"{spec.model}: new study {spec.name} in {storage}")
    names = [each.study_name for each in study._storage.get_all_studies()]
    others = [name for name in names if name.startswith(f"{spec.model}-") and name != spec.name]
    if others:
        print(
            f"{spec.model}: {len(others)} earlier studies ({', '.join(others[:3])}) belong to another space, data, "
            "folds or code and are not used"
        )


def _choose(spec: StudySpec, context: TrialContext, best: FrozenTrial | None) -> _Choice:
    """Chooses between the recipe and the best trial, and prints why."""
    if best is None:
        print(f"{spec.model}: no trial was completed, so the recipe is used unchanged", flush=True)
        return _Choice()
    if best.params == context.space.default_params():
        folds = list(context.params.folds)
        print(f"{spec.model}: no trial was better than the unchanged recipe on folds {folds}", flush=True)
        return _Choice()
    try:
        confirmation = confirm_best(spec, context, best.user_attrs[SETTINGS])
    except DefaultFailedError as error:
        reason = f"{DEFAULT_FAILED} {error}"
        print(f"{spec.model}: the best trial's settings are used: {reason}", flush=True)
        return _Choice(failures=(reason,), adopted=True)
    except BestFailedError as error:
        reason = f"{BEST_FAILED} {error}"
        print(f"{spec.model}: the recipe is used unchanged: {reason}", flush=True)
        return _Choice(failures=(reason,))
    _print_confirmation(spec, context.metric, confirmation)
    return _Choice(confirmation, adopted=confirmation.gain.value > 0)


def _print_confirmation(spec: StudySpec, metric: Metric, confirmation: Confirmation) -> None:
    gain = confirmation.gain
    consequence = "the tuned settings are used" if gain.value > 0 else "the recipe is used unchanged"
    print(
        f"{spec.model}: on folds {list(confirmation.folds)}, seed {confirmation.seed} ({confirmation.rows:,} rows "
        f"{describe_rows(confirmation.folds, spec.params.folds)}): {metric.name} {confirmation.default:.4f} "
        f"unchanged, {confirmation.tuned:.4f} tuned: {describe_gain(gain, metric.greater_is_better)}; {consequence}",
        flush=True,
    )


def _make_card(study: Study, spec: StudySpec, context: TrialContext) -> TuningCard:
    metric, tally = context.metric, tally_trials(study)
    default_params = context.space.default_params()
    best = find_best_trial(tally.complete, metric)
    default = next((trial for trial in tally.complete if trial.params == default_params), None)
    choice = _choose(spec, context, best)
    front = study.best_trials if context.params.two else []
    return TuningCard(
        model=spec.model,
        competition=active_name(spec.root),
        metric=metric.name,
        greater_is_better=metric.greater_is_better,
        study=spec.name,
        storage=storages.mask_url(spec.url),
        folds=context.params.folds,
        space=tuple(context.space.parameters),
        complete=len(tally.complete),
        pruned=len(tally.pruned),
        failed=len(tally.failed),
        reasons=count_reasons([*(str(trial.user_attrs[REASON]) for trial in tally.failed), *choice.failures]),
        searched_seconds=float(study.user_attrs.get(SEARCHED, 0.0)),
        saved_seconds=sum(float(trial.user_attrs.get(SAVED, 0.0)) for trial in tally.pruned),
        default=_make_trial_card(default, True) if default else None,
        best=_make_trial_card(best, best.params == default_params) if best else None,
        front=tuple(_make_trial_card(trial, trial.params == default_params) for trial in front),
        verdict=_make_verdict_card(choice.confirmation) if choice.confirmation else None,
        adopted=choice.adopted,
    )


def _make_trial_card(trial: FrozenTrial, default: bool) -> TrialCard:
    return TrialCard(
        number=trial.number,
        default=default,
        values=tuple(trial.values),
        log_loss=trial.user_attrs.get(LOG_LOSS),
        seconds=float(trial.user_attrs.get(SECONDS, 0.0)),
        settings=trial.user_attrs[SETTINGS],
    )


def _make_verdict_card(confirmation: Confirmation) -> VerdictCard:
    gain = confirmation.gain
    return VerdictCard(
        folds=confirmation.folds,
        seed=confirmation.seed,
        rows=confirmation.rows,
        default=confirmation.default,
        tuned=confirmation.tuned,
        gain=gain.value,
        interval=(gain.low, gain.high),
    )
