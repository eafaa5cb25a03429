"""The runtime: seeds, determinism, precision and devices; the only module that knows the backend below Keras.

All that builds or runs networks takes Keras from here, which starts the backend when it is first used (`deferred`): the
environment that TensorFlow reads at import time is set first, whatever the order of imports.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memory import is_out_of_memory
from pipeline.networks.deferred import keras as keras
from pipeline.networks.deferred import layers as layers
from pipeline.networks.deferred import ops as ops
from pipeline.networks.deferred import when_started
from pipeline.networks.processor import Precision as Precision
from pipeline.networks.processor import (
    announce_backend,
    may_have_gpus,
    read_backend,
    read_cpu_info,
    require_trainable_backend,
)

_MOST_CONSTANTS = 15_000_000  # weights in a graph: 600 MB of memory
_in_use = ["float32"]
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def start_backend(precision: Precision) -> str:
    """Makes every later Keras operation deterministic and sets the precision; names a backend that is not the usual.

    Keras itself starts with the first of these operations.

    Returns:
        The precision in use: ``auto`` resolved to bfloat16 where the CPU or GPU computes in it, to float16 on GPUs that
        have tensor cores for that alone (Volta and Turing, such as the T4), to float32 otherwise.
    """
    require_trainable_backend()
    announce_backend()
    resolved = _best_precision() if precision == "auto" else precision
    _in_use[:] = [resolved]
    when_started(partial(_set_up, resolved))
    return resolved


def name_policy() -> str:
    """Names the precision that `start_backend` set last, as Keras calls it."""
    return _POLICIES[_in_use[0]]


def _set_up(precision: str) -> None:
    forget_names()
    if keras.backend.backend() == "tensorflow":
        importlib.import_module("tensorflow").config.experimental.enable_op_determinism()
    # Not what ~/.keras/keras.json says: the networks are written for these.
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.mixed_precision.set_global_policy(_POLICIES[precision])


def forget_names() -> None:
    """Lets the numbers in layers' names, which checkpoints hold, begin anew; the precision stays."""
    policy = keras.mixed_precision.global_policy()
    keras.utils.clear_session(free_memory=False)  # forgets the policy, too
    keras.mixed_precision.set_global_policy(policy)


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and the backend."""
    keras.utils.set_random_seed(seed)


def use_xla() -> bool:
    """Says whether to compile with XLA: off on a CPU, where TensorFlow gets three times as slow by it."""
    return keras.backend.backend() == "jax" or bool(list_gpus())


def get_memory_errors() -> tuple[type[Exception], ...]:
    """Returns the exceptions that a device without room raises, and others: `memory.is_out_of_memory` knows them."""
    if keras.backend.backend() == "tensorflow":
        return (importlib.import_module("tensorflow").errors.OpError, MemoryError)
    if keras.backend.backend() == "jax":
        return (importlib.import_module("jax").errors.JaxRuntimeError, MemoryError)
    return (MemoryError,)


def get_graph_errors() -> tuple[type[Exception], ...]:
    """Returns what the backend makes of an exception of ours in the middle of its own work; JAX leaves it alone."""
    if keras.backend.backend() == "tensorflow":
        return (importlib.import_module("tensorflow").errors.OpError,)
    return ()


def halve_to_fit(compute: Callable[[NDArray[Any]], Any]) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Makes a function compute a batch in halves, and these in halves, where the whole does not fit into memory."""
    most = 0

    def computed(batch: NDArray[Any]) -> NDArray[Any]:
        nonlocal most
        step = most or max(1, len(batch))
        while True:
            try:
                parts = [
                    np.asarray(compute(batch[start : start + step])) for start in range(0, max(1, len(batch)), step)
                ]
                return parts[0] if len(parts) == 1 else np.concatenate(parts)
            except get_memory_errors() as error:
                if step == 1 or not is_out_of_memory(error):
                    raise
                print(f"{step} images do not fit into memory; going on with {step // 2} at a time", flush=True)
                most = step = step // 2

    return computed


def compile_at_rest(model: keras.Model) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """Returns what computes a model at rest.

    In float32 on a CPU its weights, as they are then, are constants of TensorFlow's graph, which melts normalisations
    into convolutions: MobileNetV2 is 1.5 times as fast. Constants take ten times their weights in memory.
    """
    known = keras.backend.backend() == "tensorflow" and not list_gpus() and model.count_params() < _MOST_CONSTANTS
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, layers.BatchNormalization)]
    if not known or not norms or any(layer.compute_dtype != "float32" for layer in norms):
        return lambda batch: np.asarray(model.predict_on_batch(batch), dtype=np.float32)
    tf, traced = importlib.import_module("tensorflow"), list[Any]()

    def compute(batch: NDArray[Any]) -> NDArray[np.float32]:
        count = len(model.trainable_variables)
        weights = [each.numpy() for each in (*model.trainable_variables, *model.non_trainable_variables)]
        if not traced or not all(map(np.array_equal, traced[0], weights)):

            def run(images: Any) -> Any:
                constants = [tf.constant(each) for each in weights]
                return model.stateless_call(constants[:count], constants[count:], images, training=False)[0]

            shape = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
            traced[:] = weights, tf.function(run, [shape], autograph=False)
        return np.asarray(traced[1](np.asarray(batch, dtype=np.float32)))

    return compute


