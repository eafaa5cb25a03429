"""Workers: processes that run trials until their share is done, the study is, or the hours are spent."""

import errno
import signal
from contextlib import ExitStack
from multiprocessing.connection import Connection

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import Trial

from pipeline.core.errors import ElsewhereError, InputError, NoRoomError, one_line
from pipeline.core.memory import is_out_of_memory
from pipeline.core.processes import EXIT_ENDED, EndRequest, end_with_parent
from pipeline.networks import runtime
from pipeline.tuning.locks import lock_queue, own_trial
from pipeline.tuning.params import TuneParams
from pipeline.tuning.storages import DATABASE_ERRORS, silence_optuna
from pipeline.tuning.study_spec import StudySpec
from pipeline.tuning.trial_context import TrialContext
from pipeline.tuning.trial_states import REASON, is_interrupted, tally_trials
from pipeline.tuning.trials import DeadlinePassed, remove_unneeded_trainings, run_trial

DATABASE_DOWN = 75  # exit code: the database does not answer
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


class _DiskUnwritable(KeyboardInterrupt):
    """The disk cannot be written: every trial would fail by it, so it is recorded with none."""


def run_worker(spec: StudySpec, errors: Connection) -> None:
    """Runs trials; the entry of a process, which ends with an exit code.

    Args:
        spec: the study.
        errors: receives the message of an error that ends the whole search.
    """
    ending = EndRequest()
    signal.signal(signal.SIGTERM, ending.receive)
    end_with_parent()
    silence_optuna()
    try:
        run_trials(spec, ending)
    except (KeyboardInterrupt, InputError) as error:
        if isinstance(error, (InputError, _DiskUnwritable)):
            errors.send(str(error))
        raise SystemExit(EXIT_ENDED) from None
    except DATABASE_ERRORS:
        raise SystemExit(DATABASE_DOWN) from None
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        errors.send(str(_disk_unwritable(error)))
        raise SystemExit(EXIT_ENDED) from None


def run_trials(spec: StudySpec, ending: EndRequest) -> None:
    """Runs trials in this process until its share is done, the study is, or the hours are spent."""
    context = spec.read_context()
    for _ in range(spec.params.trials_per_process):
        study = spec.open_study()
        queue = ExitStack()
        queue.enter_context(lock_queue(spec.locks_folder, spec.model))
        with queue:
            if not _has_trials_left(study, spec.params):
                return
            out_of_memory = _run_next(study, context, spec, queue, ending)
        remove_unneeded_trainings(study, context)
        if out_of_memory:
            return  # a fresh process has all the memory


def _run_next(study: Study, context: TrialContext, spec: StudySpec, queue: ExitStack, ending: EndRequest) -> bool:
    """Runs one trial; says whether this process should make way for a fresh one."""
    out_of_memory, begun = False, list[Trial]()

    def objective(trial: Trial) -> tuple[float, ...]:
        nonlocal out_of_memory
        begun.append(trial)
        try:
            owned.enter_context(own_trial(spec.locks_folder, spec.name, trial))
            queue.close()  # the next worker may count this trial now
            with ending.immediate():
                return run_trial(trial, study, context)
        except (optuna.TrialPruned, UpdateFinishedTrialError, *DATABASE_ERRORS):
            raise
        except OSError as error:
            if error.errno in _DISK_ERRORS:
                raise _disk_unwritable(error) from None
            trial.set_user_attr(REASON, _describe_error(error))
            raise
        except Exception as error:  # the trial's own: it is recorded as the reason, and the search goes on
            out_of_memory = isinstance(error, NoRoomError | ElsewhereError) or (
                isinstance(error, runtime.get_memory_errors()) and is_out_of_memory(error)
            )
            trial.set_user_attr(REASON, _describe_error(error))
            raise

    with ExitStack() as owned:  # longer than the objective: until Optuna has recorded the outcome
        try:
            with ending.deferred():  # while Optuna begins a trial and records its outcome
                study.optimize(objective, n_trials=1, catch=(Exception,))
        except DeadlinePassed:
            return True
        except (UnboundLocalError, AssertionError) as error:  # Optuna 5 raises them when it cannot record the outcome
            if isinstance(error.__context__, InputError):  # of a journal that was damaged meanwhile
                raise error.__context__ from None
            if not isinstance(error.__context__, DATABASE_ERRORS):
                raise
            raise SystemExit(DATABASE_DOWN) from None
        except (ValueError, UpdateFinishedTrialError):
            if not (begun and _is_taken_over(study, begun[0])):
                raise
    return out_of_memory


def _is_taken_over(study: Study, trial: Trial) -> bool:
    """Says whether another process recorded a trial as interrupted, because this one did not answer."""
    return is_interrupted(study._storage.get_trial(trial._trial_id))


def _disk_unwritable(error: OSError) -> _DiskUnwritable:
    return _DiskUnwritable(f"{error}; make room or change the permissions, then run the command again")


def _describe_error(error: Exception) -> str:
    message = one_line(error)
    return message if isinstance(error, InputError) else f"{type(error).__name__}: {message}"


def _has_trials_left(study: Study, params: TuneParams) -> bool:
    tally = tally_trials(study)
    return params.n_trials is None or tally.finished + len(tally.running) < params.n_trials
