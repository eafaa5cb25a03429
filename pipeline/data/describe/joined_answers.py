"""Answers of a key: a table of labels that the training images share through a column (photos of a restaurant)."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Choices
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.test_tables import WIDE


@dataclass(frozen=True)
class JoinedAnswers:
    """A table of images with the answers of another one joined to its rows.

    Attributes:
        table: its columns and those of the answers.
        path: of the table of answers.
        key: the column that both tables have.
        labels: the columns of answers.
    """

    table: pd.DataFrame
    path: str
    key: str
    labels: tuple[str, ...]

    @property
    def facts(self) -> tuple[str, ...]:
        """As read from the files."""
        count = self.table[self.key].nunique()
        return (
            f"{self.path} holds {some(self.labels)} of {count:,} values of {self.key}, which {len(self.table):,} "
            "images share: they share a fold, too",
        )


def find_joined_answers(
    listing: Listing, path: str, tables: Sequence[str], sample: SampleSubmission, choices: Choices
) -> JoinedAnswers | None:
    """Finds the table that holds what the sample asks for, where a table of images names its key alone.

    Args:
        listing: the files.
        path: of the table of images.
        tables: those that may hold answers.
        sample: the sample submission, whose columns (or ``--label``) are the wanted ones.
        choices: ``label`` decides.

    Returns:
        None where the table of images holds the answers itself, or no other one does.

    Raises:
        InputError: several tables or keys tell answers that differ.
    """
    columns = {str(name) for name in listing.head(path).columns}
    wanted = [name.strip() for name in (choices.label or "").split(",") if name.strip()] or list(sample.columns[1:])
    if not wanted or columns.intersection(wanted):
        return None
    found: list[JoinedAnswers] = []
    for other in tables:
        names = {str(name) for name in listing.head(other).columns}
        if other == path or len(names) > WIDE or not names.issuperset(wanted):
            continue
        for key in sorted(names & columns):
            joined = _join(listing, path, other, key, wanted)
            if joined is not None:
                found.append(joined)
    if any(not each.table[wanted].equals(found[0].table[wanted]) for each in found):
        ways = [f"{each.path} by {each.key}" for each in found]
        raise InputError(
            f"{some(wanted)} of the images of {path} can be read from {some(ways)}, which differ; write "
            "train.answers by hand (docs/competitions.md), or leave one of the tables out"
        )
    return found[0] if found else None


def _join(listing: Listing, path: str, other: str, key: str, wanted: Sequence[str]) -> JoinedAnswers | None:
    """Joins by a column that tells the rows of the answers apart and is repeated over images; None where it is not."""
    images, answers = listing.table(path), listing.table(other)
    if answers[key].duplicated().any() or not images[key].duplicated().any():
        return None
    if not set(images[key]) <= set(answers[key]):
        return None
    labels = answers.set_index(key).loc[images[key], list(wanted)].set_axis(images.index)
    return JoinedAnswers(pd.concat([images, labels], axis=1), other, key, tuple(wanted))
