"""Charts: drawn by matplotlib, written as SVG into the page, in colours that follow the light or dark theme.

Draw with the colours below: in the SVG each becomes a CSS variable of `style.css`. Pure black and white stay what they
are, for text on a heat map. Text stays text, in the page's own font.
Reference: https://jfly.uni-koeln.de/color (Okabe and Ito's palette)
"""

import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.page.markup import Html, tag

INK, SOFT, LINE, PAPER = "#1f2329", "#5a636f", "#d9dee5", "#fdfdfe"
BLUE, ORANGE, GREEN, PURPLE, SKY, RED, GREY, OLIVE, VIOLET, BROWN = CATEGORIES = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#7a838f",
    "#a89a00",
    "#6a3d9a",
    "#8c510a",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")  # with CATEGORIES: 80 series that differ without colour, too
HEAT = "cividis"  # perceptually uniform, and the same to colour-blind readers
_PHONE = 3.65  # inches: 350 pixels, which a phone of 390 has beside its margins
_PHONE_NAME = 16  # characters
_VARIABLES = {INK: "--ink", SOFT: "--soft", LINE: "--line", PAPER: "--paper"} | {
    colour: f"--c{number}" for number, colour in enumerate(CATEGORIES)
}
_COLOUR = re.compile("|".join(_VARIABLES))
_ID = re.compile(r'(\bid="|href="#|url\(#)([^")]+)')
_STYLE = Path(__file__).with_name("chart.mplstyle")  # its colours are the first four above


@contextmanager
def open_chart(width: float, height: float) -> Iterator[Figure]:
    """Yields an empty figure of the page's style; draw inside the block, then call `render_chart`.

    Args:
        width: in inches; 7.5 fills a column.
        height: in inches.
    """
    with rc_context(fname=_STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def render_chart(figure: Figure, name: str, about: str, phone: Literal["redrawn", "scrolled"] = "redrawn") -> Html:
    """Renders a figure as SVG; one wider than a phone is drawn a second time, as wide as a phone, in letters as large.

    Args:
        figure: drawn within `open_chart`.
        name: its caption, and its accessible name; differs from those of other figures on the page.
        about: the main numbers in a sentence, for readers who cannot see it.
        phone: ``scrolled`` leaves a chart of many columns as wide as it is; what stands left of its axes stays in view.
    """
    width, height = figure.get_size_inches()
    drawn = [_draw_scrolled(figure, name, about, frozen=phone == "scrolled")]
    if width > _PHONE and phone == "redrawn":
        figure.set_size_inches(_PHONE, max(height, 0.62 * _PHONE))
        _shorten_rows(figure)
        narrow = _adapt_svg(_save_svg(figure, name), name, about, " on a phone")
        drawn = [tag("div", *drawn, class_="wide"), tag("div", narrow, class_="narrow")]
    return tag("figure", tag("figcaption", name), *drawn, class_="chart")


def _shorten_rows(figure: Figure) -> None:
    """Leaves a phone's chart more room than the names of its rows."""
    for axes in figure.axes:
        names = [label.get_text() for label in axes.get_yticklabels()]
        if max(map(len, names), default=0) > _PHONE_NAME:
            axes.set_yticks(axes.get_yticks(), [shorten_label(name, _PHONE_NAME) for name in names])


def _draw_scrolled(figure: Figure, name: str, about: str, frozen: bool) -> Html:
    """Draws a figure into a box that scrolls sideways where there is no room; ``frozen`` keeps row labels in view."""
    svg = _adapt_svg(_save_svg(figure, name), name, about)
    if not frozen:
        return tag("div", svg, class_="scroll", data_label=name)
    width, height = (72 * side for side in figure.get_size_inches())
    left = width * min(axes.get_position().x0 for axes in figure.axes)
    labels = tag(
        "svg",
        tag("use", href=f"#{_mark(name)}-figure_1"),
        viewBox=f"0 0 {left:.1f} {height:.1f}",
        width=round(left * 4 / 3),
        height=round(height * 4 / 3),
        class_="frozen",
        aria_hidden="true",
    )
    return tag("div", svg, labels, class_="scroll", data_label=name)


def _save_svg(figure: Figure, name: str) -> str:
    buffer = io.StringIO()
    plain: dict[str, str | None] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with rc_context({"svg.hashsalt": name}, _STYLE), warnings.catch_warnings():
        # The page's font draws what matplotlib's own, which only measures, does not have.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(buffer, format="svg", metadata=plain)
    return buffer.getvalue()


def render_sparkline(heights: NDArray[np.float64], name: str) -> Html:
    """Renders a small histogram without axes, as wide as the picture above it.

    Args:
        heights: (n,), 0 to 1.
        name: what it shows, for readers who cannot see it.
    """
    steps = ((x, 100 - 100 * height) for x, height in enumerate(heights.tolist()))
    points = " ".join(f"{x},{y:.0f} {x + 1},{y:.0f}" for x, y in steps)
    area = tag("polygon", points=f"0,100 {points} {len(heights)},100")
    box = f"0 0 {len(heights)} 100"
    return tag("svg", area, class_="spark", viewBox=box, preserveAspectRatio="none", role="img", aria_label=name)


def shorten_label(label: str, most: int = 24) -> str:
    """Cuts a label to the number of characters that a chart has room for."""
    return label if len(label) <= most else label[: most - 1] + "…"


def _mark(name: str) -> str:
    """Returns what the ids of a figure begin with."""
    return "f" + hashlib.sha256(name.encode()).hexdigest()[:10]


def _adapt_svg(svg: str, name: str, about: str, which: str = "") -> Html:
    mark = _mark(name + which)
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    head, rest = svg.split(">", 1)
    width, height = (float(value) for value in re.findall(r'\b(?:width|height)="([\d.]+)pt"', head))
    box = re.search(r'viewBox="([^"]+)"', head)
    assert box is not None
    rest = _ID.sub(rf"\g<1>{mark}-\g<2>", rest)
    rest = _COLOUR.sub(lambda match: f"var({_VARIABLES[match.group()]})", rest)
    rest = re.sub(r"font-family: [^;\"]*", "font-family: var(--font)", rest)
    rest = re.sub(r"<!--.*?-->", "", rest, flags=re.DOTALL)
    rest = re.sub(r"\n\s*", "\n", rest)
    start = tag(
        "svg",
        tag("title", name, id=f"{mark}-title"),
        tag("desc", about, id=f"{mark}-about"),
        xmlns="http://www.w3.org/2000/svg",
        xmlns_xlink="http://www.w3.org/1999/xlink",
        viewBox=box.group(1),
        width=round(width * 4 / 3),
        height=round(height * 4 / 3),
        role="img",
        aria_labelledby=f"{mark}-title",
        aria_describedby=f"{mark}-about",
    )
    start = Html(start.removesuffix("</svg>").replace("xmlns-xlink", "xmlns:xlink", 1))
    return Html(start + rest.strip())
