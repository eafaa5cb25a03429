"""Pictures inside the page, encoded as data: alone, in rows, and in titled groups."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.core.arrays import make_displayed, round_levels
from pipeline.page.markup import Html, tag

_TINY = 64  # sides up to this are kept pixel by pixel, and shown larger
_WIDTH = 96
_QUALITY = 80
NOTHING = Html("")


@dataclass(frozen=True)
class Picture:
    """A picture with its alternative text and caption.

    Attributes:
        pixels: uint8 (height, width), (height, width, channels); of more than three the first three show.
        alt: what it shows, for readers who cannot see it; never empty.
        caption: a short line below it; none if empty.
        below: what comes between the two, such as `chart.render_sparkline`.
    """

    pixels: NDArray[np.uint8]
    alt: str
    caption: str = ""
    below: Html = NOTHING


def render_pictures(row: Sequence[Picture], width: int = _WIDTH) -> Html:
    """Renders pictures in a row that wraps.

    Args:
        row: the pictures, in reading order.
        width: of each on the page, in pixels.
    """
    return tag("div", *(_render_picture(picture, width) for picture in row), class_="pictures")


def render_picture_group(title: str, row: Sequence[Picture], note: str = "", width: int = _WIDTH) -> Html:
    """Renders pictures that belong together (a pair, a class, draws of one image) below a title and a note."""
    words = [tag("figcaption", title, *([tag("span", note)] if note else []))] if title or note else []
    return tag("figure", *words, render_pictures(row, width), class_="group")


def render_side_by_side(groups: Sequence[Html]) -> Html:
    """Renders groups side by side where there is room."""
    return tag("div", *groups, class_="groups")


def encode_data_uri(pixels: NDArray[np.uint8]) -> str:
    """Encodes pixels: tiny pictures without loss (PNG), others as WebP of quality 80."""
    shown = round_levels(make_displayed(pixels) if pixels.ndim == 3 else pixels)
    image = Image.fromarray(shown[..., 0] if shown.ndim == 3 and shown.shape[2] == 1 else shown)
    buffer = io.BytesIO()
    kind = "png" if max(image.size) <= _TINY else "webp"
    image.save(buffer, kind, **({"optimize": True} if kind == "png" else {"quality": _QUALITY}))
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _render_picture(picture: Picture, width: int) -> Html:
    height, native = picture.pixels.shape[:2]
    image = tag(
        "img",
        src=encode_data_uri(picture.pixels),
        alt=picture.alt,
        width=width,
        height=round(width * height / native),
        class_="tiny" if max(height, native) <= _TINY else "photo",
    )
    words = [tag("figcaption", picture.caption)] if picture.caption else []
    return tag("figure", image, picture.below, *words, style=f"width:{width}px")
