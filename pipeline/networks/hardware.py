"""Hardware, versions and settings: the facts about the machine that change the bits of a result.

The backend starts with the first function that needs it, not with this module.
"""

import importlib
import importlib.metadata
import os
import platform
from functools import cache

from pipeline.networks.processor import name_processor

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
    from pipeline.networks.runtime import keras

    names = _SETTINGS if keras.backend.backend() == "tensorflow" else (*_SETTINGS, _OPENMP)
    return {name: os.environ[name] for name in names if name in os.environ}


def read_versions() -> dict[str, str]:
    """Returns the version of every library that can change a trained weight or a prediction, and Python's."""
    from pipeline.networks.runtime import keras

    names = ["keras", "keras-hub", "scikit-image", "albumentations", "albucore", "opencv-python-headless"]
    versions = {name: _read_version(name) for name in names} | read_numeric_versions()
    backend = keras.backend.backend()
    # tensorflow and tensorflow-cpu install the same module under two distribution names.
    versions[backend] = str(importlib.import_module(backend).__version__)
    return versions


def read_numeric_versions() -> dict[str, str]:
    """Returns the versions of Python and of what computes on arrays alone, no backend among it."""
    versions = {name: _read_version(name) for name in ("numpy", "scipy", "scikit-learn")}
    return versions | {"python": platform.python_version()}


@cache
def _read_version(distribution: str) -> str:
    """Reads a file of the distribution, which takes 2 ms, and each fold, trial and page asks for nine of them."""
    return importlib.metadata.version(distribution)
