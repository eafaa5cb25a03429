"""Trains one fold of one model, or continues it, for schedulers on any machine; `train` finds it done.

Reads: what `train` reads. Writes: the fold's folder below .work/train.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from pipeline.core.errors import ElsewhereError, InputError, NoRoomError, find_fix
from pipeline.training.finished import is_finished
from pipeline.training.model_folds import ModelFolds

EXIT_WRONG = 65  # EX_DATAERR of sysexits.h: the same error would come on any machine
EXIT_ELSEWHERE = 75  # EX_TEMPFAIL: another machine, or a later time, may do


def run(root: Path, model: str, fold: int, seed: int | None = None, fingerprint: str | None = None) -> None:
    """Trains or continues a fold; a finished one is left as it is.

    Args:
        root: the repository folder.
        model: a file under configs/models.
        fold: its number.
        seed: of the run; None takes that of params.yaml.
        fingerprint: that the fold must have here; the first letters of it suffice. None takes any.

    Raises:
        ElsewhereError: another machine may do it; exit code 75.
        InputError: no machine will; exit code 65.
    """
    try:
        with _exit_on_termination(f"{model} fold {fold}"):
            _train_fold(root, model, fold, seed, fingerprint)
    except (NoRoomError, ElsewhereError) as error:
        error.exit_code = EXIT_ELSEWHERE
        raise
    except InputError as error:
        error.exit_code = EXIT_WRONG
        raise
    except OSError as error:
        if (fix := find_fix(error)) is None:
            raise
        refused = ElsewhereError(f"{model} fold {fold}: {error}; {fix}, or run it elsewhere")
        refused.exit_code = EXIT_ELSEWHERE
        raise refused from error


def _train_fold(root: Path, model: str, fold: int, seed: int | None, fingerprint: str | None) -> None:
    folds = ModelFolds(root, model, seed)
    count = int(folds.context.data.fold_of.max()) + 1
    if not 0 <= fold < count:
        raise InputError(f"fold must be in 0..{count - 1}, got {fold}; see split.n_splits in params.yaml")
    task = folds.make_task(fold)
    if fingerprint and not task.fingerprint.startswith(fingerprint):
        raise ElsewhereError(
            f"{task.name} fold {fold} has the fingerprint {task.fingerprint[:16]} here and {fingerprint[:16]} where it "
            "was listed: code, versions, stores or settings differ (where train.precision or batch_size is auto, "
            "hardware settles it: give both a value); make them equal, or run it elsewhere"
        )
    if is_finished(task):
        print(f"{task.name} fold {fold} is done: {task.folder}", flush=True)
        return
    folds.train(task, wait=False)


@contextmanager
def _exit_on_termination(name: str) -> Iterator[None]:
    """Ends this process with `EXIT_ELSEWHERE` on SIGTERM: the state of the last whole epoch is kept."""

    def leave(number: int, frame: FrameType | None) -> None:
        os.write(2, f"error: {name}: terminated; its state is kept, run it again to continue\n".encode())
        os._exit(EXIT_ELSEWHERE)

    kept = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, kept)
