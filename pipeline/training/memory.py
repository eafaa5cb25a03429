"""Trainings that run out of memory: all folds begin again with half as many images a step."""

import gc
from collections.abc import Callable
from typing import TypeVar

from pipeline.core.errors import NoRoomError

Result = TypeVar("Result")


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
