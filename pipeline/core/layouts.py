"""Layouts: how the training and test images of a competition lie in its files."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.core.config import Section
from pipeline.core.picture_formats import PICTURE_FORMATS

IMAGE_SUFFIXES = tuple(suffix for known in PICTURE_FORMATS for suffix in known.suffixes)
CHANNEL = "channel"  # what stands for the number of a channel in the path of its file


class Folders(Section):
    """Training images in one folder per class: ``<images>/<class>/<file>``."""

    layout: Literal["folders"]
    images: str


class Packed(Section):
    """How files that pack many images hold them: one row or entry per image (`data/containers/formats.py`).

    ``id`` is the column of the ids; None takes the layout's id column, else the entries' names, else the order of the
    rows. The image of a row is the cell of ``columns`` (the only one that holds a picture; several are its channels),
    or the numbers of the columns whose whole names fit ``pixels``. ``shape`` is (height, width) or (height, width,
    channels), where neither the cells nor a square tell.
    """

    id: str | None = None
    columns: tuple[str, ...] | None = Field(default=None, min_length=1)
    pixels: str | None = None
    shape: tuple[int, ...] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "Packed":
        if self.columns is not None and self.pixels is not None:
            raise ValueError("columns and pixels are two ways to name the picture; remove one")
        if self.pixels is not None:
            try:
                re.compile(self.pixels)
            except re.error as error:
                raise ValueError(f"pixels is not a regular expression ({error})") from error
        if self.shape is not None and (len(self.shape) not in (2, 3) or min(self.shape) < 1):
            raise ValueError(f"shape must be [height, width] or [height, width, channels], got {list(self.shape)}")
        return self


class ChannelFiles(Section):
    """Images of several files, each a channel, or files whose paths are made of columns of their table.

    ``path`` is that of a file below ``images``: ``{column}`` stands for the cell of a row (``{id}`` for the id column),
    ``{channel}`` for each of ``channels`` in turn. Without ``channels`` one file makes the image.
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


class KeyedAnswers(Section):
    """Answers that stand in a table of their own, one row for each value of ``key``, a column of both tables.

    ``table`` holds the columns of ``label``, the table of images says which key each image is of.
    """

    table: str
    key: str


class CsvImages(Section):
    """A table of ids and labels beside images; ids with or without extension.

    ``table`` may be of any format of rows, a pattern of several files included; ``images`` is a folder, or packed files
    (`Packed`). ``file`` is the column that names each image where the id does not; ``files`` a
    path made of columns, of one file or one for each channel (`ChannelFiles`).
    ``label`` is the column of the answer; a list of columns where an image has several numbers or targets. Where
    ``target.kind`` is several_labels and names no separator, each row names one label of an image.
    ``answers`` is the table of ``label`` where ``table`` gives a key of it alone (photos of a restaurant); images of
    one key share a fold, also without ``group``.
    """

    layout: Literal["csv_images"]
    images: str
    table: str
    id: str
    label: str | tuple[str, ...]
    group: str | None = None
    file: str | None = None
    files: ChannelFiles | None = None
    packed: Packed | None = None
    answers: KeyedAnswers | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The columns of labels: one, or one for each number or target."""
        return (self.label,) if isinstance(self.label, str) else self.label


class CsvOneHot(Section):
    """A table of ids and one column per class beside images.

    ``classes`` names these columns. Each row marks exactly one of them with 1; any number of them where ``target.kind``
    is several_labels; where it is vote_shares the columns hold votes.
    """

    layout: Literal["csv_one_hot"]
    images: str
    table: str
    id: str
    classes: tuple[str, ...] = Field(min_length=2)
    group: str | None = None
    file: str | None = None
    files: ChannelFiles | None = None
    packed: Packed | None = None

    @field_validator("classes")
    @classmethod
    def _once(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in classes if classes.count(name) > 1})
        if twice:
            raise ValueError(f"classes lists {', '.join(twice)} more than once")
        return classes


class CsvPixels(Section):
    """One row per image, one column per pixel, row after row.

    ``id`` None numbers the rows from ``first_id``; ``shape`` is (height, width) or (height, width, channels); with
    ``planes`` a row holds all values of one channel before those of the next, as CIFAR's files do.
    """

    layout: Literal["csv_pixels"]
    table: str
    label: str
    id: str | None = None
    first_id: int = 1
    pixels: str = Field(default=r"pixel\d+", description="regular expression of the pixel columns, whole name")
    shape: tuple[int, ...] | None = None
    planes: bool = False
    group: str | None = None


class FileNames(Section):
    """The class stands in the file name.

    ``pattern`` is a regular expression that is searched for in the name; its group ``label`` is the class, its group
    ``group``, if it has one, ties images together.
    """

    layout: Literal["file_names"]
    images: str
    pattern: str

    @field_validator("pattern")
    @classmethod
    def _names_a_label(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"pattern is not a regular expression ({error})") from error
        if "label" not in groups:
            raise ValueError(r"pattern needs a group named label, such as (?P<label>\w+)\.\d+")
        return pattern


def list_answer_columns(layout: "Train") -> tuple[str, ...]:
    """Lists the columns of the training table that hold the answer; none where folders or file names do."""
    if isinstance(layout, CsvImages):
        return layout.labels
    if isinstance(layout, CsvOneHot):
        return layout.classes
    return (layout.label,) if isinstance(layout, CsvPixels) else ()


Train = Annotated[Folders | CsvImages | CsvOneHot | CsvPixels | FileNames, Field(discriminator="layout")]


class TestImages(Section):
    """Test images in a folder or packed, listed by the sample submission, by a table, or by the images themselves.

    ``file`` is the column of the table that names each image where the id does not, ``files`` a path made of columns,
    ``group`` the one that ties images together where one answer is for several of them; ``hidden`` says that the
    download has no test image: ``images`` is the folder that a notebook finds them in at Kaggle.
    """

    layout: Literal["images"]
    images: str
    listed_by: Literal["sample_submission", "table", "folder"] = "sample_submission"
    table: str | None = None
    id: str | None = None
    file: str | None = None
    group: str | None = None
    files: ChannelFiles | None = None
    packed: Packed | None = None
    hidden: bool = False

    @model_validator(mode="after")
    def _table_and_id(self) -> "TestImages":
        if self.hidden and (self.listed_by == "folder" or self.packed is not None):
            raise ValueError("hidden test images are listed by the sample submission or a table, and packed in nothing")
        if self.listed_by == "table" and (self.table is None or self.id is None):
            raise ValueError("listed_by: table needs table and id")
        if self.files is not None and (self.listed_by == "folder" or self.file is not None):
            raise ValueError("files makes paths of a table's columns: remove file, and listed_by: folder")
        for key, column in (("file", self.file), ("group", self.group)):
            if column is not None and self.listed_by != "table":
                raise ValueError(f"{key} names a column of the table: set listed_by: table, or remove {key}")
        return self


class TestPixels(Section):
    """Test images as rows of pixels; without ``id`` the rows are numbered from ``first_id``."""

    layout: Literal["csv_pixels"]
    table: str
    id: str | None = None
    first_id: int = 1
    pixels: str = r"pixel\d+"
    shape: tuple[int, ...] | None = None
    planes: bool = False


Test = Annotated[TestImages | TestPixels, Field(discriminator="layout")]
