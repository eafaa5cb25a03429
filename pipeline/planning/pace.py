"""The pace of a training, read off its folds' states: whether it will be done in time shows after one or two epochs."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pipeline.core.paths import folds_path, work_folder
from pipeline.core.tables import read_folds
from pipeline.planning.prior import TrainingLength
from pipeline.training.context import read_train_params
from pipeline.training.state import list_states, read_progress
from pipeline.training.task import find_fold_folder

FoldFiles = frozenset[tuple[Path, int]]
_EPOCHS, _SECONDS = 2, 5.0  # between the first look and one that counts
_LONG = 30.0  # seconds of one epoch that counts alone
_EVERY = 1.0  # seconds between two looks


class TooSlowError(Exception):
    """A training will not be done in time.

    Attributes:
        gone: seconds since it began.
        projected: seconds that it would take in all.
    """

    def __init__(self, gone: float, projected: float) -> None:
        """Takes both."""
        super().__init__(f"{projected:.0f} s")
        self.gone, self.projected = gone, projected


class Pace:
    """The epochs of a model's folds over time.

    Only those of the last phase count: those before it, of a head alone, are much quicker.
    """

    def __init__(self, root: Path, model: str, length: TrainingLength) -> None:
        """Starts to watch.

        Args:
            root: the repository.
            model: that is trained.
            length: of the training of a fold.
        """
        folds = read_train_params(root).folds or read_folds(folds_path(root))["fold"].unique()
        self._work, self._model = work_folder(root, "train"), model
        self._begun = read_changes(self._work, model)
        self._epochs, self._before, self._folds = length.epochs, length.before, len(folds)
        self._first: tuple[float, dict[Path, float]] | None = None
        self._last, self._looked = (0.0, 0.0), 0.0

    def project(self, gone: float) -> float | None:
        """Returns the seconds that all folds take; None before an epoch or two were seen whole, and when all are.

        Of several seeds it counts those that have begun. Between the ends of two epochs it says what it said before.

        Args:
            gone: seconds so far.
        """
        counts, whole = self._count_epochs()
        done = sum(counts.values())
        if not done or done >= whole:
            return None
        self._first = self._first or (gone, counts)
        if done != self._last[1]:
            self._last = (gone, done)
        seconds, epochs = self._last[0] - self._first[0], done - sum(self._first[1].values())
        few = epochs < _EPOCHS or seconds < _SECONDS
        if few and (seconds < _LONG or not self._is_one_fold(counts)):
            return None
        return max(gone, self._last[0] + (whole - done) * seconds / epochs)

    def check(self, gone: float, seconds: float) -> None:
        """Refuses a training that will not be done in time.

        Args:
            gone: seconds so far.
            seconds: that it may take.

        Raises:
            TooSlowError: it takes more.
        """
        if gone - self._looked < _EVERY:
            return
        self._looked, projected = gone, self.project(gone)
        if projected is not None and projected > seconds:
            raise TooSlowError(gone, projected)

    def watch(self, tick: Callable[[float], None], seconds: float) -> Callable[[float], None]:
        """Returns a tick that does what another does, and `check`."""

        def both(gone: float) -> None:
            tick(gone)
            self.check(gone, seconds)

        return both

    def _is_one_fold(self, counts: dict[Path, float]) -> bool:
        """Whether one fold was in the middle of its epochs at the first look, and it alone has gone on since."""
        begun = self._first[1] if self._first else {}
        under_way = [fold for fold, count in begun.items() if 0 < count < self._epochs]
        return (
            under_way == [fold for fold, count in counts.items() if count > begun.get(fold, 0)] and len(under_way) == 1
        )

    def _count_epochs(self) -> tuple[dict[Path, float], float]:
        """Counts the epochs done by fold, and all, under the settings trained: those of which a file has changed."""
        changed = {file.parent.parent for file, _ in read_changes(self._work, self._model) - self._begun}
        folds = sorted(fold for folder in changed for fold in folder.glob("fold*") if fold.is_dir())
        return {fold: self._count_of(fold) for fold in folds}, len(changed) * self._folds * self._epochs

    def _count_of(self, fold: Path) -> float:
        if (fold / "done.json").is_file():
            return self._epochs
        states = [progress for path in list_states(fold) if (progress := read_progress(path)) is not None]
        return max((min(max(each.epoch - self._before, 0), self._epochs) for each in states), default=0)


def read_changes(work: Path, model: str) -> FoldFiles:
    """Reads which files of a model's folds are done or under way, and when each was written, in nanoseconds.

    Files of any fingerprint count: what was written since is of the present one, which only a backend knows.

    Args:
        work: folder of trainings.
        model: any.
    """
    name = find_fold_folder(work, model, "?" * 16, 0).parent.name
    found = set()
    for file in (file for kind in ("done.json", "state-*.npz") for file in work.glob(f"{name}/fold*/{kind}")):
        with suppress(FileNotFoundError):  # replaced just now
            found.add((file, file.stat().st_mtime_ns))
    return frozenset(found)
