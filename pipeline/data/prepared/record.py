"""The record: one image of a competition, as its files name it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One image of a competition.

    Attributes:
        id: as the competition writes it.
        source: path of its file below the source's folder; ``<file>:<row>`` (from 1) where files pack images; empty for
            a test row without an image, whose picture is black.
        label: class name, or the cell of another kind of target (see `core.targets.contract`); None for a test image.
        group: what the user says must not be torn apart; empty for none.
        others: paths of its further files, where each channel has one.
        unit: what one answer is for, where that is for several images; empty for none.
    """

    id: str
    source: str
    label: str | None = None
    group: str = ""
    others: tuple[str, ...] = ()
    unit: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """All its files, in the order of the channels."""
        return (self.source, *self.others) if self.source else ()
