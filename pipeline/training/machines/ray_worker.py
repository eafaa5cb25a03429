"""The work of a Ray worker: one fold, in a process that keeps TensorFlow and the last network for the next one."""

import fcntl
import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import InputError, find_fix
from pipeline.core.paths import params_path, work_folder
from pipeline.training.finished import list_fold_files
from pipeline.training.machines.parcels import write_parcel
from pipeline.training.model_folds import ModelFolds
from pipeline.training.task import find_fold_folder

_OPENED: dict[tuple[str, str, int, str], ModelFolds] = {}  # of the model at hand alone: a network is large
_CORES: list[int] = []  # descriptors of the locks of this process's cores, held until it ends


@dataclass(frozen=True)
class RemoteFold:
    """One fold, for a worker that sees the repository's folder.

    Attributes:
        root: the repository folder.
        model: its name.
        fold: which fold is held out.
        seed: the run's seed.
        fingerprint: that the fold must have on the worker.
        cores: that compute it.
        settings: environment variables that change bits, and those that name folders; others than these are unset.
    """

    root: str
    model: str
    fold: int
    seed: int
    fingerprint: str
    cores: int
    settings: dict[str, str]


@dataclass(frozen=True)
class RemoteResult:
    """What came of a fold on a worker.

    Attributes:
        machine: the worker's name.
        seconds: wall time on the worker.
        error: why it failed; empty where it did not.
        received: bytes that the worker's machine lacked; 0 where it sees the repository's folder.
        memory: bytes that its process held at most so far; 0 where it is not known.
    """

    machine: str
    seconds: float
    error: str = ""
    received: int = 0
    memory: int = 0


SETTINGS = (
    *("TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS", "XLA_FLAGS", "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS"),
    *("KERAS_BACKEND", "WEIGHTS_DIR", "NO_ALBUMENTATIONS_UPDATE", "TF_CPP_MIN_LOG_LEVEL"),
)


def train_remote_fold(wanted: RemoteFold) -> RemoteResult:
    """Trains a fold on this worker, or continues it, or finds it done; an input error becomes a result."""
    started, machine = time.perf_counter(), os.uname().nodename
    for name in SETTINGS:  # Ray sets OMP_NUM_THREADS by itself
        os.environ.pop(name, None)
    os.environ.update(wanted.settings)
    try:
        if not params_path(Path(wanted.root)).is_file():
            raise InputError(f"{wanted.root} is not there; mount the repository's folder on {machine} under that path")
        pin_cores(wanted.cores)
        _train(wanted)
    except InputError as error:
        return RemoteResult(machine, time.perf_counter() - started, str(error))
    except OSError as error:
        if (fix := find_fix(error)) is None:
            raise
        return RemoteResult(machine, time.perf_counter() - started, f"{error}; {fix} on {machine}")
    return RemoteResult(machine, time.perf_counter() - started, memory=measure_memory())


def measure_memory() -> int:
    """Returns the bytes of memory that this process held at most so far."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def pack_remote_fold(wanted: RemoteFold) -> bytes:
    """Returns the files of a fold that was trained here as a parcel."""
    root = Path(wanted.root)
    folder = find_fold_folder(work_folder(root, "train"), wanted.model, wanted.fingerprint, wanted.fold)
    files: dict[str, Path | bytes] = {path.relative_to(root).as_posix(): path for path in list_fold_files(folder)}
    with tempfile.TemporaryDirectory(dir=work_folder(root, "train")) as name:
        write_parcel(Path(name) / "fold.bin", files)
        return (Path(name) / "fold.bin").read_bytes()


def _train(wanted: RemoteFold) -> None:
    key = (wanted.root, wanted.model, wanted.seed, wanted.fingerprint)
    if key not in _OPENED:
        _OPENED.clear()
        _OPENED[key] = ModelFolds(Path(wanted.root), wanted.model, wanted.seed)
    folds = _OPENED[key]
    try:
        task = folds.make_task(wanted.fold)
        if task.fingerprint != wanted.fingerprint:
            raise InputError(
                f"{task.name} fold {task.fold} has the fingerprint {task.fingerprint[:16]} on this worker and "
                f"{wanted.fingerprint[:16]} where it was listed: code, versions, stores or settings differ (auto is "
                "settled by hardware: give train.precision and batch_size values); make them equal"
            )
        folds.train(task)
    except BaseException:
        _OPENED.clear()  # what a failed training leaves in memory is nobody's
        raise


def pin_cores(count: int) -> None:
    """Gives this process cores of its own, once: how many compute a fold decides its bits.

    Each core is a lock that the process holds until it ends. Where too few are free, it shares those of others.
    """
    if _CORES or not hasattr(os, "sched_setaffinity"):
        return
    usable, taken = sorted(os.sched_getaffinity(0)), list[int]()
    folder = Path(tempfile.gettempdir()) / f"pipeline-cores-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for core in usable:
        if len(taken) == count:
            break
        handle = os.open(folder / f"{core}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        _CORES.append(handle)
        taken.append(core)
    others = [core for core in usable if core not in taken]
    taken += others[: count - len(taken)]
    os.sched_setaffinity(0, taken or usable)
