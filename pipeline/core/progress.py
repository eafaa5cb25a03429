"""Progress of long work: one live line on a terminal, a sparse line elsewhere and from processes beside others.

`track_progress` counts items; `EpochLine` is that of a training, with loss, score, images per second and time left.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SECONDS = 15.0  # between two sparse lines
_COLUMNS = 80  # of a terminal: a line of an epoch is no wider, but for long names


@contextmanager
def track_progress(words: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yields a function that takes the number of items just done."""
    if sys.stderr.isatty() and multiprocessing.parent_process() is None:  # two live lines would overwrite each other
        yield from _live(words, total)
    else:
        yield from _sparse(words, total)


def _live(words: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(words), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(words, total=total)
        yield lambda count: bar.advance(task, count)


def _sparse(words: str, total: int) -> Iterator[Callable[[int], None]]:
    done, printed = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, printed
        done += count
        if time.monotonic() - printed >= _SECONDS:
            printed = time.monotonic()
            print(f"{words}: {done:,} of {total:,}", file=sys.stderr, flush=True)

    yield advance


class EpochLine:
    """Rewrites one terminal line while an epoch runs; without a terminal prints one line per finished epoch."""

    def __init__(self, title: str, epochs: int, steps: int, batch_size: int) -> None:
        """Takes what stays the same in all lines."""
        self._title, self._epochs, self._steps, self._batch_size = title, epochs, steps, batch_size
        self._live = sys.stdout.isatty()
        self._began = self._written = 0.0
        self._epoch = 0
        self._spent: list[float] = []

    def start(self, epoch: int) -> None:
        """Begins an epoch, counted from zero."""
        self._epoch = epoch
        self._began = time.perf_counter()

    def step(self, step: int) -> None:
        """Shows how far the epoch is, a few times a second at most."""
        now = time.perf_counter()
        if not self._live or now - self._written < 0.2:
            return
        self._written = now
        rate = (step + 1) * self._batch_size / max(now - self._began, 1e-9)
        sys.stdout.write(f"\r\x1b[K{self._head()} {(step + 1) / self._steps:4.0%} {rate:,.0f} images/s")
        sys.stdout.flush()

    def finish(self, loss: float, score_name: str, score: float | None, rate: float) -> float:
        """Ends an epoch with its final line and returns its seconds, validation included."""
        seconds = time.perf_counter() - self._began
        self._spent.append(seconds)
        left = sum(self._spent) / len(self._spent) * (self._epochs - self._epoch - 1)
        speed = self._steps * self._batch_size / max(seconds, 1e-9)
        scored = "" if score is None else f" {score_name} {score:.4f}"
        start = "\r\x1b[K" if self._live else ""
        line = f"{self._head()} loss {loss:.4f}{scored} {_clock(left)} left"
        line = line if len(line) <= _COLUMNS else line.replace(" epoch ", " ", 1)
        for more in (f" lr {rate:.1e}", f" {speed:,.0f} images/s"):  # the most useful first, as far as they fit
            line += more if len(line + more) <= _COLUMNS else ""
        sys.stdout.write(f"{start}{line}\n")
        sys.stdout.flush()
        return seconds

    def _head(self) -> str:
        return f"{self._title} epoch {self._epoch + 1}/{self._epochs}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
