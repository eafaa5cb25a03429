"""Memory that runs out, known by whatever name a library gives it; and which objects are searched for garbage.

Python, NumPy and pandas raise `MemoryError`; the loader of libraries an `ImportError`, TensorFlow and oneDNN errors of
their own, pydantic a `SystemError` without a word. Where the words leave it open, a look at what the machine still
gives decides. C++ and Rust code that aborts the process leaves nobody to ask: its own words stand, and whoever started
the process explains signal 6.
"""

import errno
import gc
from collections.abc import Iterator
from pathlib import Path

from pipeline.core.errors import InputError, one_line
from pipeline.core.room import FIX, is_given

_ROOM = 64 * 2**20  # bytes: where even these are refused, an error of any kind is for want of memory
_USUAL, _NEVER = 10, 1_000_000  # searches of younger objects before one of old ones; 10 is Python's own
_WORDS = (
    *("cannot allocate memory", "failed to map segment", "bad_alloc", "resource_exhausted", "unable to allocate"),
    *("out of memory", "out_of_memory", "insufficient memory", "cannot enlarge memory", "memoryerror"),
)


def spare_old_objects() -> None:
    """Searches objects that have been there for a while for garbage no more; young ones as ever.

    While libraries are imported, each such search goes over all modules there are, of which none ever goes: of the CPU
    time of `import pipeline.networks.runtime` that was a sixth, of `import pipeline.stages.ensemble` about a tenth.
    """
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _NEVER)


def keep_objects() -> None:
    """Takes all that is there for what stays, and searches what comes after it as Python does by itself."""
    young, middle, _ = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(young, middle, _USUAL)


def is_out_of_memory(error: Exception) -> bool:
    """Says whether an error, or one that it came from, is for want of memory."""
    return any(_names_memory(each) for each in _list_causes(error)) or not has_room()


def describe_lack(error: Exception) -> str:
    """Returns the one line about memory that ran out, with the words of the library's error."""
    words = one_line(error)
    return f"memory ran out{f' ({words})' if words else ''}; {FIX}"


def has_room() -> bool:
    """Says whether the machine still gives this process a little memory."""
    return is_given(_ROOM)


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
