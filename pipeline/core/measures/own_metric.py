"""A metric of the user's own: a function in a Python file under configs/metrics, called as scikit-learn calls metrics.

Reference: https://scikit-learn.org/stable/modules/model_evaluation.html#the-scoring-parameter-defining-model-evaluation-rules
"""

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Truth, Values
from pipeline.core.errors import InputError, near_names, one_line
from pipeline.core.measures.metric import Metric
from pipeline.core.memory import is_out_of_memory
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import Target

Function = Callable[[NDArray[Any], NDArray[Any]], float]
Response = Literal["predict", "predict_proba"]
_SAMPLE = 200  # rows of the trial before anything costly starts
_SHOWN = 60  # characters of what is no number


@dataclass(frozen=True)
class OwnMetric:
    """Where a metric of the user's own stands.

    Attributes:
        file: the Python file.
        name: of the function in it.
        greater_is_better: its direction.
        response: whether it takes decisions or probabilities.
    """

    file: Path
    name: str
    greater_is_better: bool
    response: Response

    def open_metric(self, target: Target) -> Metric:
        """Reads the file and makes the metric of a target.

        Raises:
            InputError: no such file or function, or the file cannot be run.
        """
        function = self._read_function()

        def score(truth: Truth, values: Values) -> float:
            return self._call(function, *self._show(target, truth, values))

        wants = "label" if self.response == "predict" else "probabilities"
        return Metric(self.name, self.greater_is_better, score, wants)

    def try_out(self, target: Target, truth: Truth) -> None:
        """Calls the function twice on some training rows with predictions made up near the truth.

        Raises:
            InputError: it raises, returns no finite number (text that looks like one, True, an array and a complex
                number are none), or changes what it is given.
        """
        rows = np.random.default_rng(0).permutation(len(truth))[:_SAMPLE]
        outputs = np.random.default_rng(1).normal(size=(len(rows), len(target.columns)))
        values = target.from_outputs(outputs + 2 * target.make_targets(truth[rows]))
        function = self._read_function()
        for _ in range(2):  # a function that keeps something between calls may fail at the second
            given, before = (self._show(target, truth[rows], values) for _ in range(2))
            self._call(function, *given)
            if not all(np.array_equal(one, other) for one, other in zip(given, before, strict=True)):
                raise self._refuse("changed the arrays that it was given")

    def _call(self, function: Function, true: NDArray[Any], predicted: NDArray[Any]) -> float:
        """Returns what the function makes of the rows, one finite number."""
        try:
            made = function(true, predicted)
        except (Exception, SystemExit) as error:  # whatever a person's own code raises becomes one line
            if isinstance(error, Exception) and is_out_of_memory(error):
                raise
            words = f"raised {type(error).__name__} ({one_line(error)}) on {len(predicted)} rows"
            raise self._refuse(words) from error
        if not _is_number(made):
            shown = " ".join(repr(made).split())[:_SHOWN]
            raise self._refuse(f"returned {type(made).__name__} {shown} on {len(predicted)} rows, and not one number")
        value = float(made)
        if not math.isfinite(value):
            raise self._refuse(f"returned {value} on {len(predicted)} rows")
        return value

    def _show(self, target: Target, truth: Truth, values: Values) -> tuple[NDArray[Any], NDArray[Any]]:
        """Returns truth and predictions as the function takes them: copies, classes by name."""
        predicted = target.decide(values) if self.response == "predict" else values
        if not isinstance(target, OneClass):
            return np.array(truth), np.array(predicted)
        names = np.array(target.columns, dtype=np.object_)
        return names[truth], names[predicted] if self.response == "predict" else np.array(predicted)

    def _read_function(self) -> Function:
        if not self.file.is_file():
            known = [path.name for path in self.file.parent.glob("*.py")] if self.file.parent.is_dir() else []
            near = f"{near_names(self.file.name, known)}; " if known else ""
            raise InputError(
                f"metric.file: {self.file} does not exist; {near}write it as configs/metrics/README.md says, or "
                "correct metric.file in the competition's file"
            )
        spec = importlib.util.spec_from_file_location(f"own_metric_{self.file.stem}", self.file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:  # so does what its file raises when it is read
            raise InputError(
                f"{self.file} cannot be run: {type(error).__name__} ({one_line(error)}); correct it"
            ) from error
        function = getattr(module, self.name, None)
        if not callable(function):
            known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
            raise InputError(f"{self.file} has no function {self.name!r}; {near_names(self.name, known)}")
        made: Function = function
        return made

    def _refuse(self, words: str) -> InputError:
        return InputError(f"metric {self.name} of {self.file} {words}; correct that file")


def _is_number(made: object) -> bool:
    """Says whether a value is one real number: of Python, of NumPy, or an array of no dimension that holds one."""
    if isinstance(made, np.ndarray):
        return made.ndim == 0 and made.dtype.kind in "iuf"
    return isinstance(made, int | float | np.integer | np.floating) and not isinstance(made, bool)
