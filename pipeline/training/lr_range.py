"""A learning-rate range test: a model trains a few batches while the rate rises, and the loss tells which rates work.

Reference: Smith 2017, Cyclical learning rates for training neural networks, https://arxiv.org/abs/1506.01186
"""

import dataclasses
import math
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.core.errors import InputError
from pipeline.core.files import atomic_path
from pipeline.core.progress import track_progress
from pipeline.networks import runtime
from pipeline.training.fold_training import FoldTraining
from pipeline.training.freezing import depth_factors
from pipeline.training.phases import CompiledPhase, copy_variables
from pipeline.training.recipes.optimizers import build_optimizer

MOMENTUM = 0.9
# Averages of fewer batches than this are mostly noise.
_SETTLED = 10
_DIVERGED = 4.0


@dataclass(frozen=True)
class Sweep:
    """Which rates are tried, and where.

    Attributes:
        lowest: the first rate.
        highest: the last one.
        steps: batches; the rates between lie at equal ratios.
        fold: whose training rows are used.

    Raises:
        InputError: the rates do not rise, or there are too few steps to tell a fall from noise.
    """

    lowest: float = 1e-6
    highest: float = 1.0
    steps: int = 100
    fold: int = 0

    def __post_init__(self) -> None:
        """Checks what a person typed."""
        if not 0 < self.lowest < self.highest < math.inf:
            raise InputError(f"--lowest must be above 0 and below --highest, got {self.lowest:g} and {self.highest:g}")
        if self.steps < 2 * _SETTLED:
            raise InputError(f"--steps must be at least {2 * _SETTLED}, got {self.steps}")

    @property
    def rates(self) -> NDArray[np.float32]:
        """The rate of each step: float32 (steps,)."""
        return np.geomspace(self.lowest, self.highest, self.steps).astype(np.float32)


@dataclass(frozen=True)
class Curve:
    """What a sweep saw, one value per step.

    Attributes:
        rates: float32 (n,).
        losses: float32 (n,), of each batch before its step.
        smoothed: float64 (n,), their exponential average with `MOMENTUM`, corrected for its start at zero.
        stopped: why the sweep ended early; None where it did not.
    """

    rates: NDArray[np.float32]
    losses: NDArray[np.float32]
    smoothed: NDArray[np.float64]
    stopped: str | None


@dataclass(frozen=True)
class Suggestion:
    """The usual two rates.

    Attributes:
        steepest: where the smoothed loss falls fastest over the logarithm of the rate.
        tenth: a tenth of the rate at which the smoothed loss is lowest.
    """

    steepest: float
    tenth: float


def range_test(training: FoldTraining, wanted: Sweep, name: str) -> Curve:
    """Trains the phases before the last as they stand, then the last one while its rate rises.

    The training is of no use for anything else afterwards.

    Args:
        training: of the fold, just begun.
        wanted: the rates.
        name: what lines and errors call this sweep.

    Raises:
        InputError: a phase before the last diverges, the loss is not finite from the first batch on, or a step does not
            fit into memory.
    """
    training.phases = (*training.phases[:-1], _with_rising_rate(training.phases[-1], wanted))
    training.enter(training.phases[0])  # compiling the last phase has frozen and unfrozen layers
    for number, phase in enumerate(training.phases[:-1]):
        for loss in _losses(training, phase.recipe.epochs * phase.steps, f"{name} phase {number + 1}"):
            if not math.isfinite(loss):
                raise InputError(
                    f"{name}: the loss became NaN or infinite in phase {number + 1}, before the one whose rate is "
                    f"sought; lower training.before[{number}].optimizer.learning_rate in the model's file"
                )
        training.advance()
    with closing(_losses(training, wanted.steps, f"{name} rates")) as losses:
        curve = record(wanted.rates, losses)
    if not len(curve.losses):
        raise InputError(f"{name}: the loss of the first batch is NaN or infinite; see train.precision in params.yaml")
    return curve


def record(rates: NDArray[np.float32], losses: Iterable[float]) -> Curve:
    """Follows the losses of rising rates as far as they make sense; takes no loss beyond.

    Args:
        rates: float32 (n,).
        losses: one for each rate, made when asked for.
    """
    seen: list[float] = []
    smoothed: list[float] = []
    average, stopped = 0.0, None
    for loss in islice(losses, len(rates)):
        if not math.isfinite(loss):
            stopped = "the loss became NaN or infinite"
            break
        seen.append(loss)
        average = MOMENTUM * average + (1 - MOMENTUM) * loss
        smoothed.append(average / (1 - MOMENTUM ** len(seen)))
        if smoothed[-1] > _DIVERGED * min(smoothed):
            stopped = f"the smoothed loss rose above {_DIVERGED:g} times its minimum"
            break
    return Curve(rates[: len(seen)], np.array(seen, dtype=np.float32), np.array(smoothed), stopped)


