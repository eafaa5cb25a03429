"""One thread for linear algebra, so that sums are split in one way whatever the machine."""

import sys
from contextlib import AbstractContextManager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


def limit_threads() -> AbstractContextManager[object]:
    """Keeps BLAS and OpenMP to one thread within a ``with``; what they had before is theirs again after it.

    The libraries are looked for again only after something was imported: in a process with TensorFlow hundreds are
    loaded, and looking through them takes 9 ms, more than a small fit does.

    Source: https://github.com/joblib/threadpoolctl
    """
    limiter: AbstractContextManager[object] = _find_libraries(len(sys.modules)).limit(limits=1)
    return limiter


@lru_cache(maxsize=1)
def _find_libraries(imported: int) -> ThreadpoolController:
    return ThreadpoolController()
