"""Hardware, versions and settings: the facts about the machine that change the bits of a result.

The backend starts with the first function that needs it, not with this module.
"""

import importlib
import importlib.metadata
import os
import platform
from contextlib import suppress
from functools import cache

from pipeline.networks.processor import name_processor, read_backend

# Each changes how sums are split or rounded; OpenMP's threads do not on TensorFlow, which has a pool of its own.
_SETTINGS = ("TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS", "XLA_FLAGS", "NVIDIA_TF32_OVERRIDE")
_OPENMP = "OMP_NUM_THREADS"


def name_hardware() -> str:
    """Names what computes: all GPUs, or else the CPU."""
    from pipeline.networks.runtime import list_gpus

    gpus = list_gpus()
    return "gpu " + ", ".join(name for name, _ in gpus) if gpus else f"cpu {name_processor()}"


def name_array_hardware() -> str:
    """Names what computes on arrays alone: the CPU; starts no backend."""
    return f"cpu {name_processor()}"


def count_gpus() -> int:
    """Counts the GPUs that the backend sees."""
    from pipeline.networks.runtime import list_gpus

    return len(list_gpus())


def read_numeric_settings() -> dict[str, str]:
    """Returns those environment variables that are set and change bits on this backend."""
    names = _SETTINGS if read_backend() == "tensorflow" else (*_SETTINGS, _OPENMP)
    return {name: os.environ[name] for name in names if name in os.environ}


def read_versions() -> dict[str, str]:
    """Returns the version of every library that can change a trained weight or a prediction, and Python's."""
    names = ["keras", "keras-hub", "scikit-image", "albumentations", "albucore", "opencv-python-headless"]
    versions = {name: _read_version(name) for name in names} | read_numeric_versions()
    backend = read_backend()
    versions[backend] = _read_backend_version(backend)
    return versions


def read_numeric_versions() -> dict[str, str]:
    """Returns the versions of Python and of what computes on arrays alone, no backend among it."""
    versions = {name: _read_version(name) for name in ("numpy", "scipy", "scikit-learn")}
    return versions | {"python": platform.python_version()}


@cache
def _read_backend_version(backend: str) -> str:
    """Reads it off the distribution, and asks the backend itself, which starts it, where no such one is known."""
    for name in (backend, f"{backend}-cpu"):  # which install the same module
        with suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    from pipeline.networks.runtime import keras  # sets first what the backend reads as it is imported

    return str(importlib.import_module(keras.backend.backend()).__version__)


@cache
def _read_version(distribution: str) -> str:
    """Reads a file of the distribution, which takes 2 ms, and each fold, trial and page asks for nine of them."""
    return importlib.metadata.version(distribution)
