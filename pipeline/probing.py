"""What only the machine can tell: which precision is faster here, and how many images fit into memory at once.

What was found is remembered, so that a training that continues does not find another answer.
"""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline import runtime, tables
from pipeline.networks.build import Built, build
from pipeline.networks.mlp_hog import MlpHog
from pipeline.networks.pretrained import Pretrained
from pipeline.networks.vit import Vit
from pipeline.phases import unfreeze
from pipeline.recipe import Recipe, Stage

_LARGEST, _ON_CPU = 256, 32
_STEPS = 3


def choose_precision(
    wanted: runtime.Precision, recipe: Recipe, shape: tuple[int, int, int], memory: Path, weights: Path
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
        return runtime.start("float32")  # too small to gain
    resolved = runtime.start(wanted)
    measured = wanted == "auto" and resolved == "bfloat16" and runtime.use_xla() is False
    if not measured or not isinstance(recipe.network, (Pretrained, Vit)):
        return resolved
    stage = recipe.training
    head_alone = stage.unfreeze == "head"  # then features are all that takes time, the same for every head
    ignored = {"weights", "head", "norm", "norm_momentum"} if head_alone else {"weights"}
    network = {key: value for key, value in recipe.network.model_dump(mode="json").items() if key not in ignored}
    asked = [network, shape, recipe.input.size, stage.size, None if head_alone else stage.batch_size, stage.unfreeze]
    found = _remembered(memory, ["precision", *asked], lambda: _faster(recipe, shape, weights))
    return runtime.start(found)


def fit_batches(recipe: Recipe, shape: tuple[int, int, int], memory: Path, weights: Path) -> Recipe:
    """Settles the batch size of every stage: ``auto`` becomes a number, one too large for the GPU is halved.

    On a CPU nothing is tried: memory is the machine's, and 32 keeps all cores busy. A batch size that was given is
    halved together with a doubling of ``optimizer.accumulate``, so that every update still sees as many images.

    Args:
        recipe: the model.
        shape: size and channels of the stored images, and the number of classes.
        memory: folder in which answers are kept.
        weights: folder of pretrained weights, which may hold the description of a network.
    """
    stages = [_fitted(recipe, stage, shape, memory, weights) for stage in recipe.training.stages]
    last = {name: getattr(stages[-1], name) for name in ("batch_size", "optimizer")}
    training = recipe.training.model_copy(update={"before": tuple(stages[:-1])} | last)
    return recipe.model_copy(update={"training": training})


def _fitted(recipe: Recipe, stage: Stage, shape: tuple[int, int, int], memory: Path, weights: Path) -> Stage:
    if not runtime.use_xla() or stage.unfreeze == "head":
        size = _LARGEST if stage.unfreeze == "head" else _ON_CPU
        return stage if stage.batch_size != "auto" else stage.model_copy(update={"batch_size": size})
    start = _LARGEST if stage.batch_size == "auto" else stage.batch_size
    asked = [
        "batch",
        keras.mixed_precision.global_policy().name,
        recipe.network.model_dump(mode="json"),
        shape,
        recipe.input.size,
        stage.model_dump(mode="json"),
    ]
    size = int(_remembered(memory, asked, lambda: _largest(recipe, stage, shape, start, weights)))
    if size == stage.batch_size:
        return stage
    update: dict[str, Any] = {"batch_size": size}
    if stage.batch_size == "auto":
        print(
            f"batch_size auto: {size}" + (f"; {2 * size} does not fit into memory" if size < start else ""), flush=True
        )
    else:
        print(f"batch_size {start} does not fit into memory; {size} and more accumulation instead", flush=True)
        update["optimizer"] = stage.optimizer.model_copy(
            update={"accumulate": -(-stage.optimizer.accumulate * start // size)}
        )
    return stage.model_copy(update=update)


def _largest(recipe: Recipe, stage: Stage, shape: tuple[int, int, int], start: int, weights: Path) -> int:
    size = start
    while size > 1:
        try:
            _step(recipe, stage, shape, size, weights)()
        except runtime.out_of_memory() as error:
            if not runtime.is_out_of_memory(error):
                raise
            size //= 2
            continue
        break
    return size


def _faster(recipe: Recipe, shape: tuple[int, int, int], weights: Path) -> runtime.Precision:
    seconds: dict[runtime.Precision, float] = {}
    precision: runtime.Precision
    for precision in ("float32", "bfloat16"):
        runtime.start(precision)
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
    recipe: Recipe, stage: Stage, shape: tuple[int, int, int], batch_size: int, weights: Path
) -> Callable[[], object]:
    stored, channels, n_classes = shape
    size = stage.size or recipe.input.size or stored
    described = weights if isinstance(recipe.network, Vit) else None  # the weights themselves change no time
    net: Built = build(recipe.network, size, channels, n_classes, recipe.input.normalise, described)
    images = np.zeros((batch_size, size, size, channels), dtype=np.uint8)
    if stage.unfreeze == "head" and net.extract is not None:
        extract = net.extract
        return lambda: extract(images)
    unfreeze(net, stage.unfreeze)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    net.model.compile(keras.optimizers.Adam(0.0), loss, jit_compile=runtime.use_xla())
    targets = np.zeros((batch_size, n_classes), dtype=np.float32)
    return lambda: net.model.train_on_batch(images, targets)


def _remembered(memory: Path, asked: list[Any], measure: Callable[[], Any]) -> Any:
    about = [asked, runtime.versions(), runtime.hardware(), runtime.settings()]
    path = memory / f"{hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]}.json"
    if not path.is_file():
        tables.write_json(path, {"found": measure()})
    return tables.read_json(path, "delete it")["found"]
