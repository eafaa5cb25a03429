"""Measured recipes: their costs and scores, carried over to a competition on which they were not measured.

The table is ``configs/measured_recipes.csv``: one row per recipe and competition, written by
``python -m benchmarks.measured_recipes``. Looking up what worked on similar data instead of searching from nothing:
Öztürk et al. 2022, Zero-Shot AutoML with Pretrained Models, https://arxiv.org/abs/2206.08476; Pineda Arango et al.
2023, Quick-Tune, https://arxiv.org/abs/2306.03828. Theirs learn a model over thousands of trainings; here a weighted
mean is read from a few dozen, which a person can check.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

from pipeline.core.competition import load_competition
from pipeline.core.config import Section, parse
from pipeline.core.errors import InputError
from pipeline.core.paths import index_path, measured_recipes_path
from pipeline.core.tables import read_index

Work: TypeAlias = Literal["step", "backbone", "pass", "other"]
UNKNOWN = 3.0  # relative error of a recipe of which nothing is known
PASS_MARK = "\n"  # in the name of features: behind the network and its input, before what else tells passes apart
_START = 16.0  # seconds of a training that do not grow with the images: imports, five networks; half of a row's at most
_DOUBT = 0.1  # weight of that beside the table's rows; a row of data of the same size has 1


@dataclass(frozen=True)
class DataSize:
    """How much data a competition has: stored pixels of the shorter side, and training images."""

    side: int
    images: int


@dataclass(frozen=True)
class TrainingLength:
    """How long a network trains.

    Attributes:
        base: the model whose file says so.
        whole: epochs of its last phase.
        before: epochs of the phases before that, of the head alone.
        epochs: of ``whole``, those that are trained.
        seed: added to that of the run.
    """

    base: str
    whole: int
    before: int
    epochs: int
    seed: int = 0

    @property
    def share(self) -> float:
        """Part of the epochs."""
        return self.epochs / self.whole

    @property
    def again(self) -> bool:
        """Whether it is a training of what another seed has trained."""
        return self.seed > 0

    @property
    def family(self) -> str:
        """Names the trainings of which one is enough: those of a model and seed, whatever their epochs."""
        return f"{self.base}, seed {self.seed}" if self.seed else self.base


@dataclass(frozen=True)
class ModelFacts:
    """What a plan has to know of a model's file.

    Attributes:
        by_pixels: whether it sees images as they are stored, so that its seconds grow with their pixels, too.
        backbones: names of the frozen backbones whose features a head reads, as of their passes over the images.
        length: how long it trains, where fewer epochs make a model, too; None where not.
        work: what its seconds go by beside passes through frozen layers: steps of a network from scratch; of a whole
            pretrained one; passes, as those of a head and of upper blocks do; or what no backend computes.
    """

    by_pixels: bool
    backbones: frozenset[str] = frozenset()
    length: TrainingLength | None = None
    work: Work = "other"


class MeasuredRecipe(Section):
    """A row of the table.

    Attributes:
        recipe: a file under configs/models.
        competition: where it was measured.
        side: pixels of its stored images' shorter side.
        images: its training images.
        error: share of images classified wrong, out-of-fold.
        seconds: of training all folds, features included.
        features: of these, the seconds of passes by frozen layers: of backbones, which recipes share, or of a prefix; 0
            where it has none.
    """

    recipe: str
    competition: str
    side: int
    images: int
    error: float
    seconds: float
    features: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """What a recipe is expected to do.

    Attributes:
        relative_error: its error, where the best recipe of the table would have 1.
        seconds: of training all folds on a machine like that of the table.
        rows: rows of the table behind it.
        features: seconds of the passes by frozen layers among those.
        backbones: names of the frozen backbones whose features it reads.
        length: how long it trains; None where its epochs cannot be fewer.
        start: of the seconds, those that grow neither with the images nor with the epochs.
    """

    relative_error: float
    seconds: float
    rows: int
    features: float = 0.0
    backbones: frozenset[str] = frozenset()
    length: TrainingLength | None = None
    start: float = 0.0

    @property
    def again(self) -> bool:
        """Whether it is of a training of what another seed has trained."""
        return self.length is not None and self.length.again


def measure_size(root: Path) -> DataSize:
    """Measures the active competition, which must be prepared."""
    side = load_competition(root).storage.size
    return DataSize(side, len(read_index(index_path(root, "train"))))


def read_measured_recipes(root: Path) -> tuple[MeasuredRecipe, ...]:
    """Reads the table.

    Raises:
        InputError: no such file, or a row that does not fit.
    """
    path = measured_recipes_path(root)
    if not path.is_file():
        raise InputError(f"{path} does not exist; restore it: git checkout configs/measured_recipes.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return tuple(_read_row(row, f"{path}, row {number}") for number, row in enumerate(rows, 1))


def _read_row(row: dict[str, str], place: str) -> MeasuredRecipe:
    try:
        numbers = {key: int(row[key]) for key in ("side", "images")}
        shares = {key: float(row[key]) for key in ("error", "seconds")}
        features = float(row["features"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{place}: side, images, error, seconds and features must be numbers, got {row}") from error
    if min(*numbers.values(), *shares.values()) <= 0 or not math.isfinite(sum(shares.values())):
        raise InputError(f"{place}: numbers must be above 0, got {row}")
    if not 0 <= features <= shares["seconds"]:
        raise InputError(f"{place}: features must be from 0 to seconds, got {row}")
    return parse({**row, **numbers, **shares, "features": features}, MeasuredRecipe, place)


def estimate_recipe(
    recipe: str, size: DataSize, table: Sequence[MeasuredRecipe], by_pixels: bool = False
) -> Estimate | None:
    """Carries a recipe's rows over to a competition of another size: means of logarithms, the nearer the heavier.

    The fewer and the farther the rows, the nearer is the error to that of a recipe of which nothing is known.

    Args:
        recipe: a file under configs/models.
        size: of the competition.
        table: of measured recipes.
        by_pixels: whether it sees images as they are stored, so that its seconds grow with their pixels, too.

    Returns:
        None where the table knows nothing of the recipe.
    """
    best: dict[str, float] = defaultdict(lambda: math.inf)
    for row in table:
        best[row.competition] = min(best[row.competition], row.error)
    rows = [row for row in table if row.recipe == recipe]
    if not rows:
        return None
    weights = [_nearness(row, size) for row in rows]
    errors = [math.log(row.error / best[row.competition] / UNKNOWN) for row in rows]
    power = 2 if by_pixels else 0
    start = min(_START, *(row.seconds / 2 for row in rows))
    growth = [size.images / row.images * (size.side / row.side) ** power for row in rows]
    seconds = [math.log((row.seconds - start) * times) for row, times in zip(rows, growth, strict=True)]
    whole = sum(weights)
    expected = start + math.exp(sum(w * s for w, s in zip(weights, seconds, strict=True)) / whole)
    return Estimate(
        relative_error=UNKNOWN * math.exp(sum(w * e for w, e in zip(weights, errors, strict=True)) / (whole + _DOUBT)),
        seconds=expected,
        rows=len(rows),
        features=expected * sum(row.features for row in rows) / sum(row.seconds for row in rows),
        start=start,
    )


@cache
def list_networks(backbones: frozenset[str]) -> frozenset[str]:
    """Lists the frozen networks, each with its input: its inner layers say little that its last layer does not."""
    return frozenset(name.partition(PASS_MARK)[0] for name in backbones)


def _nearness(row: MeasuredRecipe, size: DataSize) -> float:
    return math.exp(-abs(math.log(row.side / size.side)) - 0.5 * abs(math.log(row.images / size.images)))
