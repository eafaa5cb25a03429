"""Phases of a training, compiled once for all folds: what trains, at which size and pace."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError
from pipeline.core.targets.contract import Target
from pipeline.networks import runtime
from pipeline.networks.build import BuiltNetwork
from pipeline.networks.cutting import CutNetwork
from pipeline.networks.runtime import keras
from pipeline.training.freezing import cut_prefix, depth_factors, free_layers
from pipeline.training.recipes.averaging import hold_rates
from pipeline.training.recipes.built_losses import build_target_loss
from pipeline.training.recipes.optimizers import build_optimizer
from pipeline.training.recipes.phase_recipe import PhaseRecipe
from pipeline.training.recipes.recipe import Training
from pipeline.training.recipes.schedules import tabulate_rates
from pipeline.training.state import Arrays

# Steps that one call of the graph makes at most, where a step is so small that the call would cost more than it: by
# the numbers in a batch of inputs, and by parameters.
_STEPS_PER_CALL, _SMALL_BATCH, _SMALL_NETWORK = 32, 2**18, 2**20


@dataclass(frozen=True)
class PhaseScope:
    """Where a phase stands in its training.

    Attributes:
        number: phases before it.
        section: what the model's file calls it: ``training``, or ``training.before[0]``.
        first_epoch: epochs of the phases before it.
        size: side of the input in pixels.
        rows: of the smallest training part, with what joins it: an epoch has the same length on every fold.
        weighted: whether classes have weights, which `losses.set_class_weights` sets for each fold.
        target: what is predicted, with the model's own head.
        counted: whether rows count differently: each as much as its target sums to.
        scale: of the cosines that are the network's logits; None for linear ones.
    """

    number: int
    section: str
    first_epoch: int
    size: int
    rows: int
    weighted: bool
    target: Target
    counted: bool = False
    scale: float | None = None


@dataclass(frozen=True)
class CompiledPhase:
    """A phase of a training, ready to run.

    Attributes:
        recipe: what it does.
        scope: where it stands.
        batch_size: the phase's own, or all training rows where there are fewer.
        rates: float32 (epochs * steps,), the learning rate of each step.
        net: the network at this size.
        model: compiled; shares the weights of ``net``; takes features where the head alone trains, what lies below
            a cut made of images where there is one, images otherwise.
        fresh_optimizer: the optimizer's variables before the first step.
        cut: both parts of the network where it has a prefix.
        later: where the head alone trains, the phase after it whose prefix makes what the features are made of.
    """

    recipe: PhaseRecipe
    scope: PhaseScope
    batch_size: int
    rates: NDArray[np.float32]
    net: BuiltNetwork
    model: keras.Model
    fresh_optimizer: Arrays
    cut: CutNetwork | None = None
    later: CompiledPhase | None = None

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return self.scope.rows // self.batch_size

    @property
    def first_epoch(self) -> int:
        """Epochs done when this phase begins."""
        return self.scope.first_epoch

    @property
    def last_epoch(self) -> int:
        """Epochs done when this phase ends."""
        return self.first_epoch + self.recipe.epochs

    @property
    def size(self) -> int:
        """Side of the input in pixels."""
        return self.scope.size

    @property
    def on_features(self) -> bool:
        """Whether what trains sees no images, but what the layers below it made of them once."""
        return self.recipe.on_features

    @property
    def head_alone(self) -> bool:
        """Whether the head alone trains."""
        return self.recipe.unfreeze == "head"

    def set_trainable(self) -> None:
        """Freezes and unfreezes the layers of the backbone; what is compiled already keeps its state."""
        free_layers(self.net, self.recipe, self.cut)


def compile_phase(recipe: PhaseRecipe, training: Training, net: BuiltNetwork, scope: PhaseScope) -> CompiledPhase:
    """Compiles a phase.

    Args:
        recipe: its recipe.
        training: what holds for all phases.
        net: the network at its size.
        scope: where it stands.

    Raises:
        InputError: more layers to unfreeze than there are, a prefix that the network does not have, or too few steps
            for a single update.
    """
    assert recipe.batch_size != "auto", "probing.fit_batches comes first"
    batch_size = min(recipe.batch_size, scope.rows)
    steps = scope.rows // batch_size
    if recipe.epochs * steps < recipe.optimizer.accumulate:
        raise InputError(
            f"optimizer.accumulate is {recipe.optimizer.accumulate}, but its phase has {recipe.epochs * steps} steps "
            f"in all ({recipe.epochs} epochs of {scope.rows} images, {batch_size} at a time), so no update "
            "would be made; lower it or batch_size in the model's file"
        )
    rates = tabulate_rates(recipe.schedule, recipe.optimizer.learning_rate, recipe.epochs, steps)
    if recipe is training:
        rates = hold_rates(rates, training.average, steps)
    cut = cut_prefix(net, recipe, scope.section)
    free_layers(net, recipe, cut)
    whole = net.head if recipe.unfreeze == "head" and net.head is not None else net.model
    whole = cut.above if cut else whole
    # A model of its own around the same layers, so that each phase keeps what was compiled for it.
    model = keras.Model(whole.input, whole.output, name=whole.name)
    factors = depth_factors(net, model, recipe.layer_decay) if recipe.layer_decay < 1 else None
    equal = np.ones(len(scope.target.columns), dtype=np.float32)
    settings = training.loss_settings
    settings = replace(settings, counted=settings.counted or scope.counted, scale=scope.scale)
    model.compile(
        optimizer=build_optimizer(recipe.optimizer, rates, recipe.schedule.name == "plateau", factors),
        loss=build_target_loss(scope.target, settings, equal if scope.weighted else None),
        jit_compile=runtime.use_xla(),
        steps_per_execution=count_steps_per_call(model, batch_size, steps),
    )
    model.optimizer.build(model.trainable_variables)
    return CompiledPhase(recipe, scope, batch_size, rates, net, model, copy_variables(model.optimizer.variables), cut)


def count_steps_per_call(model: keras.Model, batch_size: int, steps: int) -> int:
    """Counts the steps that one call of the graph makes: of small networks several, to the same bits.

    Args:
        model: what trains.
        batch_size: its images, or features, per step.
        steps: of an epoch; the count divides it, as calls do not reach across epochs.
    """
    numbers = batch_size * int(np.prod(model.input_shape[1:]))
    if keras.backend.backend() != "tensorflow" or numbers > _SMALL_BATCH or model.count_params() > _SMALL_NETWORK:
        return 1
    return next(count for count in range(min(steps, _STEPS_PER_CALL), 0, -1) if steps % count == 0)


def copy_variables(variables: list[keras.Variable]) -> Arrays:
    """Copies variables out."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def assign_variables(variables: list[keras.Variable], arrays: Arrays) -> None:
    """Copies arrays in, in the same order."""
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
