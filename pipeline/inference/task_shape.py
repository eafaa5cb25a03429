"""Shapes of a competition's images and outputs, from which networks are built."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TaskShape:
    """The shape of a competition's images and classes.

    Attributes:
        stored: side of the images in the image store, in pixels.
        channels: of the stored images.
        n_classes: number of classes.
        dtype: of the grey levels that are read from the store: uint8 or float32.
    """

    stored: int
    channels: int
    n_classes: int
    dtype: str = "uint8"
