"""Layouts: how the training and test images of a competition lie in its files."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.core.config import Section
from pipeline.core.file_layouts import ChannelFiles, JoinedRows, KeyedAnswers, Packed, Pattern, Shape
from pipeline.core.picture_formats import PICTURE_FORMATS

IMAGE_SUFFIXES = tuple(suffix for known in PICTURE_FORMATS for suffix in known.suffixes)


class Folders(Section):
    """Training images in one folder per class: ``<images>/<class>/<file>``.

    Attributes:
        images: the folder that holds one folder for each class.
    """

    layout: Literal["folders"]
    images: str


class CsvImages(Section):
    """A table of ids and labels, and images; ids with or without extension.

    Attributes:
        images: a folder, or packed files: see ``packed``.
        table: of any format of rows; a pattern may name several files.
        id: the column that names each image.
        label: the column of the answer; a list of columns where an image has several numbers or targets. Where
            ``target.kind`` is several_labels and names no separator, each row names one label of an image.
        present: the column that says whether the label of such a row is there: 0 and 1, false and true, no and yes.
        group: a column; images with the same cell share a fold.
        file: the column that names each image's file where the id does not.
        files: a path made of columns, of one file or one for each channel.
        packed: how packed files hold the images.
        answers: the table of ``label`` where ``table`` gives a key of it alone (photos of a restaurant); images of one
            key share a fold, also without ``group``.
        rows: the table has a row for each image and number or target, its ids join both; ``label`` lists the parts.
    """

    layout: Literal["csv_images"]
    images: str
    table: str
    id: str
    label: str | tuple[str, ...]
    present: str | None = None
    group: str | None = None
    file: str | None = None
    files: ChannelFiles | None = None
    packed: Packed | None = None
    answers: KeyedAnswers | None = None
    rows: JoinedRows | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The columns of labels: one, or one for each number or target."""
        return (self.label,) if isinstance(self.label, str) else self.label


class CsvOneHot(Section):
    """A table of ids and one column per class, and images.

    Attributes:
        images: a folder, or packed files: see ``packed``.
        table: of any format of rows; a pattern may name several files.
        id: the column that names each image.
        classes: the columns of the classes. Each row marks exactly one of them with 1; any number of them where
            ``target.kind`` is several_labels; where it is vote_shares the columns hold votes.
        group: a column; images with the same cell share a fold.
        file: the column that names each image's file where the id does not.
        files: a path made of columns, of one file or one for each channel.
        packed: how packed files hold the images.
        rows: the table has a row for each image and class, its ids join both; ``classes`` lists the parts.
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
    rows: JoinedRows | None = None

    @field_validator("classes")
    @classmethod
    def _once(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in classes if classes.count(name) > 1})
        if twice:
            raise ValueError(f"classes lists {', '.join(twice)} more than once")
        return classes


class CsvPixels(Section):
    """One row per image, one column per pixel, row after row; or one column whose cells hold all pixels.

    Attributes:
        table: the table of rows.
        label: the column of the answer; a list of columns where an image has several numbers or targets, or where
            columns of 0 and 1 mark its class or labels.
        id: the column of ids; None numbers the rows from ``first_id``.
        first_id: the number of the first row.
        pixels: regular expression for the whole names of the pixel columns.
        shape: (height, width) or (height, width, channels); None takes a square.
        planes: a row holds all values of one channel before those of the next, as CIFAR's files do.
        group: a column; images with the same cell share a fold.
    """

    layout: Literal["csv_pixels"]
    table: str
    label: str | tuple[str, ...]
    id: str | None = None
    first_id: int = 1
    pixels: Pattern = Field(default=r"pixel\d+", description="regular expression of the pixel columns, whole name")
    shape: Shape | None = None
    planes: bool = False
    group: str | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The columns of labels: one, or one for each number or target."""
        return (self.label,) if isinstance(self.label, str) else self.label


class FileNames(Section):
    """The class is in the file name.

    Attributes:
        images: the folder.
        pattern: a regular expression that is searched for in the name; its group ``label`` is the class, its group
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
    if isinstance(layout, CsvOneHot):
        return layout.classes
    return layout.labels if isinstance(layout, CsvImages | CsvPixels) else ()


Train = Annotated[Folders | CsvImages | CsvOneHot | CsvPixels | FileNames, Field(discriminator="layout")]


class TestImages(Section):
    """Test images in a folder or packed, listed by the sample submission, by a table, or by the images themselves.

    Attributes:
        images: a folder, or packed files: see ``packed``.
        listed_by: which list of test images counts.
        table: the table that lists them.
        id: its column of ids.
        file: its column that names each image's file where the id does not.
        group: its column that ties images together where one answer is for several of them.
        files: a path made of columns, of one file or one for each channel.
        packed: how packed files hold the images.
        hidden: the download has no test image: ``images`` is the folder that a notebook finds them in at Kaggle.
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
    """Test images as rows of pixels.

    Attributes:
        table: the table of rows.
        id: the column of ids; None numbers the rows from ``first_id``.
        first_id: the number of the first row.
        pixels: regular expression for the whole names of the pixel columns.
        shape: (height, width) or (height, width, channels); None takes a square.
        planes: a row holds all values of one channel before those of the next.
    """

    layout: Literal["csv_pixels"]
    table: str
    id: str | None = None
    first_id: int = 1
    pixels: Pattern = r"pixel\d+"
    shape: Shape | None = None
    planes: bool = False


Test = Annotated[TestImages | TestPixels, Field(discriminator="layout")]
