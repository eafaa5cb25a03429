"""Files of images that are not one file per image: packed ones, one for each channel, and answers kept apart."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from pipeline.core.config import Section
from pipeline.core.confined import check_pattern
from pipeline.core.units import require_groups

CHANNEL = "channel"  # what stands for the number of a channel in the path of its file


_MOST_PIXELS = 1 << 16  # along one side


def _check_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) not in (2, 3) or min(shape) < 1 or max(shape) > _MOST_PIXELS:
        raise ValueError(f"shape must be [height, width] or [height, width, channels], got {list(shape)}")
    return shape


Pattern = Annotated[str, AfterValidator(check_pattern)]
Shape = Annotated[tuple[int, ...], AfterValidator(_check_shape)]


class Packed(Section):
    """How files that pack many images hold them: one row or entry per image (`data/containers/formats.py`).

    Attributes:
        id: the column of the ids; None takes the layout's id column, else the entries' names, else the order of the
            rows.
        columns: cells that hold the picture: None takes the only column that holds one; several are its channels.
        pixels: regular expression for the whole names of the columns that hold the picture's numbers.
        shape: (height, width) or (height, width, channels), where neither the cells nor a square tell.
    """

    id: str | None = None
    columns: tuple[str, ...] | None = Field(default=None, min_length=1)
    pixels: Pattern | None = None
    shape: Shape | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "Packed":
        if self.columns is not None and self.pixels is not None:
            raise ValueError("columns and pixels are two ways to name the picture; remove one")
        return self


class ChannelFiles(Section):
    """Images of several files, each a channel, or files whose paths are made of columns of their table.

    Attributes:
        path: that of a file below ``images``: ``{column}`` stands for the cell of a row (``{id}`` for the id column),
            ``{channel}`` for each of ``channels`` in turn.
        channels: what ``{channel}`` stands for; without them one file makes the image.
    """

    path: str
    channels: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """The columns that the path is made of, ``id`` included, without repetition."""
        return [name for name in dict.fromkeys(re.findall(r"{([^{}]*)}", self.path)) if name != CHANNEL]

    @field_validator("channels", mode="before")
    @classmethod
    def _as_text(cls, channels: object) -> object:
        return tuple(str(name) for name in channels) if isinstance(channels, list | tuple) else channels

    @model_validator(mode="after")
    def _channels_with_their_place(self) -> "ChannelFiles":
        if not self.columns:
            raise ValueError("path names no column, so that all rows would share a file; write {id} or another column")
        if bool(self.channels) != (f"{{{CHANNEL}}}" in self.path):
            raise ValueError("channels go with {channel} in path: give both or neither")
        if len(set(self.channels)) < len(self.channels):
            raise ValueError("channels lists a name more than once")
        return self


class JoinedRows(Section):
    """Rows of a table whose id joins an image and a label, target or number: one row for each of them.

    Attributes:
        pattern: a regular expression for the whole id, with the groups ``image`` and ``part``.
        value: the column of the answers.
    """

    pattern: str
    value: str

    @field_validator("pattern")
    @classmethod
    def _names_both(cls, pattern: str) -> str:
        return require_groups(pattern, "image", "part")


class KeyedAnswers(Section):
    """Answers in a table of their own, one row for each value of a column of both tables.

    Attributes:
        table: holds the columns of ``label``; the table of images says which key each image is of.
        key: the column that both tables have.
    """

    table: str
    key: str
