"""Optimizers by name, with decoupled weight decay, weight averages, clipping and accumulation as Keras offers them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pipeline.core.bounds import Rounds
from pipeline.core.config import Section
from pipeline.networks.runtime import keras, ops


class Optimizer(Section):
    """How weights move.

    Attributes:
        name: ``lion`` needs a third to a tenth of AdamW's rate and as many times its decay; ``muon`` goes by Muon for
            kernels of two dimensions alone, by Adam for all others: convolutions, Keras's attention, biases.
        learning_rate: the highest rate of the schedule.
        momentum: of ``sgd`` (Nesterov's) and ``rmsprop``.
        weight_decay: decoupled, per update (of `accumulate` batches) and times the rate; biases and norms are spared.
        ema: momentum, per batch, of the running average of the weights that is kept instead of the last ones; 0 is off.
        clip_norm: largest global norm of the gradients.
        accumulate: batches whose gradients are averaged before each update.

    Reference: Loshchilov and Hutter 2019, AdamW, https://arxiv.org/abs/1711.05101; Polyak and Juditsky 1992, averaging;
    Chen et al. 2023, Lion, https://arxiv.org/abs/2302.06675; Liu et al. 2025, Muon, https://arxiv.org/abs/2502.16982
    """

    name: Literal["adam", "adamw", "sgd", "rmsprop", "lion", "muon"]
    learning_rate: float = Field(gt=0.0)
    momentum: float = Field(default=0.9, ge=0.0, lt=1.0)
    weight_decay: float = Field(default=0.0, ge=0.0)
    ema: float = Field(default=0.0, ge=0.0, lt=1.0)
    clip_norm: float | None = Field(default=None, gt=0.0)
    accumulate: Rounds = 1

    @model_validator(mode="after")
    def _momentum_is_used(self) -> Optimizer:
        # The default may stand there: a card holds it as well.
        if self.momentum != type(self).model_fields["momentum"].default and self.name not in {"sgd", "rmsprop"}:
            raise ValueError(f"momentum belongs to sgd and rmsprop, not to {self.name}")
        return self


def build_optimizer(
    section: Optimizer, rates: NDArray[np.float32], plateau: bool, factors: list[float] | None = None
) -> keras.optimizers.Optimizer:
    """Builds an optimizer.

    Args:
        section: the settings.
        rates: the learning rate of each step.
        plateau: keeps the rate in a variable, so that it can be lowered while training runs.
        factors: of the rate of each trainable variable; weight decay keeps the whole rate. None for the same for all.
    """
    kinds = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "sgd": keras.optimizers.SGD,
        "rmsprop": keras.optimizers.RMSprop,
        "lion": keras.optimizers.Lion,
        "muon": keras.optimizers.Muon,
    }
    kind = kinds[section.name] if factors is None else _layerwise(kinds[section.name], factors)
    from pipeline.training.recipes.tabulated_rate import TabulatedRate

    rate = float(rates[0]) if plateau else TabulatedRate(rates)
    common = {
        "learning_rate": rate,
        "weight_decay": section.weight_decay or None,
        "global_clipnorm": section.clip_norm,
        "use_ema": section.ema > 0,
        "ema_momentum": section.ema or 0.99,
        "gradient_accumulation_steps": section.accumulate if section.accumulate > 1 else None,
    }
    if section.name == "sgd":
        common |= {"momentum": section.momentum, "nesterov": section.momentum > 0}
    elif section.name == "rmsprop":
        common |= {"momentum": section.momentum}
    elif section.name == "adamw":
        common |= {"weight_decay": section.weight_decay}  # None is refused
    elif section.name == "muon":
        common |= {"weight_decay": section.weight_decay, "adam_weight_decay": section.weight_decay}
    optimizer = kind(**common)
    if section.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _layerwise(kind: type[Any], factors: list[float]) -> type[keras.optimizers.Optimizer]:
    """Makes an optimizer whose learning rate differs from variable to variable, which Keras has no setting for."""

    class Layerwise(kind):  # type: ignore[misc]
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            factor = ops.cast(factors[self._get_variable_index(variable)], learning_rate.dtype)
            super().update_step(gradient, variable, learning_rate * factor)

    return Layerwise
