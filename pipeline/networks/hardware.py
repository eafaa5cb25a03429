"""Hardware, versions and settings: the facts about the machine that change the bits of a result."""

import importlib
import importlib.metadata
import os
import platform

from pipeline.networks.processor import name_processor
from pipeline.networks.runtime import keras, list_gpus

# Each changes how sums are split or rounded.
_SETTINGS = ("TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "XLA_FLAGS", "NVIDIA_TF32_OVERRIDE")


def name_hardware() -> str:
    """Names what computes: all GPUs, or else the CPU."""
    gpus = list_gpus()
    return "gpu " + ", ".join(name for name, _ in gpus) if gpus else f"cpu {name_processor()}"


def count_gpus() -> int:
    """Counts the GPUs that the backend sees."""
    return len(list_gpus())


def read_numeric_settings() -> dict[str, str]:
    """Returns those environment variables of `_SETTINGS` that are set."""
    return {name: os.environ[name] for name in _SETTINGS if name in os.environ}


def read_versions() -> dict[str, str]:
    """Returns the version of every library that can change a trained weight or a prediction, and Python's."""
    names = ["keras", "keras-hub", "numpy", "scipy", "scikit-learn", "scikit-image"]
    names += ["albumentations", "albucore", "opencv-python-headless"]
    versions = {name: importlib.metadata.version(name) for name in names}
    backend = keras.backend.backend()
    # tensorflow and tensorflow-cpu install the same module under two distribution names.
    versions[backend] = str(importlib.import_module(backend).__version__)
    return versions | {"python": platform.python_version()}
