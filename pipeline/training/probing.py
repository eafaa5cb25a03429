"""Measurements of this machine: the faster precision of a network, and how many images fit into memory at once.

Results are kept, so that a training that continues does not get another one.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.digests import read_noted_json, write_signed_json
from pipeline.core.errors import NoRoomError
from pipeline.core.files import locked
from pipeline.core.memory import is_out_of_memory
from pipeline.networks import hardware, runtime
from pipeline.networks.backbones.pretrained import Pretrained
from pipeline.networks.backbones.transformers import Transformer
from pipeline.networks.build import BuiltNetwork, WeightSource, build_network
from pipeline.networks.mlp_hog import MlpHog
from pipeline.networks.processor import Precision
from pipeline.networks.runtime import keras
from pipeline.training.freezing import cut_prefix, free_layers
from pipeline.training.recipes.optimizers import build_optimizer
from pipeline.training.recipes.phase_recipe import PhaseRecipe
from pipeline.training.recipes.recipe import Recipe

_LARGEST, _ON_CPU = 256, 32
_STEPS = 3
_AGAIN = "run the command again"


def choose_precision(
    wanted: Precision, recipe: Recipe, shape: tuple[int, int, int], memory: Path, weights: Path
) -> str:
    """Starts the runtime in the precision asked for; ``auto`` measures networks of other makers on a CPU.

    With bfloat16 a CPU that computes in it trains our own networks and VGG up to twice as fast, but MobileNetV2, with
    its depthwise convolutions, half as fast.

    Args:
        wanted: as in params.yaml.
        recipe: the model.
        shape: size and channels of the stored images, and the number of classes.
        memory: folder in which answers are kept.
        weights: folder of pretrained weights, which may hold the description of a network.

    Returns:
        The precision in use.
    """
    if wanted == "auto" and isinstance(recipe.network, MlpHog):
        return runtime.start_backend("float32")  # too small to gain
    resolved = runtime.start_backend(wanted)
    measured = wanted == "auto" and resolved == "bfloat16" and not hardware.count_gpus()
    if not measured or not isinstance(recipe.network, (Pretrained, Transformer)):
        return resolved
    phase = recipe.training
    head_alone = phase.unfreeze == "head"  # then features are all that takes time, the same for every head
    ignored = {"weights", "head", "norm", "norm_momentum"} if head_alone else {"weights"}
    network = {key: value for key, value in recipe.network.model_dump(mode="json").items() if key not in ignored}
    batch_size = None if head_alone else phase.batch_size
    asked = [network, shape, recipe.input.size, phase.size, batch_size, phase.unfreeze, *_name_cut(phase)]
    found = _measure_once(memory, ["precision", *asked], lambda: _find_faster(recipe, shape, weights))
    return runtime.start_backend(found)


def fit_batches(recipe: Recipe, shape: tuple[int, int, int], rows: int, memory: Path, weights: Path) -> Recipe:
    """Settles the batch size of every phase: ``auto`` becomes a number, one too large for the GPU is halved.

    On a CPU nothing is tried: memory is the machine's, and 32 keeps all cores busy. A batch size that was given is
    halved together with a doubling of ``optimizer.accumulate``, so that every update still sees as many images, and
    running averages of the weights reach as far back as before. None is larger than what `halve_batch` has left.

    Args:
        recipe: the model.
        shape: size and channels of the stored images, and the number of classes.
        rows: training images of the fold with the fewest; no batch has more.
        memory: folder in which answers are kept.
        weights: folder of pretrained weights, which may hold the description of a network.
    """
    phases = [_fit_batch(recipe, phase, shape, rows, memory, weights) for phase in recipe.training.phases]
    last = {name: getattr(phases[-1], name) for name in ("batch_size", "optimizer")}
    training = recipe.training.model_copy(update={"before": tuple(phases[:-1])} | last)
    return recipe.model_copy(update={"training": training})


def halve_batch(recipe: Recipe, shape: tuple[int, int, int], memory: Path, error: NoRoomError) -> None:
    """Remembers that memory ran out in a phase, in the middle of a training, whatever it was thought to need before.

    Where one image was too much, what was remembered is forgotten.

    Args:
        recipe: the model, its batch sizes settled.
        shape: size and channels of the stored images, and the number of classes.
        memory: folder in which answers are kept.
        error: which phase, and how many images a step were too many.
    """
    path = _place(memory, _memory_key(recipe, recipe.training.phases[error.phase], shape))
    with locked(path.with_suffix(".lock")):
        if error.batch_size == 1:
            path.unlink(missing_ok=True)  # it was not the batch: the next run begins afresh
            return
        before = read_noted_json(path, _AGAIN) if path.is_file() else {"found": error.batch_size, "of": 0}
        found = min(before["found"], error.batch_size // 2)
        write_signed_json(path, {"found": found, "of": max(before["of"], error.batch_size)})


def _memory_key(recipe: Recipe, phase: PhaseRecipe, shape: tuple[int, int, int]) -> list[Any]:
    """Lists what a phase's need of memory depends on, but for the batch size."""
    network, policy = recipe.network.model_dump(mode="json"), runtime.name_policy()
    what = [network, shape, recipe.input.size, phase.size, phase.unfreeze, phase.optimizer.name]
    return ["room", policy, *what, *_name_cut(phase)]


def _name_cut(phase: PhaseRecipe) -> list[str]:
    return [] if phase.prefix is None else [phase.prefix.after]


