"""Recipes that learn from training rows alone: no choice on the fold scored, no other model's predictions."""

from pipeline.core.config import Section


class StandaloneRecipe(Section):
    """What a training has to know of any recipe, for those that learn from their own training rows alone.

    Attributes:
        more_rows: whether the competition's rows from elsewhere train, too.
    """

    more_rows: bool = True

    @property
    def peeked(self) -> tuple[str, ...]:
        """Which choices are made on the fold whose score is reported: none."""
        return ()

    @property
    def oof_files(self) -> tuple[str, ...]:
        """OOF predictions that are learnt from, relative to the repository: none."""
        return ()

    @property
    def teachers(self) -> tuple[str, ...]:
        """Models whose test predictions are learnt from, as training rows: none."""
        return ()
