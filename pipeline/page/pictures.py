"""Pictures inside the page, as data: alone, in rows, and in titled groups."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.page.markup import Html, tag

_TINY = 64  # sides up to this are kept pixel by pixel, and shown larger
_SHOWN = 96
_QUALITY = 80
NOTHING = Html("")


@dataclass(frozen=True)
class Picture:
    """A picture with its words.

    Attributes:
        pixels: uint8 (height, width), (height, width, 1) or (height, width, 3).
        alt: what it shows, for who cannot see it; never empty.
        caption: a short line below it; none if empty.
        below: what comes between the two, such as `chart.spark`.
    """

    pixels: NDArray[np.uint8]
    alt: str
    caption: str = ""
    below: Html = NOTHING


def pictures(shown: Sequence[Picture], width: int = _SHOWN) -> Html:
    """A flow of pictures.

    Args:
        shown: in order.
        width: of each on the page, in pixels.
    """
    return tag("div", *(_picture(picture, width) for picture in shown), class_="pictures")


def group(title: str, shown: Sequence[Picture], note: str = "", width: int = _SHOWN) -> Html:
    """Pictures that belong together (a pair, a class, draws of one image) below a title and above a note."""
    words = [tag("figcaption", title, *([tag("span", note)] if note else []))] if title or note else []
    return tag("figure", *words, pictures(shown, width), class_="group")


def groups(made: Sequence[Html]) -> Html:
    """Lays groups side by side where there is room."""
    return tag("div", *made, class_="groups")


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """Encodes pixels: tiny pictures without loss (PNG), others as WebP of quality 80."""
    image = Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    buffer = io.BytesIO()
    kind = "png" if max(image.size) <= _TINY else "webp"
    image.save(buffer, kind, **({"optimize": True} if kind == "png" else {"quality": _QUALITY}))
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _picture(picture: Picture, width: int) -> Html:
    height, native = picture.pixels.shape[:2]
    image = tag(
        "img",
        src=data_uri(picture.pixels),
        alt=picture.alt,
        width=width,
        height=round(width * height / native),
        class_="tiny" if max(height, native) <= _TINY else "photo",
    )
    words = [tag("figcaption", picture.caption)] if picture.caption else []
    return tag("figure", image, picture.below, *words, style=f"width:{width}px")
