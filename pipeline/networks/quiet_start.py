"""A start of Keras that says nothing and takes no more than it needs."""

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast

from pipeline.networks.processor import read_backend

_GREETING = re.compile(rb"All log messages before absl::InitializeLog|oneDNN custom operations are on")
_UNUSED = ("matplotlib", "pandas", "sklearn")


@contextmanager
def swallow_greeting() -> Iterator[None]:
    """Keeps TensorFlow's greeting off stderr and passes all else on.

    TF 2.21 prints it from C++ before it reads any log level, so no environment variable reaches it.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            caught.seek(0)
            os.write(2, b"".join(line for line in caught if not _GREETING.search(line)))
            os.close(stderr)


@contextmanager
def hide_unused() -> Iterator[None]:
    """Lets imports of some packages fail for a while, where they are not loaded yet.

    Keras and TensorFlow import them where they find them, for parts that nothing here uses: wrappers for scikit-learn,
    galleries, data frames as inputs, TensorFlow Lite's converter of JAX. That is a third of what their start costs.
    Another thread that imports one of them meanwhile fails: no thread may be started before the backend is.
    """
    names = _UNUSED if read_backend() == "jax" else (*_UNUSED, "jax")
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent, cast(ModuleType, None)))  # which an import takes for a package not there
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def hide_retracing() -> None:
    """Keeps quiet about networks that are built anew, fold by fold and trial by trial, and so traced anew."""
    logging.getLogger("tensorflow").addFilter(
        lambda record: "triggered tf.function retracing" not in record.getMessage()
    )
