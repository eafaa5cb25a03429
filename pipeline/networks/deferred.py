"""Keras, imported when something of it is first used: recipes are read and folds are gathered without a backend.

A module that names Keras in annotations alone says ``from __future__ import annotations``; one that derives classes of
its own from Keras's starts the backend when it is imported, and so is imported where networks are built.
"""

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline.core.memory import keep_objects, spare_old_objects
from pipeline.networks.processor import explain_backend, require_backend_threads, require_trainable_backend
from pipeline.networks.quiet_start import hide_retracing, hide_unused, swallow_greeting

_started = list[None]()
_waiting = list[Callable[[], None]]()


class DeferredModule:
    """A module of Keras that is imported when something of it is first asked for."""

    def __init__(self, name: str) -> None:
        """Takes its dotted name."""
        self._name = name

    def __getattr__(self, name: str) -> Any:
        """Returns what the module has.

        Raises:
            InputError: the backend only predicts, or cannot be imported.
            ElsewhereError: this process may not start as many threads as the backend does.
        """
        if not _started:
            _start_keras()
        return getattr(importlib.import_module(self._name), name)


def when_started(set_up: Callable[[], None]) -> None:
    """Sets Keras up at once where it has started, and as it starts otherwise; what came last before that counts."""
    _waiting[:] = [set_up]
    if _started:
        set_up()


def _start_keras() -> None:
    require_trainable_backend()
    require_backend_threads()
    spare_old_objects()
    with swallow_greeting(), hide_unused():
        try:
            importlib.import_module("keras")
        except (ImportError, ValueError) as missing:
            raise explain_backend(missing) from missing
    keep_objects()
    hide_retracing()
    _started.append(None)
    for set_up in _waiting:
        set_up()


if TYPE_CHECKING:
    import keras as keras
    from keras import layers as layers
    from keras import ops as ops
else:
    keras, layers, ops = (DeferredModule(name) for name in ("keras", "keras.layers", "keras.ops"))
