"""Recipes that learn from training rows alone: no choice on the fold scored, no other model's predictions."""

from typing import Literal

from pydantic import Field

from pipeline.core.bounds import SeedCount, SeedOffset
from pipeline.core.config import Section

DoubtedRows = Literal["keep", "drop", "relabel"]


class StandaloneRecipe(Section):
    """What a training has to know of any recipe, for those that learn from their own training rows alone.

    Attributes:
        more_rows: whether the competition's rows from elsewhere train, too.
        doubted: of the rows in ``configs/doubted/<competition>.csv``: ``keep`` trains on them as they are labelled,
            ``drop`` leaves them out of training, ``relabel`` trains on the class ``predicted``; all are validated as
            they are labelled.
        seeds: trainings of each fold, each with the next seed; None means as many as ``train.seeds``. A model in which
            nothing is random is trained once.
        seed_offset: added to ``train.seed``: a copy of a model's file with it is another model, with other luck.
    """

    more_rows: bool = True
    doubted: DoubtedRows = "keep"
    seeds: SeedCount | None = Field(default=None, exclude_if=lambda seeds: seeds is None)
    seed_offset: SeedOffset = Field(default=0, exclude_if=lambda offset: offset == 0)

    @property
    def is_random(self) -> bool:
        """Whether another seed trains another model: none of what is fitted here draws anything."""
        return False

    @property
    def peeked(self) -> tuple[str, ...]:
        """Which choices are made on the fold whose score is reported: none."""
        return ()

    @property
    def teacher_oof(self) -> str | None:
        """OOF predictions of a teacher whose soft labels are learnt from: none."""
        return None

    @property
    def oof_files(self) -> tuple[str, ...]:
        """OOF predictions that are learnt from, relative to the repository: none."""
        return ()

    @property
    def teachers(self) -> tuple[str, ...]:
        """Models whose test predictions are learnt from, as training rows: none."""
        return ()
