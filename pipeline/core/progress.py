"""Progress of long work: one live line on a terminal, a sparse line elsewhere and from processes beside others."""

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SECONDS = 15.0


@contextmanager
def progress(words: str, total: int) -> Iterator[Callable[[int], None]]:
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
    done, told = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, told
        done += count
        if time.monotonic() - told >= _SECONDS:
            told = time.monotonic()
            print(f"{words}: {done:,} of {total:,}", file=sys.stderr, flush=True)

    yield advance
