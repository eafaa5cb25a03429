"""Memory that runs out, known by whatever name a library gives it, so that nothing else is blamed for it.

Python, NumPy and pandas raise `MemoryError`; the loader of libraries an `ImportError`, TensorFlow and oneDNN errors of
their own, pydantic a `SystemError` without a word, and some C++ code aborts the process. Where the words leave it
open, a look at what the machine still gives decides.
"""

import ctypes
import errno
import mmap
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.core.errors import InputError, one_line

_ROOM = 64 * 2**20  # bytes: where even these are refused, an error of any kind is for want of memory
_WORDS = (
    *("cannot allocate memory", "failed to map segment", "bad_alloc", "resource_exhausted", "unable to allocate"),
    *("out of memory", "out_of_memory", "insufficient memory", "cannot enlarge memory", "memoryerror"),
)
_FIX = "end other programs, or run it where there is more"
_ABORTED = f"error: memory ran out in a library that ends the process; {_FIX}\n".encode()
_handlers: list[object] = []  # of C: they must live as long as the process


def is_out_of_memory(error: Exception) -> bool:
    """Says whether an error, or one that it came from, is for want of memory."""
    return any(_names_memory(each) for each in _list_causes(error)) or not has_room()


def describe_lack(error: Exception) -> str:
    """Returns the one line about memory that ran out, with the words of the library's error."""
    words = one_line(error)
    return f"memory ran out{f' ({words})' if words else ''}; {_FIX}"


def has_room() -> bool:
    """Says whether the machine still gives this process a little memory."""
    try:
        mmap.mmap(-1, _ROOM).close()
    except (OSError, MemoryError):
        return False
    return True


def explain_unread(path: Path, error: Exception, damage: str, fix: str) -> InputError:
    """Returns the error about a kept file that a library could not read.

    Args:
        path: of the file.
        error: of the library.
        damage: says of the file that it is damaged.
        fix: says how to get it again.
    """
    if is_out_of_memory(error):
        return InputError(
            f"memory ran out while {path} was read ({one_line(error)}); end other programs, or, where there is enough, "
            f"{fix}"
        )
    return InputError(f"{path} {damage} ({one_line(error)}); {fix}")


def explain_aborts() -> None:
    """Lets a library that aborts this process for want of memory end it in one line and exit code 1.

    C++ code ends so in a thread of its own, where no exception reaches Python: oneDNN does. An abort with memory to
    spare stays what it is.
    """
    if sys.platform == "win32":
        return

    def end(number: int) -> None:
        if not has_room():
            os.write(2, _ABORTED)
            os._exit(1)

    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(end)
    _handlers.append(handler)
    ctypes.CDLL(None).signal(int(signal.SIGABRT), handler)


def _names_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    words = str(error).lower()
    return any(each in words for each in _WORDS)


def _list_causes(error: Exception) -> Iterator[BaseException]:
    cause: BaseException | None = error
    for _ in range(20):  # errors may stand in a circle
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
