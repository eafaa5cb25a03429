"""Trains open folds on Kaggle's machines and puts them where `train` finds them. Run by hand: no stage of dvc.yaml.

Reads: what `train` reads, and its states. Writes: folds' folders below .work/train; .work/kaggle-train holds what was
pushed until it has come back, so that the same command goes on after Ctrl-C
"""

import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.active import active_models, active_name
from pipeline.core.errors import InputError
from pipeline.core.files import locked
from pipeline.core.paths import work_folder
from pipeline.kaggle import kernels
from pipeline.kaggle.notebook_files import end_slug, make_slug
from pipeline.kaggle.renting import (
    PushedKernel,
    Renting,
    SentFold,
    push_folds,
    pushed_path,
    read_pushed,
    send_bundle,
    write_pushed,
)
from pipeline.kaggle.training_notebook import PARCEL
from pipeline.training.machines.parcels import list_problems, place_folds, write_parcel
from pipeline.training.machines.travelling import list_travelling_files
from pipeline.training.model_folds import ModelFolds
from pipeline.training.task import FoldTask
from pipeline.training.task_list import list_tasks

_LOOKS = 3  # that may fail, one after the other, before a notebook is left to the next call


@dataclass(frozen=True)
class Rental:
    """What is asked of Kaggle.

    Attributes:
        user: the user name.
        accelerator: as the client takes it; None for a processor.
        seconds: for each notebook.
        kernels: how many share the folds.
        wait: whether to wait for their end.
        pause: seconds between two looks at them.
    """

    user: str | None
    accelerator: str | None
    seconds: int
    kernels: int
    wait: bool = True
    pause: float = 30.0


def run(root: Path, rental: Rental) -> None:
    """Fetches what earlier calls pushed; without any, pushes the open folds, waits for them and fetches them.

    Raises:
        InputError: nothing to push with, Kaggle refuses, the quota is used up, or a notebook failed or was cancelled:
            what came back whole is in place, and the same command goes on with the rest.
    """
    with locked(_folder(root) / "lock"):
        pushed = read_pushed(_folder(root))
        if pushed:
            print(f"{len(pushed)} notebooks were pushed before: following them")
        else:
            pushed = _push_open_folds(root, rental)
        problems = _follow(root, pushed, rental)
    if problems:
        raise InputError("; ".join(problems) + "; what came back is kept, run the command again for the rest")


def _follow(root: Path, pushed: list[PushedKernel], rental: Rental) -> list[str]:
    """Waits for notebooks and takes their folds back; returns what went wrong. What is not back stays on record."""
    problems, words, looks = list[str](), dict[str, str](), dict.fromkeys((kernel.ref for kernel in pushed), _LOOKS)
    following, kept = list[PushedKernel](), list[PushedKernel]()
    for kernel in pushed:
        try:
            _make_tasks(root, kernel)  # what could never be taken back is not waited for
            following.append(kernel)
        except InputError as error:
            problems.append(str(error))
            kept.append(kernel)
    while following:
        for kernel in list(following):
            try:
                status = kernels.read_kernel_status(kernel.ref)
                if words.get(kernel.ref) != status.word:
                    print(f"{kernel.ref}: {status.word.lower().replace('_', ' ')}", flush=True)
                words[kernel.ref] = status.word
                if not status.ended:
                    looks[kernel.ref] = _LOOKS
                    continue
                problems += _take_back(root, kernel, status)
            except InputError as error:  # a broken connection, for one: its folds can still be fetched
                looks[kernel.ref] -= 1
                if looks[kernel.ref] and rental.wait:
                    continue
                problems.append(str(error))
                kept.append(kernel)
            following.remove(kernel)
            write_pushed(_folder(root), [*kept, *following])
        if following and not rental.wait:
            print(f"{len(following)} notebooks are under way; the same command fetches them when they have ended")
            break
        if following:
            time.sleep(rental.pause)
    return problems


