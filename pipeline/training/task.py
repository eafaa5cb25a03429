"""One fold of one model, as a task that any trainer takes and any machine could run."""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from pipeline.core.competition import Score
from pipeline.images.views import Views
from pipeline.training.recipes.standalone import DoubtedRows

OnEpoch = Callable[[dict[str, float]], None]


class AnyRecipe(Protocol):
    """What a card wants to know of a recipe, be it a network's or a classic model's."""

    @property
    def peeked(self) -> tuple[str, ...]:
        """Which choices are made on rows whose score is reported."""

    @property
    def teachers(self) -> tuple[str, ...]:
        """Models whose test predictions are learnt from."""

    @property
    def teacher_oof(self) -> str | None:
        """OOF predictions of a teacher whose soft labels are learnt from; None without one."""

    @property
    def oof_files(self) -> tuple[str, ...]:
        """OOF predictions that are learnt from, relative to the repository."""

    @property
    def doubted(self) -> DoubtedRows:
        """What becomes of rows whose labels are doubted."""

    @property
    def seeds(self) -> int | None:
        """Trainings of each fold, each with the next seed; None means as many as ``train.seeds``."""

    @property
    def seed_offset(self) -> int:
        """Added to ``train.seed``."""

    @property
    def is_random(self) -> bool:
        """Whether another seed trains another model."""

    @property
    def views(self) -> Views:
        """What is averaged at prediction."""

    def model_dump(self, *, mode: Literal["json"]) -> dict[str, Any]:
        """Returns the recipe as plain values."""


@dataclass(frozen=True)
class FoldTask:
    """One fold of one model.

    Attributes:
        model: its name.
        fold: which fold is held out.
        recipe: how it is trained.
        prepared: folder of the image stores and indices.
        folds: path of the fold table.
        work: folder of all working folders, git-ignored.
        fingerprint: of all that determines the result; part of the working folder's name.
        score: the metric shown while training.
        seed: the run's seed.
        precision: as `runtime.start_backend` takes and returns it.
        display_name: what lines and errors call it, where that is not the model's name.
    """

    model: str
    fold: int
    recipe: AnyRecipe
    prepared: Path
    folds: Path
    work: Path
    fingerprint: str
    score: Score
    seed: int
    precision: str
    display_name: str = ""

    @property
    def name(self) -> str:
        """What lines and errors call it."""
        return self.display_name or self.model

    @property
    def folder(self) -> Path:
        """The fold's own working folder."""
        return find_fold_folder(self.work, self.model, self.fingerprint, self.fold)


@runtime_checkable
class Trainable(Protocol):
    """A model whose folds can be trained."""

    @property
    def recipe(self) -> AnyRecipe:
        """The recipe as it will run, with every ``auto`` settled."""

    @property
    def precision(self) -> str:
        """The precision that it computes in."""

    @property
    def fingerprint(self) -> str:
        """The digest of all that determines the result."""

    def train(self, task: FoldTask) -> None:
        """Trains one fold.

        Raises:
            NoRoomError: memory ran out; the model set up again takes half as many images a step.
        """

    def score(self, task: FoldTask, on_epoch: OnEpoch) -> float:
        """Trains one fold as far as ``valid.parquet``; returns the seconds that its training took.

        Raises:
            NoRoomError: as `train`.
        """


def find_fold_folder(work: Path, model: str, fingerprint: str, fold: int) -> Path:
    """Returns the working folder of a fold, which need not be there yet."""
    return work / f"{model}-{fingerprint[:16]}" / f"fold{fold}"


def find_lock(folder: Path) -> Path:
    """Returns the file whose lock a process holds while it trains the fold of this folder."""
    return folder.parent / f"{folder.name}.lock"


def describe_machine(hardware: str) -> dict[str, str]:
    """Describes what trained a fold, for its ``done.json``: the hardware, and the machine's name."""
    return {"hardware": hardware, "machine": platform.node()}
