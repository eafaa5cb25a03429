"""The processor: its name, cores and instruction sets, as far as the system gives them away; precisions."""

import os
import platform
from pathlib import Path
from typing import Literal

from pipeline.core.errors import InputError, one_line

Precision = Literal["auto", "float32", "bfloat16", "float16"]


def read_cpu_info(key: str) -> str:
    """Returns the first entry of this key in Linux's list of processors; empty elsewhere."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def name_processor() -> str:
    """Names the processor, with the number of cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{read_cpu_info('model name') or platform.processor()} x{cores}"


def explain_backend(missing: Exception) -> InputError:
    """Makes the error that names a backend which cannot be imported."""
    name = os.environ.get("KERAS_BACKEND", "that of ~/.keras/keras.json")
    return InputError(
        f"KERAS_BACKEND is {name!r}, which cannot be imported ({one_line(missing)}); unset it, or install that backend"
    )
