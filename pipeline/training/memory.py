"""Trainings that run out of memory: not begun where libraries would abort them, else begun again with half batches."""

import gc
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from pipeline.core.errors import ElsewhereError, NoRoomError
from pipeline.core.room import FIX, is_given

Result = TypeVar("Result")
# Bytes: with 14 MiB oneDNN aborted the smallest of networks; for its first product of matrices OpenBLAS takes 32 MiB.
_LEAST = 48 * 2**20


def require_room(name: str) -> None:
    """Refuses to begin what a library would abort in words of its own: oneDNN and OpenBLAS do.

    OpenBLAS takes its memory here, and keeps it: it ends the process where it finds none later.

    Args:
        name: of what would begin.

    Raises:
        ElsewhereError: the machine gives this process less than 48 MiB.
    """
    if not is_given(_LEAST):
        raise ElsewhereError(
            f"{name}: memory ran out before it began (less than {_LEAST // 2**20} MiB are left); {FIX}"
        )
    np.matmul(np.eye(2), np.eye(2))


def retry_with_half_batches(train: Callable[[], Result]) -> Result:
    """Trains all folds; where memory runs out, all begin again, as equal folds need equal batch sizes.

    The smaller batch size is not passed on: `make_trainable` reads it in .work/probing, where the failed training has
    left it.

    Raises:
        NoRoomError: memory is too small for a single image.
    """
    while True:
        try:
            return train()
        except NoRoomError as error:
            if error.batch_size == 1:
                raise
            reason, size = str(error).partition(";")[0], error.batch_size // 2
            print(f"{reason}; all folds begin again with {size} (remembered in .work/probing)", flush=True)
        gc.collect()  # the failed network's memory is needed by the next