def _fit_batch(
    recipe: Recipe, phase: PhaseRecipe, shape: tuple[int, int, int], rows: int, memory: Path, weights: Path
) -> PhaseRecipe:
    on_gpu, head_alone = hardware.count_gpus() > 0, phase.unfreeze == "head"
    usual = _LARGEST if on_gpu or head_alone else _ON_CPU
    most_rows = 1 << rows.bit_length() - 1 if phase.batch_size == "auto" else rows  # auto is a power of two
    start = min(usual if phase.batch_size == "auto" else phase.batch_size, most_rows)
    path = _place(memory, _memory_key(recipe, phase, shape))
    if path.is_file():
        start = min(start, read_noted_json(path, _AGAIN)["of"])  # where there are fewer rows than that
    size = most = min(start, _read(path)) if path.is_file() else start
    if on_gpu and not head_alone:
        asked = [
            "batch",
            runtime.name_policy(),
            recipe.network.model_dump(mode="json"),
            shape,
            recipe.input.size,
            phase.model_dump(mode="json"),
            most,
        ]
        size = int(_measure_once(memory, asked, lambda: _find_largest(recipe, phase, shape, most, weights)))
    elif phase.batch_size == "auto" and size == start:
        return phase.model_copy(update={"batch_size": size})  # nothing was tried, so there is nothing to say
    if size == start and phase.batch_size != "auto":
        return phase
    update: dict[str, Any] = {"batch_size": size}
    again = f" (as memory ran out before; delete {path} to try again)" if path.is_file() else ""
    if phase.batch_size == "auto":
        print(
            f"batch_size auto: {size}" + (f"; {2 * size} does not fit into memory{again}" if size < start else ""),
            flush=True,
        )
    else:
        print(f"batch_size {start} does not fit into memory; {size} and more accumulation instead{again}", flush=True)
        before = phase.optimizer.accumulate
        # A phase of few steps may have fewer than that, and must make an update all the same.
        accumulate = min(-(-before * start // size), max(before, phase.epochs * (rows // size)))
        # Keras averages the weights at every step, be it an update or not.
        update["optimizer"] = phase.optimizer.model_copy(
            update={"accumulate": accumulate, "ema": phase.optimizer.ema ** (before / accumulate)}
        )
    return phase.model_copy(update=update)


def _find_largest(recipe: Recipe, phase: PhaseRecipe, shape: tuple[int, int, int], start: int, weights: Path) -> int:
    size = start
    while size > 1:
        try:
            _step(recipe, phase, shape, size, weights)()
        except runtime.get_memory_errors() as error:
            if not is_out_of_memory(error):
                raise
            size //= 2
            continue
        break
    return size


def _find_faster(recipe: Recipe, shape: tuple[int, int, int], weights: Path) -> Precision:
    seconds: dict[Precision, float] = {}
    precision: Precision
    for precision in ("float32", "bfloat16"):
        runtime.start_backend(precision)
        size = _ON_CPU if recipe.training.unfreeze == "head" else recipe.training.batch_size
        step = _step(recipe, recipe.training, shape, _ON_CPU if size == "auto" else min(size, 64), weights)
        step()  # compiles
        spent = []
        for _ in range(_STEPS):
            begun = time.perf_counter()
            step()
            spent.append(time.perf_counter() - begun)
        seconds[precision] = min(spent)
    print(
        "measured: a step takes " + ", ".join(f"{1000 * spent:.0f} ms in {name}" for name, spent in seconds.items()),
        flush=True,
    )
    return min(seconds, key=lambda name: seconds[name])


def _step(
    recipe: Recipe, phase: PhaseRecipe, shape: tuple[int, int, int], batch_size: int, weights: Path
) -> Callable[[], object]:
    stored, channels, n_classes = shape
    size = phase.size or recipe.input.size or stored
    source = (
        WeightSource(weights) if isinstance(recipe.network, Transformer) else None
    )  # the weights themselves change no time
    net: BuiltNetwork = build_network(recipe.network, size, channels, n_classes, recipe.input.normalise, source)
    images = np.zeros((batch_size, size, size, channels), dtype=np.uint8)
    if phase.unfreeze == "head" and net.extract is not None:
        extract = net.extract
        return lambda: extract(images)
    cut = cut_prefix(net, phase, "training")
    free_layers(net, phase, cut)
    model = cut.above if cut else net.model
    inputs = np.zeros((batch_size, *cut.above.input_shape[1:]), dtype=np.float32) if cut else images
    cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True)
    loss = cross_entropy if n_classes > 1 else keras.losses.MeanSquaredError()  # of one number
    # The recipe's own optimizer, as averages and accumulated gradients need room, too.
    optimizer = build_optimizer(phase.optimizer, np.zeros(1, dtype=np.float32), plateau=True)
    model.compile(optimizer, loss, jit_compile=runtime.use_xla())
    targets = np.zeros((batch_size, n_classes), dtype=np.float32)
    return lambda: model.train_on_batch(inputs, targets)


def _measure_once(memory: Path, asked: list[Any], measure: Callable[[], Any]) -> Any:
    path = _place(memory, asked)
    with locked(path.with_suffix(".lock")):  # processes side by side must find one answer
        if not path.is_file():
            write_signed_json(path, {"found": measure()})
    return _read(path)


def _place(memory: Path, asked: list[Any]) -> Path:
    about = [asked, hardware.read_versions(), hardware.name_hardware(), hardware.read_numeric_settings()]
    return memory / f"{hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]}.json"


def _read(path: Path) -> Any:
    return read_noted_json(path, _AGAIN)["found"]