def suggest_rates(curve: Curve) -> Suggestion | None:
    """Reads the usual two rates off a curve; None where the loss did not fall by more than single batches differ."""
    start = curve.losses[:_SETTLED].astype(np.float64)
    lowest = int(curve.smoothed.argmin())
    if lowest < _SETTLED or start.mean() - curve.smoothed[lowest] <= start.std():
        return None
    # What comes after the minimum is divergence, whose way back can be steeper than any learning.
    slopes = np.gradient(curve.smoothed, np.log10(curve.rates.astype(np.float64)))[_SETTLED : lowest + 1]
    return Suggestion(float(curve.rates[_SETTLED + int(slopes.argmin())]), float(curve.rates[lowest]) / 10)


def write_curve(curve: Curve, path: Path) -> None:
    """Writes step (from 1), rate, loss and smoothed loss as CSV."""
    columns = {"rate": curve.rates, "loss": curve.losses, "smoothed_loss": curve.smoothed}
    with atomic_path(path) as temporary:
        table = pd.DataFrame({"step": np.arange(1, len(curve.rates) + 1)} | columns)
        table.to_csv(temporary, index=False, lineterminator="\n")


def draw_curve(curve: Curve, found: Suggestion | None, current: float, path: Path) -> None:
    """Draws the loss over the rate as .png, with the suggested rates and the recipe's own.

    Args:
        curve: what the sweep saw.
        found: what to mark; None for nothing.
        current: the recipe's rate.
        path: a .png file.
    """
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.semilogx(curve.rates, curve.losses, color="#56B4E9", linewidth=0.6, label="loss of a batch")
    axes.semilogx(curve.rates, curve.smoothed, color="#0072B2", linewidth=1.6, label="smoothed")
    marks = [(current, "#000000", ":", "the recipe's")]
    if found is not None:
        marks.append((found.steepest, "#D55E00", "--", "steepest fall"))
        marks.append((found.tenth, "#009E73", "-.", "a tenth of the minimum's"))
    for rate, colour, style, label in marks:
        axes.axvline(rate, color=colour, linestyle=style, linewidth=1.2, label=f"{label}: {rate:.1e}")
    # Divergence reaches any height: the fall before it is what must be seen.
    low, fallen = float(curve.losses.min()), curve.smoothed[: int(curve.smoothed.argmin()) + 1]
    high = min(float(curve.smoothed.max()), 1.5 * float(fallen.max()))
    margin = 0.1 * (high - low) + 1e-6
    axes.set(xlabel="learning rate", ylabel="loss", ylim=(low - margin, high + margin))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})


def _with_rising_rate(phase: CompiledPhase, wanted: Sweep) -> CompiledPhase:
    """Compiles a phase anew with the recipe's optimizer, the rates of the sweep and as many epochs as these need."""
    phase.set_trainable()
    recipe, model = phase.recipe, phase.model
    factors = depth_factors(phase.net, model, recipe.layer_decay) if recipe.layer_decay < 1 else None
    model.compile(
        optimizer=build_optimizer(recipe.optimizer, wanted.rates, plateau=False, factors=factors),
        loss=model.loss,
        jit_compile=runtime.use_xla(),
    )
    model.optimizer.build(model.trainable_variables)
    longer = recipe.model_copy(update={"epochs": math.ceil(wanted.steps / phase.steps), "plain_epochs": 0})
    fresh = copy_variables(model.optimizer.variables)
    return dataclasses.replace(phase, recipe=longer, rates=wanted.rates, fresh_optimizer=fresh)


def _losses(training: FoldTraining, steps: int, name: str) -> Generator[float, None, None]:
    """Trains the current phase from its first batch on, and yields the loss of each batch."""
    phase = training.phase
    with (
        training.explain_lack_of_memory(name),
        training.feed(phase.first_epoch) as batches,
        track_progress(name, steps) as advance,
    ):
        for images, targets in islice(batches, steps):
            # Not fit(), whose losses are means over the epoch so far.
            yield float(phase.model.train_on_batch(images, targets, return_dict=True)["loss"])
            advance(1)
