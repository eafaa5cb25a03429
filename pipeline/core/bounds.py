"""Bounds of counts in files that people write: far above what anybody needs, far below what a machine cannot hold.

A count that a slip of the hand made ten thousand times too large ends in one line, not in a training without end, a
process for every number or memory that runs out.
"""

from typing import Annotated

from pydantic import Field

Width = Annotated[int, Field(ge=1, le=65_536)]  # neurons of a layer, filters, features of a token
Depth = Annotated[int, Field(ge=1, le=1_000)]  # layers, blocks, heads of attention
Side = Annotated[int, Field(ge=1, le=2_048)]  # of a kernel or a patch in pixels
Epochs = Annotated[int, Field(ge=1, le=100_000)]
Rounds = Annotated[int, Field(ge=1, le=1_000_000)]  # iterations of a solver, trees, neighbours, rows
BatchSize = Annotated[int, Field(ge=1, le=65_536)]  # images a step
Workers = Annotated[int, Field(ge=1, le=1_024)]  # processes
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]  # what NumPy and scikit-learn take
