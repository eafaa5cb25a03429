"""Bounds of counts in files that people write: far above what anybody needs, far below what a machine cannot hold.

A count that a slip of the hand made ten thousand times too large ends in one line, not in a training without end, a
process for every number or memory that runs out.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

Width = Annotated[int, Field(ge=1, le=65_536)]  # neurons of a layer, filters, features of a token
Depth = Annotated[int, Field(ge=1, le=1_000)]  # layers, blocks, heads of attention
Side = Annotated[int, Field(ge=1, le=2_048)]  # of a kernel or a patch in pixels
Epochs = Annotated[int, Field(ge=1, le=100_000)]
Rounds = Annotated[int, Field(ge=1, le=1_000_000)]  # iterations of a solver, trees, neighbours, rows
BatchSize = Annotated[int, Field(ge=1, le=65_536)]  # images a step
Workers = Annotated[int, Field(ge=1, le=1_024)]  # processes
SeedCount = Annotated[int, Field(ge=1, le=100)]  # trainings of a fold
SeedOffset = Annotated[int, Field(ge=0, le=1_000_000)]  # added to a seed
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]  # what NumPy and scikit-learn take


def _read_auto(value: object) -> object:
    return None if value == "auto" else value


def _read_all(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)  # YAML has lists; what a validator returns is no longer taken for YAML
    return None if value == "all" else value


# Words where nothing is set: DVC writes an empty place for every null of a file that `dvc exp run -S` changes.
_Hours = Annotated[float, Field(gt=0.0)]
_Folds: TypeAlias = tuple[int, ...]
_Names: TypeAlias = tuple[str, ...]
AutoWorkers = Annotated[
    Workers | None, BeforeValidator(_read_auto, json_schema_input_type=Workers | Literal["auto"] | None)
]
AutoHours = Annotated[
    _Hours | None, BeforeValidator(_read_auto, json_schema_input_type=_Hours | Literal["auto"] | None)
]
AutoText = Annotated[str | None, BeforeValidator(_read_auto)]
AllFolds = Annotated[_Folds | None, BeforeValidator(_read_all, json_schema_input_type=_Folds | Literal["all"] | None)]
AllNames = Annotated[_Names | None, BeforeValidator(_read_all, json_schema_input_type=_Names | Literal["all"] | None)]
