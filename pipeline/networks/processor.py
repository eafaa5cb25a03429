"""The processor, precisions and the backend: as far as the system and the settings give them away; starts nothing."""

import json
import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Literal

from pipeline.core.errors import InputError, one_line
from pipeline.core.room import count_cores, require_threads

# What backends read as they are imported, and fingerprints hold.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
# By itself TensorFlow leaves oneDNN off on CPUs without AVX-512 VNNI, and trains 1.3 to 1.6 times as slowly.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

Precision = Literal["auto", "float32", "bfloat16", "float16"]
USUAL = "tensorflow"  # the backend that all figures are of
_DEVICES = ("nvidia*", "kfd", "dxg", "dri", "xpu*")  # of NVIDIA, AMD, of Windows below Linux, and of any graphics
_WITHOUT_GRADIENTS = ("numpy", "openvino")


def read_cpu_info(key: str) -> str:
    """Returns the first entry of this key in Linux's list of processors; empty elsewhere."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def may_have_gpus() -> bool:
    """Says whether the system shows any device that could be a GPU; one that TensorFlow cannot use counts as well."""
    if sys.platform != "linux":
        return True
    return any(any(Path("/dev").glob(name)) for name in _DEVICES)


def name_processor() -> str:
    """Names the processor, with the number of cores that this process may use."""
    return f"{read_cpu_info('model name') or platform.processor()} x{count_cores()}"


def read_backend() -> str:
    """Reads which backend Keras takes, and starts none: of ``KERAS_BACKEND``, else of Keras's own file.

    Reference: https://keras.io/getting_started/#configuring-your-backend
    """
    return os.environ.get("KERAS_BACKEND") or str(_read_settings().get("backend") or USUAL)


def require_trainable_backend() -> None:
    """Refuses a backend without gradients.

    Raises:
        InputError: it is one that only predicts.
    """
    if (name := read_backend()) in _WITHOUT_GRADIENTS:
        raise InputError(f"{_place_backend()} is {name!r}, which trains no network; {_fix_backend('name tensorflow')}")


def require_backend_threads() -> None:
    """Refuses to start a backend that would abort this process as it starts its threads.

    On one core 9 are started to train a network, on two 15 (TensorFlow 2.21): beside three, six for each core.

    Raises:
        ElsewhereError: this process may not start so many more.
    """
    require_threads(read_backend(), 3 + 6 * count_cores())


@cache
def announce_backend() -> None:
    """Names a backend other than `USUAL` on standard error, once in a process: it trains other weights."""
    if (name := read_backend()) != USUAL:
        print(f"Keras computes on {name}, not on {USUAL} ({_place_backend()})", file=sys.stderr, flush=True)


def explain_backend(missing: Exception) -> InputError:
    """Makes the error that names a backend which cannot be imported."""
    return InputError(
        f"{_place_backend()} is {read_backend()!r}, which cannot be imported ({one_line(missing)}); "
        f"{_fix_backend('install that backend')}"
    )


def _place_backend() -> str:
    """Names where the backend is chosen."""
    if os.environ.get("KERAS_BACKEND"):
        return "KERAS_BACKEND"
    return f"`backend` in {_settings_path()}" if "backend" in _read_settings() else "the usual backend of Keras"


def _fix_backend(other: str) -> str:
    return f"unset it, or {other}" if os.environ.get("KERAS_BACKEND") else f"set KERAS_BACKEND={USUAL}, or {other}"


def _settings_path() -> Path:
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "keras.json"


def _read_settings() -> dict[str, object]:
    """Reads Keras's own file as Keras does, which takes a file that it cannot read for an empty one."""
    try:
        known = json.loads(_settings_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
