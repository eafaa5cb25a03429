"""Parameters of a search space: settings that vary between two bounds or among choices."""

import json
import math
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field, model_validator

from pipeline.core.config import Section

OptunaValue = str | int | float | bool | None


class Suggester(Protocol):
    """The part of an Optuna trial that a search space needs."""

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None, log: bool) -> float:
        """Suggests a float."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        """Suggests an int."""

    def suggest_categorical(self, name: str, choices: list[OptunaValue]) -> Any:
        """Suggests one of the choices."""


class _Parameter(Section):
    """One setting that varies.

    Attributes:
        when: settings, by path, that must have these values; otherwise the setting keeps its default.
    """

    when: dict[str, Any] = Field(default_factory=dict)


class FloatParameter(_Parameter):
    """A number between two bounds.

    Attributes:
        low: the lowest value, included.
        high: the highest value, included.
        log: whether its logarithm is drawn.
        step: distance between two values; None allows all between.
    """

    kind: Literal["float"]
    low: float
    high: float
    log: bool = False
    step: float | None = Field(default=None, gt=0.0)

    @model_validator(mode="after")
    def _bounds_agree(self) -> "FloatParameter":
        _check_bounds(self.low, self.high, self.log)
        if self.step is not None and self.log:
            raise ValueError("log and step exclude each other")
        return self

    def suggest_value(self, trial: Suggester, name: str) -> Any:
        """Lets a trial suggest a value."""
        return trial.suggest_float(name, self.low, self._top, step=self.step, log=self.log)

    def extremes(self) -> list[Any]:
        """Returns values that the model's file must accept."""
        return [self.low, self._top]

    @property
    def _top(self) -> float:
        """The highest value that whole steps reach; Optuna would warn of a higher one."""
        if self.step is None:
            return self.high
        steps = math.floor((self.high - self.low) / self.step + 1e-9)
        return min(self.high, self.low + steps * self.step)

    def to_optuna(self, value: Any) -> OptunaValue:
        """Returns a value as Optuna stores it.

        Raises:
            ValueError: it lies outside.
        """
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            raise ValueError(f"must be in {self.low}..{self.high}")
        _check_step(value, self.low, self.step)
        return float(value)


class IntParameter(_Parameter):
    """A whole number between two bounds.

    Attributes:
        low: the lowest value, included.
        high: the highest value, included.
        log: whether its logarithm is drawn.
        step: distance between two values.
    """

    kind: Literal["int"]
    low: int
    high: int
    log: bool = False
    step: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _bounds_agree(self) -> "IntParameter":
        _check_bounds(self.low, self.high, self.log)
        if self.step > 1 and self.log:
            raise ValueError("log and step exclude each other")
        return self

    def suggest_value(self, trial: Suggester, name: str) -> Any:
        """Lets a trial suggest a value."""
        return trial.suggest_int(name, self.low, self._top, step=self.step, log=self.log)

    def extremes(self) -> list[Any]:
        """Returns values that the model's file must accept."""
        return [self.low, self._top]

    @property
    def _top(self) -> int:
        return self.low + (self.high - self.low) // self.step * self.step

    def to_optuna(self, value: Any) -> OptunaValue:
        """Returns a value as Optuna stores it.

        Raises:
            ValueError: it lies outside.
        """
        whole = not isinstance(value, bool) and isinstance(value, (int, float)) and float(value).is_integer()
        if not whole or not self.low <= value <= self.high:
            raise ValueError(f"must be a whole number in {self.low}..{self.high}")
        _check_step(value, self.low, self.step)
        return int(value)


class CategoricalParameter(_Parameter):
    """One of several values, which may be lists and whole sections.

    Attributes:
        choices: the values to try.
    """

    kind: Literal["categorical"]
    choices: list[Any] = Field(min_length=2)

    @model_validator(mode="after")
    def _choices_differ(self) -> "CategoricalParameter":
        texts = {json.dumps(choice, sort_keys=True) for choice in self.choices}
        # Optuna compares them as well, and to it 1, 1.0 and true are equal.
        if min(len(texts), len({_name(choice) for choice in self.choices})) < len(self.choices):
            raise ValueError(f"choices must differ, got {self.choices!r}")
        return self

    def suggest_value(self, trial: Suggester, name: str) -> Any:
        """Lets a trial suggest a value."""
        names = [_name(choice) for choice in self.choices]
        return self.choices[names.index(trial.suggest_categorical(name, names))]

    def extremes(self) -> list[Any]:
        """Returns values that the model's file must accept."""
        return list(self.choices)

    def to_optuna(self, value: Any) -> OptunaValue:
        """Returns a value as Optuna stores it.

        Raises:
            ValueError: it is none of the choices.
        """
        if value not in self.choices:
            raise ValueError(f"must be one of {self.choices!r}")
        return _name(self.choices[self.choices.index(value)])


Parameter = Annotated[FloatParameter | IntParameter | CategoricalParameter, Field(discriminator="kind")]


def _name(choice: Any) -> OptunaValue:
    return choice if choice is None or isinstance(choice, (str, int, float, bool)) else json.dumps(choice)


def _check_bounds(low: float, high: float, log: bool) -> None:
    if low >= high:
        raise ValueError(f"low must be less than high, got {low} and {high}")
    if log and low <= 0:
        raise ValueError(f"log needs low above 0, got {low}")


def _check_step(value: float, low: float, step: float | None) -> None:
    if step is not None and abs((value - low) / step - round((value - low) / step)) > 1e-9:
        raise ValueError(f"must be {low} plus whole steps of {step}")
