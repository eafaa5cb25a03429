"""Room for libraries: memory and threads that they take as they start, looked for before they are imported.

Where it is missing they end the process in words of their own, or never, and raise nothing. OpenBLAS sends its own
process Ctrl-C for a thread that cannot be started, and waits for that thread for ever where Ctrl-C is switched off; for
a buffer that finds no room it tries without end. TensorFlow, LLVM and OpenMP abort.

Reference: https://github.com/OpenMathLib/OpenBLAS (``driver/others/blas_server.c``, ``driver/others/memory.c``)
"""

import mmap
import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.core.errors import ElsewhereError

_MIB = 2**20
# Address space in MiB, with one thread, measured (numpy 2.4, scipy 1.17, opencv 4.12: 83, 94, 170) and a fifth more.
_NEEDS = {"numpy": 100, "scipy": 112, "cv2": 204}
# What loads an OpenBLAS: these parts of scipy (1.17), by `readelf -d` of its libraries, and not `scipy` itself.
_PARTS = ("linalg", "special", "optimize", "integrate", "interpolate", "sparse.linalg", "odr")
_LOADERS = {"numpy": "numpy", "cv2": "cv2"} | {f"scipy.{part}": "scipy" for part in _PARTS}
_ARROW = 16 * _MIB
_FOR_A_THREAD = 48  # MiB: 40 were measured for the second one, of which 8 are its stack; with opencv 136
_MOST_THREADS = 64  # that OpenBLAS is built for, in all three
_USUAL_STACK, _SMALL_STACK = 2 * _MIB, _MIB // 8  # bytes: glibc's where no limit is set; enough to wait in
_ROOM_OF_STRUCT = 128  # bytes: more than a semaphore (32) or the attributes of a thread (56) take on any machine
FIX = "end other programs, or run it where there is more"
_SETTING, _ARROW_SETTING = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"  # OpenBLAS reads the second where it lacks its own


def watch_imports() -> None:
    """Looks for room before each library that brings an OpenBLAS of its own is imported, in this process."""
    if not any(isinstance(each, _Look) for each in sys.meta_path):
        sys.meta_path.insert(0, _Look())


class WatchedProcess(SpawnProcess):
    """A process that looks for room before its target and arguments import libraries: it inherits no such look."""

    def __reduce__(self) -> tuple[Callable[[], SpawnProcess], tuple[()], dict[str, Any]]:
        """Lets the started process look before it reads the attributes of this one, target and arguments among them."""
        return _make_watched, (), self.__dict__


def _make_watched() -> SpawnProcess:
    watch_imports()
    return WatchedProcess.__new__(WatchedProcess)


def require_threads_of_verb() -> None:
    """Refuses to begin a verb where OpenBLAS, Arrow and our own look at DVC could not start their threads.

    Of six on two cores Arrow hung, or raised an error of its own; of eight all verbs without a network were done.

    Raises:
        ElsewhereError: this process may not start eight, and those of Arrow.
    """
    fewer = f", or set {_ARROW_SETTING}=1, for fewer of Arrow's" if _count_arrow_threads() > 1 else ""
    require_threads("python -m pipeline", _count_threads_of_verb(), fewer)


def require_threads(name: str, count: int, other_fix: str = "") -> None:
    """Refuses to begin what a library would abort.

    Args:
        name: of what would begin.
        count: of threads that it starts.
        other_fix: what else would help, as the end of the line.

    Raises:
        ElsewhereError: this process may not start so many more.
    """
    if not can_start(count):
        raise ElsewhereError(
            f"{name}: {count} threads could not be started, for want of memory or by a limit on processes; {FIX}, or "
            f"raise the limit (`ulimit -u`, `ulimit -v`, or the container's){other_fix}"
        )


def count_cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _count_threads_of_verb() -> int:
    return 8 + _count_arrow_threads()


def _count_arrow_threads() -> int:
    """Counts the threads that Arrow computes with: more than there are cores, too, where its setting says so.

    Like OpenBLAS it asks nothing but the setting and the cores: a container's share of their time lowers neither.

    Source: https://arrow.apache.org/docs/cpp/env_vars.html
    """
    return _read_setting(_ARROW_SETTING) or count_cores()


def _count_openblas_threads() -> int:
    setting = _read_setting(_SETTING) or _read_setting(_ARROW_SETTING) or _MOST_THREADS
    return min(setting, count_cores(), _MOST_THREADS)


def _read_setting(name: str) -> int:
    """Reads a number of threads; of a list, one for each level, the first; 0 where there is none."""
    first = os.environ.get(name, "").partition(",")[0].strip()
    return int(first) if first.isdecimal() else 0


def can_start(count: int) -> bool:
    """Says whether so many threads can be there at once, by starting and ending them: 0.02 ms each, 5 ms the first.

    They wait in the system's own library and take no memory of their own: each that runs Python would leave an arena
    of 64 MiB of address space behind, which the imports that follow would miss. The room of their stacks is looked for
    at once. Elsewhere than on Linux limits hold for whole processes, and nothing is looked for.

    Source: https://sourceware.org/glibc/wiki/MallocInternals (arenas)
    """
    if sys.platform != "linux":
        return True
    import ctypes
    import resource

    stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
    stack = _USUAL_STACK if stack == resource.RLIM_INFINITY else stack
    if count and not is_given(min(count * stack, sys.maxsize)):
        return False
    system = ctypes.CDLL(None)
    over, form = ctypes.create_string_buffer(_ROOM_OF_STRUCT), ctypes.create_string_buffer(_ROOM_OF_STRUCT)
    system.sem_init(over, 0, 0)
    system.pthread_attr_init(form)
    system.pthread_attr_setstacksize(form, ctypes.c_size_t(_SMALL_STACK))
    started = [ctypes.c_ulong() for _ in range(count)]
    for place, thread in enumerate(started):
        if system.pthread_create(ctypes.byref(thread), form, system.sem_wait, over):
            del started[place:]
            break
    for _ in started:
        system.sem_post(over)
    for thread in started:
        system.pthread_join(thread, None)
    return len(started) == count


def is_given(size: int) -> bool:
    """Says whether the machine gives this process so many bytes."""
    try:
        mmap.mmap(-1, size).close()
    except (OSError, MemoryError):
        return False
    return True


def require_room_of_arrow(path: Path) -> None:
    """Looks for what Arrow needs to read or write a small table: with 0.8 and 1.8 MiB it ended the process.

    Raises:
        MemoryError: the machine gives this process less than 16 MiB.
    """
    if not is_given(_ARROW):
        raise MemoryError(f"{path}: Arrow needs {_ARROW // _MIB} MiB")


class _Look(MetaPathFinder):
    """Finds nothing itself: what is imported is found as ever, once there is room for it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        library = _LOADERS.get(fullname)
        if library and not any(other in sys.modules for other, each in _LOADERS.items() if each == library):
            _make_room(library)
        return None


def _make_room(name: str) -> None:
    """Lets the OpenBLAS of a library start no threads where these find no room, or leave none for Arrow's.

    Raises:
        MemoryError: nor does the library by itself.
    """
    needs, threads = _NEEDS[name], _count_openblas_threads() - 1
    fits = is_given((needs + threads * _FOR_A_THREAD) * _MIB)
    if threads and not (fits and can_start(threads + _count_threads_of_verb())):
        os.environ[_SETTING] = "1"
    if not is_given(needs * _MIB):
        raise MemoryError(f"{name} takes {needs} MiB to start")
