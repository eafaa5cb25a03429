"""Storage: how the images of a competition are kept, and what is taken of their files."""

from math import isqrt
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.core.config import Section


class Storage(Section):
    """How images are kept: decoded once, at one size.

    Attributes:
        size: side of the stored images in pixels.
        channels: 1 (grey), 3 (RGB) or the number of bands.
        dtype: the type of the stored values: 8 bits, or 16 for pictures of more than 8.
        resize: ``crop`` cuts the longer side, ``pad`` fills the shorter one with black, ``stretch`` ignores the shape.
        range: which values of files of more than 8 bits become black and white: what the type can hold, the smallest
            and largest value or the percentiles 0.5 and 99.5 of each picture, the window that a DICOM file names, or
            two values.
        frame: which is taken of files with several.
        bands: those that become the channels, counted from 1.
        level: which size of a whole-slide TIFF is read, from 0, the largest.
        tiles: makes a mosaic of tiles instead of the whole picture: the ``dark``est ones, those of the strongest
            ``colour``, or tiles with tissue spread ``even``ly.
        tile_count: tiles of the mosaic, a square number.
        tile_size: their side in pixels.
        slices: for images that are folders of slices, as a DICOM series: the ``middle`` one, one for each channel from
            all over the folder (``spread``), the ``mean`` of some, or a ``mosaic`` of them.
        slice_count: slices of a mean or a mosaic, a square number.
    """

    size: int = Field(ge=4, le=2048)
    channels: int = Field(default=3, ge=1, le=64)
    dtype: Literal["uint8", "uint16", "float16"] = "uint8"
    resize: Literal["crop", "pad", "stretch"] = "crop"
    range: Literal["dtype", "data", "percentile", "window"] | tuple[float, float] = "dtype"
    frame: Literal["first", "middle"] = "first"
    bands: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    level: int = Field(default=0, ge=0, le=20)
    tiles: Literal["dark", "colour", "even"] | None = None
    tile_count: int = Field(default=16, ge=4, le=1024)
    tile_size: int = Field(default=128, ge=16, le=2048)
    slices: Literal["middle", "spread", "mean", "mosaic"] | None = None
    slice_count: int = Field(default=16, ge=4, le=256)

    @field_validator("tile_count", "slice_count")
    @classmethod
    def _square(cls, count: int) -> int:
        if isqrt(count) ** 2 != count:
            raise ValueError(f"must be a square number, such as {isqrt(count) ** 2}, got {count}")
        return count

    @field_validator("range")
    @classmethod
    def _in_order(cls, range: str | tuple[float, float]) -> str | tuple[float, float]:
        if not isinstance(range, str) and range[0] >= range[1]:
            raise ValueError(f"the first value ({range[0]:g}) must be less than the second ({range[1]:g})")
        return range

    @model_validator(mode="after")
    def _a_channel_for_each_band(self) -> "Storage":
        if self.bands is not None and len(self.bands) != self.channels:
            raise ValueError(f"bands names {len(self.bands)} bands, but channels is {self.channels}")
        if self.level and self.frame != "first":
            raise ValueError("level takes a size of one picture, frame one of several pictures: keep one of them")
        across = isqrt(self.slice_count)
        if self.slices == "mosaic" and self.size % across:
            raise ValueError(
                f"a mosaic of {self.slice_count} slices is {across} wide, and size {self.size} is no multiple of that; "
                f"set size: {max(self.size // across, 1) * across}"
            )
        if self.slices is not None and (self.level or self.tiles is not None or self.bands is not None):
            raise ValueError("slices goes with neither level, tiles nor bands: keep one of them")
        return self
