"""A session: one model's network, built and compiled once, for the training of one fold after another."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from pipeline.core.errors import InputError
from pipeline.networks import runtime
from pipeline.networks.build import BuiltNetwork, WeightSource, build_network, list_weight_files
from pipeline.networks.head import find_cosine_head
from pipeline.networks.layers.pixels import DatasetNorm
from pipeline.training.data import Data
from pipeline.training.fold_training import FoldTraining
from pipeline.training.inputs import NetworkInputs
from pipeline.training.phases import CompiledPhase, PhaseScope, assign_variables, compile_phase, copy_variables
from pipeline.training.recipes.balance import compute_class_weights
from pipeline.training.recipes.losses import set_class_weights
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.state import Arrays


class Session:
    """A network of one model and its compiled phases, which all folds share.

    Attributes:
        inputs: what it reads.
        phases: in their order, as the last fold that began has them.
    """

    def __init__(self, inputs: NetworkInputs, weights: Path) -> None:
        """Builds and compiles; `runtime.start_backend` comes first.

        Args:
            inputs: what it reads: recipe, data, rows.
            weights: folder of files with pretrained weights.

        Raises:
            InputError: the network does not fit the images, or its weights cannot be had.
        """
        self.inputs, self._weights = inputs, weights
        self._nets: dict[int, BuiltNetwork] = {}
        recipe, stored = inputs.recipe, inputs.data.images.shape[1]
        # Names of layers, which checkpoints hold, count on from what was built before, also to ask for a file's name.
        list_weight_files(recipe.network, weights, recipe.first_size(stored))
        runtime.forget_names()
        # Random states inside a backbone come from here; all others from `begin`.
        runtime.seed_everything(0)
        self._joining = 0
        self.phases = self._compile()
        self._showing = self._build_for_views()
        net = self.phases[0].net
        pretrained = net.backbone is not None and recipe.network.model_dump().get("weights") != "none"
        # Features shared by all folds need one backbone, be it a random one.
        fixed = pretrained or any(phase.on_features for phase in self.phases)
        self._loaded: Arrays | None = copy_variables(net.backbone.variables) if net.backbone and fixed else None

    @property
    def recipe(self) -> Recipe:
        """How the model is trained."""
        return self.inputs.recipe

    @property
    def data(self) -> Data:
        """What it is trained on."""
        return self.inputs.data

    def begin(self, fold: int, seed: int) -> FoldTraining:
        """Begins a fold in its first phase, with fresh weights; whatever fold began before must be done.

        Nothing is compiled again, unless another number of test images joins this fold than the one before: an epoch
        is as long as its own fold makes it.

        Args:
            fold: its number.
            seed: of the run; each fold has weights of its own.

        Raises:
            InputError: what a prefix makes of the images takes more room than there is, or than it may.
        """
        joining = self.inputs.rows.count_joining(fold)
        if joining != self._joining:
            self._joining = joining
            self.phases = self._compile()
        self._set_class_weights(fold, seed)
        for phase in self.phases:
            self.inputs.require_room(phase, seed)
        first = self.phases[0]
        runtime.seed_everything(int(np.random.SeedSequence([seed, fold]).generate_state(1)[0]))
        self._set_fresh_weights(first)
        rows = self.data.as_taught(fold).rows(fold)[0]
        for layer in first.net.model.layers:
            if isinstance(layer, DatasetNorm):
                layer.measure(self.data.images, rows)
        training = FoldTraining(self.inputs, self.phases, fold, seed, self._showing)
        training.enter(first)
        return training

    def _set_class_weights(self, fold: int, seed: int) -> None:
        # Of any seed: how often each class is shown does not depend on it.
        sampled, strata = self.inputs.rows.sample(fold, seed)[0], self.data.as_taught(fold).strata
        weights = compute_class_weights(strata[sampled], self.recipe.balance, self.data.target)
        if weights is not None:
            for phase in self.phases:
                set_class_weights(phase.model, weights)

    def _set_fresh_weights(self, phase: CompiledPhase) -> None:
        net = phase.net
        if self._loaded is not None and net.backbone and net.head and net.fresh_head:
            assign_variables(net.backbone.variables, self._loaded)
            assign_variables(net.head.variables, copy_variables(net.fresh_head().variables))
        else:
            assign_variables(net.model.variables, copy_variables(self._build(phase.size).model.variables))

    def _compile(self) -> tuple[CompiledPhase, ...]:
        recipe, data = self.recipe, self.data
        rows = data.least_rows + self._joining
        weighted, recipes = recipe.balance.class_weight != "none", recipe.training.phases
        cosine = find_cosine_head(recipe.network)
        scale = None if cosine is None else cosine.scale
        phases: list[CompiledPhase] = []
        for number, phase in enumerate(recipes):
            size = phase.size or recipe.input.size or data.images.shape[1]
            if size not in self._nets:
                self._nets[size] = self._build(size)
            section = "training" if number == len(recipes) - 1 else f"training.before[{number}]"
            begun = phases[-1].last_epoch if phases else 0
            counted = data.weights is not None
            scope = PhaseScope(number, section, begun, size, rows, weighted, data.target, counted, scale)
            phases.append(compile_phase(phase, recipe.training, self._nets[size], scope))
        for before, after in pairwise(phases):
            _require_same_weights(before, after)
            _require_prefix_at_rest(before, after)
        later = next((phase for phase in phases if phase.cut), None)
        if later is None:
            return tuple(phases)
        # Features of the head, made of what the prefix makes anyhow, cost no pass over the images.
        return tuple(
            replace(phase, later=later)
            if phase.head_alone and phase.size == later.size and not phase.recipe.draws
            else phase
            for phase in phases
        )

    def _build_for_views(self) -> BuiltNetwork | None:
        """Builds the network at the size at which it predicts; None where that is the one of the last phase."""
        size, last = self.recipe.views.size, self.phases[-1]
        if size is None or size == last.size:
            return None
        net = self._nets[size] if size in self._nets else self._build(size)
        if _list_shapes(net) != _list_shapes(last.net):
            raise InputError(
                f"views.size is {size}, but the weights of {net.model.name} depend on the size of its input, which is "
                f"{last.size} pixels in training: leave it out; networks that flatten and ViTs predict as they train"
            )
        net.model.jit_compile = runtime.use_xla()  # nobody compiles it, and Keras would choose XLA
        return net

    def _build(self, size: int) -> BuiltNetwork:
        return build_network(
            self.recipe.network,
            size,
            self.data.images.shape[-1],
            self.data.target.n_outputs,
            self.recipe.input.normalise,
            WeightSource(self._weights, self.recipe.first_size(self.data.images.shape[1])),
        )


def _require_same_weights(before: CompiledPhase, after: CompiledPhase) -> None:
    if _list_shapes(before.net) != _list_shapes(after.net):
        raise InputError(
            f"the weights of {after.net.model.name} depend on the size of its input ({before.size}, {after.size} "
            "pixels): give all phases one size; networks that flatten and ViTs need that"
        )


def _require_prefix_at_rest(before: CompiledPhase, after: CompiledPhase) -> None:
    """Refuses a prefix of which the phase before has trained a part: no other fold would share what it makes."""
    if before.cut is None or after.cut is None or len(after.cut.below) <= len(before.cut.below):
        return
    raise InputError(
        f"{after.scope.section}.prefix.after is above {before.scope.section}.prefix.after, behind which layers have "
        "trained by then: name the same layer, or a lower one"
    )


def _list_shapes(net: BuiltNetwork) -> list[tuple[int, ...]]:
    return [variable.shape for variable in net.model.variables]
