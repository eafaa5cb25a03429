"""Prefetching: items made a few ahead by threads, and handed out in order."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from pipeline.core.errors import InputError

Made = TypeVar("Made")


class Prefetcher(Generic[Made]):
    """What ``make`` returns for each number, in order, made a few ahead by threads.

    ``close`` ends the threads at once: whoever still holds the iterator (tf.data does, after an early stop) finds its
    end.

    Attributes:
        failed: what the user gave that an item could not be made of.
    """

    def __init__(self, make: Callable[[int], Made], numbers: range, workers: int) -> None:
        """Starts nothing yet: threads begin with the first item."""
        self._make, self._numbers = make, iter(numbers)
        self._most = 2 * workers + 2
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="loader")
        self._waiting: deque[Future[Made]] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self.failed: InputError | None = None

    def __iter__(self) -> Iterator[Made]:
        """Yields the items; Keras wants a generator, so this is one."""
        while (made := self._next()) is not None:
            yield made

    def close(self) -> None:
        """Drops what is not made yet and waits for the threads."""
        with self._lock:
            self._closed = True
            self._pool.shutdown(cancel_futures=True)

    def _next(self) -> Made | None:
        with self._lock:
            if self._closed:
                return None
            while len(self._waiting) < self._most and (number := next(self._numbers, None)) is not None:
                self._waiting.append(self._pool.submit(self._make, number))
            try:
                return self._waiting.popleft().result() if self._waiting else None
            except InputError as error:
                self.failed = error
                raise


def default_workers() -> int:
    """Returns how many threads make batches: half of the cores, as the network computes on all of them."""
    return max(1, min(8, (os.cpu_count() or 1) // 2))
