"""The training of one fold: its phases one after another, what they are fed, and predictions at any time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from pipeline.core.arrays import Logits, Rows
from pipeline.core.errors import NoRoomError
from pipeline.core.memory import is_out_of_memory
from pipeline.images.batches import plain_batches
from pipeline.images.views import Views, average_views
from pipeline.networks import normalisation, runtime
from pipeline.networks.build import BuiltNetwork
from pipeline.networks.predicting import predict_from_features, predict_from_images
from pipeline.networks.runtime import keras
from pipeline.training.inputs import NetworkInputs, Part
from pipeline.training.phases import CompiledPhase, assign_variables, copy_variables

_STATISTICS_ROWS, _STATISTICS_BATCH = 2048, 64


class FoldTraining:
    """One fold in training, from `Session.begin` until the next fold begins.

    Attributes:
        inputs: what the network reads.
        phases: in their order.
        phase: the one that is running.
        fold: its number.
        seed: of the run.
    """

    def __init__(
        self,
        inputs: NetworkInputs,
        phases: tuple[CompiledPhase, ...],
        fold: int,
        seed: int,
        showing: BuiltNetwork | None = None,
    ) -> None:
        """Stands in the first phase, which must be entered; ``showing`` is the network at the views' own size."""
        self.inputs, self.phases, self.fold, self.seed, self._showing = inputs, phases, fold, seed, showing
        self.phase = phases[0]

    @property
    def images_of_epochs(self) -> list[int]:
        """Training images of each epoch."""
        return [phase.steps * phase.batch_size for phase in self.phases for _ in range(phase.recipe.epochs)]

    @property
    def is_last_phase(self) -> bool:
        """Whether no other phase follows."""
        return self.phase is self.phases[-1]

    def enter(self, phase: CompiledPhase) -> None:
        """Begins a phase with the weights of the one before and a fresh optimizer."""
        before, self.phase = self.phase, phase
        if phase.net is not before.net:
            assign_variables(phase.net.model.variables, copy_variables(before.net.model.variables))
        phase.set_trainable()
        assign_variables(phase.model.optimizer.variables, phase.fresh_optimizer)

    def advance(self) -> None:
        """Ends a phase, with its averaged weights where the optimizer keeps an average, and begins the next."""
        if self.phase.recipe.optimizer.ema > 0:
            self.use_average()
        self.enter(self.phases[self.phase.scope.number + 1])

    def use_average(self) -> None:
        """Replaces the weights by their running average, where the optimizer keeps one of at least one step."""
        weights, optimizer = self.phase.model.trainable_variables, self.phase.model.optimizer
        # In float16 steps that overflow are left out; before the first that counts, Keras 3.15's averages are zeros.
        if int(optimizer.iterations) == 0:
            return
        optimizer.finalize_variable_values(weights)
        # Copies: on JAX weights and average would share memory, which the next call takes from both.
        assign_variables(weights, copy_variables(weights))

    def reestimate_statistics(self) -> None:
        """Measures normalisation statistics afresh on training images, where network or averaged weights ask for it."""
        net, inputs = self.phase.net, self.inputs
        if self.phase.head_alone:
            return
        if inputs.recipe.training.average is not None:
            norms = [layer for layer in normalisation.list_batch_norms(net.model) if layer.trainable]
        elif net.backbone is not None and inputs.recipe.network.model_dump().get("norm") == "reestimated":
            norms = normalisation.list_batch_norms(net.backbone)
            norms = [layer for layer in norms if layer.trainable] if self.phase.cut else norms  # a prefix stays
        else:
            return
        if not norms:
            return
        rows = inputs.data.as_taught(self.fold).rows(self.fold)[0]
        chosen = np.random.default_rng([self.fold, 5]).permutation(rows)[:_STATISTICS_ROWS]
        batch = min(_STATISTICS_BATCH, self.phase.batch_size)
        if self.phase.cut is None:
            batches = plain_batches(inputs.data.images, chosen, self.phase.size, batch, inputs.workers)
            normalisation.reestimate_statistics(net.model, norms, batches)
            return
        # Training mode is for what is above the cut: below it, dropout rests as it did while the maps were made.
        maps = inputs.view_features(self.phase, "train", Views())[0]
        starts = range(0, len(chosen), batch)
        kept = (maps[chosen[start : start + batch]].astype(np.float32) for start in starts)
        normalisation.reestimate_statistics(self.phase.cut.above, norms, kept)

    def compute_test_maps(self, views: Views) -> None:
        """Computes what layers above a prefix read of test images, before epochs, whose seconds tell of the others."""
        if (last := self.phases[-1]).cut is not None:
            self.inputs.view_features(last, "test", views)

    def feed(self, epoch: int) -> AbstractContextManager[Any]:
        """Opens what ``fit`` takes for the rest of the phase, from ``epoch`` (of all phases) on."""
        return self.inputs.feed(self.phase, self.fold, self.seed, epoch)

    def predict(self, part: Part, rows: Rows, views: Views) -> Logits:
        """Returns logits float32 (n_rows, n_outputs), averaged over the views as they say."""
        target = self.inputs.data.target
        none = np.zeros((0, target.n_outputs), dtype=np.float32)
        return np.concatenate(
            [none, *(average_views(logits, views, target) for logits in self.predict_views(part, rows, views))]
        )

    def predict_views(self, part: Part, rows: Rows, views: Views) -> Iterator[Logits]:
        """Yields the logits of each view, batch by batch: float32 (n_views, rows of the batch, n_outputs)."""
        phase, inputs = self.phase, self.inputs
        batches: Iterator[tuple[Any, Logits]]
        if phase.on_features:
            batches = predict_from_features(phase.model, inputs.view_features(phase, part, views), rows)
        else:
            size = views.size or phase.size
            model = phase.model if size == phase.size else self._show_at_size()
            batches = predict_from_images(model, inputs.images(part), rows, size, views, inputs.workers)
        return (logits for _, logits in batches)

    def _show_at_size(self) -> keras.Model:
        """Returns the network at the size of the views, with the weights as they are."""
        assert self._showing is not None  # the session builds it
        assign_variables(self._showing.model.variables, copy_variables(self.phase.net.model.variables))
        return self._showing.model

    @contextmanager
    def explain_lack_of_memory(self, name: str) -> Iterator[None]:
        """Turns a lack of memory into one line about ``name``, the training as messages call it.

        Raises:
            NoRoomError: memory ran out.
        """
        try:
            yield
        except runtime.get_memory_errors() as error:
            if not is_out_of_memory(error):
                raise
            raise NoRoomError(
                f"{name}: memory ran out while {self.phase.batch_size} images a step were trained on; lower "
                f"{self.phase.scope.section}.batch_size in the model's file, or end what else uses the memory",
                self.phase.scope.number,
                self.phase.batch_size,
            ) from error