def make_feed(batches: Iterator[Any], shape: tuple[int, ...], dtype: str, n_classes: int) -> Any:
    """Makes batches of (inputs, targets) into what ``fit`` takes; one input is of this shape and dtype.

    Given the bare iterator, Keras would put tf.data's autotuned prefetch behind it, where trainings were seen to stand
    still for 40 s (1 of 126); our own threads are ahead already.
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    tf = importlib.import_module("tensorflow")
    signature = tf.TensorSpec((None, *shape), dtype), tf.TensorSpec((None, n_classes), tf.float32)
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    return tf.data.Dataset.from_generator(lambda: batches, output_signature=signature).with_options(options)


def compute_gradient(function: Callable[[Any], Any], at: NDArray[np.float32], weights: NDArray[np.float32]) -> Any:
    """Returns the gradient of ``sum(weights * function(at))`` by ``at``, as float32 of the shape of ``at``.

    Raises:
        NotImplementedError: the backend is neither TensorFlow nor JAX.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        tf = importlib.import_module("tensorflow")
        point = tf.convert_to_tensor(at)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(point)
            values = function(point)
        return tape.gradient(values, point, output_gradients=tf.cast(weights, values.dtype)).numpy()
    if backend == "jax":
        jax = importlib.import_module("jax")
        values, back = jax.vjp(function, jax.numpy.asarray(at))
        return np.asarray(back(jax.numpy.asarray(weights, values.dtype))[0])
    raise NotImplementedError(f"no gradients on {backend}")


def get_fused_batch_norm() -> Callable[[Any, Any, Any, float], tuple[Any, Any, Any]] | None:
    """Returns what normalises a batch in one pass, or None where Keras's own way is as fast or the only one.

    It takes images (batch, height, width, channels), scale, offset and epsilon, and returns the normalised images in
    their own precision, and mean and variance (with Bessel's correction) in float32.
    """
    if keras.backend.backend() != "tensorflow" or list_gpus():
        return None
    tf = importlib.import_module("tensorflow")

    def fused(images: Any, scale: Any, offset: Any, epsilon: float) -> tuple[Any, Any, Any]:
        parameters = (tf.convert_to_tensor(each, dtype=tf.float32) for each in (scale, offset))
        normalised: tuple[Any, Any, Any] = tf.compat.v1.nn.fused_batch_norm(images, *parameters, epsilon=epsilon)
        return normalised

    return fused


def make_tensor_spec(shape: tuple[int | None, ...], dtype: str) -> Any:
    """Returns TensorFlow's specification of an input of an exported model."""
    return importlib.import_module("tensorflow").TensorSpec(shape, dtype)


def choose_lite_settings(precision: Literal["float32", "float16", "int8"]) -> dict[str, Any]:
    """Returns what `model.export(format="litert")` takes for a precision; ``int8`` is that of the weights."""
    if precision == "float32":
        return {}
    tf = importlib.import_module("tensorflow")
    types = {"target_spec": {"supported_types": [tf.float16]}} if precision == "float16" else {}
    return {"optimizations": [tf.lite.Optimize.DEFAULT], **types}


def load_saved_model(path: Path) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Opens an exported SavedModel; returns the function from images to logits."""
    loaded = importlib.import_module("tensorflow").saved_model.load(path)
    return lambda pictures: np.asarray(loaded.serve(pictures), dtype=np.float32)


def list_gpus() -> list[tuple[str, tuple[int, ...]]]:
    """Returns the name and the compute capability of each GPU that the backend sees."""
    if read_backend() == "tensorflow" and not may_have_gpus():
        return []  # starts nothing
    backend: Any = importlib.import_module(keras.backend.backend())
    if backend.__name__ == "tensorflow":
        details = map(backend.config.experimental.get_device_details, backend.config.list_physical_devices("GPU"))
        return [(str(each.get("device_name", "unnamed")), each.get("compute_capability", (0, 0))) for each in details]
    if backend.__name__ == "jax":
        gpus = [device for device in backend.devices() if device.platform == "gpu"]
        return [(str(device.device_kind), _capability(device)) for device in gpus]
    return []


def _best_precision() -> str:
    gpus = list_gpus()
    if gpus:
        least = min(capability for _, capability in gpus)
        return "bfloat16" if least >= (8, 0) else "float16" if least >= (7, 0) else "float32"
    return "bfloat16" if {"avx512_bf16", "amx_bf16"} & set(read_cpu_info("flags").split()) else "float32"


def _capability(device: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in str(device.compute_capability).split("."))