def _push_open_folds(root: Path, rental: Rental) -> list[PushedKernel]:
    tasks = list_tasks(root, active_models(root))
    for model in sorted({task.model for task in tasks if task.status == "blocked"}):
        reason = next(task.reason for task in tasks if task.model == model and task.status == "blocked")
        print(f"{model} cannot be trained yet: {reason}")
    open_tasks = [task for task in tasks if task.status in ("open", "under way") and not task.running]
    if not open_tasks:
        print(f"nothing to train: {sum(task.status == 'done' for task in tasks)} of {len(tasks)} folds are done")
        return []
    user = _require_user(rental.user)
    if rental.accelerator is not None:
        kernels.require_gpu_hours(rental.accelerator, rental.kernels * rental.seconds / 3600)
    models = tuple(dict.fromkeys(task.model for task in open_tasks))
    slug, folder = make_slug(active_name(root), "folds"), _folder(root)
    renting = Renting(folder, user, slug, rental.accelerator, rental.seconds)
    digest = send_bundle(renting, lambda path: write_parcel(path, list_travelling_files(root, models)))
    sent = [
        SentFold(model=task.model, fold=task.fold, seed=task.seed, fingerprint=task.fingerprint) for task in open_tasks
    ]
    pushed = list[PushedKernel]()
    for number in range(min(rental.kernels, len(sent))):
        share = sent[number :: rental.kernels]
        pushed.append(push_folds(renting, end_slug(slug, f"train-{number}"), digest, share))
        write_pushed(folder, pushed)  # first of all: what runs must not be forgotten
        print(f"pushed {kernels.make_kernel_url(pushed[-1].ref)} version {pushed[-1].version}: {len(share)} folds")
    return pushed


def _take_back(root: Path, kernel: PushedKernel, status: kernels.KernelStatus) -> list[str]:
    """Fetches a notebook's folds and puts them in place; returns what went wrong."""
    page = kernels.make_kernel_url(kernel.ref)
    word = "was cancelled" if status.cancelled else "failed" if status.word == "ERROR" else "ended"
    reason = f" ({status.reason})" if status.reason else ""
    with tempfile.TemporaryDirectory(dir=_folder(root)) as name:
        kernels.fetch_output(kernel.ref, Path(name))
        if not (Path(name) / PARCEL).is_file():
            shutil.rmtree(_folder(root) / "log", ignore_errors=True)
            shutil.copytree(name, _folder(root) / "log")
            return [f"{kernel.ref} {word}{reason} and left no folds; see {page} and {_folder(root) / 'log'}"]
        about, placed = place_folds(root, Path(name) / PARCEL, _make_tasks(root, kernel))
    for fold in placed:
        further = f", epoch {fold.epoch}" if fold.epoch else ""
        print(f"{fold.model} fold {fold.fold}: {fold.outcome}{further}")
    wrong = list_problems(about)
    done = sum(fold.outcome == "done" for fold in placed)
    if status.word != "COMPLETE":
        return [f"{kernel.ref} {word}{reason}: {done} of {len(kernel.tasks)} folds came back done; see {page}"]
    if wrong:
        return [f"{kernel.ref}: {wrong[0]}"]
    if done < len(kernel.tasks):
        print(f"{kernel.ref}: {done} of {len(kernel.tasks)} folds are done; the same command continues the others")
    return []


def _make_tasks(root: Path, kernel: PushedKernel) -> list[FoldTask]:
    """Makes the tasks as they are here now; refuses what was sent with other settings or other code.

    Raises:
        InputError: a fingerprint has changed since.
    """
    models = {model: ModelFolds(root, model) for model in dict.fromkeys(sent.model for sent in kernel.tasks)}
    made = []
    for sent in kernel.tasks:
        task = models[sent.model].make_task(sent.fold, sent.seed)
        if task.fingerprint != sent.fingerprint:
            raise InputError(
                f"{sent.model} fold {sent.fold} was sent with the fingerprint {sent.fingerprint[:16]}, here it is "
                f"{task.fingerprint[:16]} now: put code, settings and data back as they were to fetch it, or remove "
                f"{pushed_path(_folder(root))} to forget it"
            )
        made.append(task)
    return made


def _require_user(user: str | None) -> str:
    if user is None or not re.fullmatch(r"[A-Za-z0-9_-]+", user):
        raise InputError(
            f"--user must be your user name at Kaggle, got {user!r}; see the end of your profile's address, or set "
            "KAGGLE_USERNAME"
        )
    return user


def _folder(root: Path) -> Path:
    folder = work_folder(root, "kaggle-train")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
