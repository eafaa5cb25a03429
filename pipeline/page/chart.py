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

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.page.markup import Html, tag

INK, SOFT, LINE, PAPER = "#1f2329", "#5a636f", "#d9dee5", "#fdfdfe"
BLUE, ORANGE, GREEN, PURPLE, SKY, RED, GREY, OLIVE = CATEGORIES = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#7a838f",
    "#a89a00",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")  # with CATEGORIES: 64 series that differ without colour, too
HEAT = "cividis"  # perceptually uniform, and the same to colour-blind readers
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
        width: in inches; 7.5 fills a column, wider ones scroll on small screens.
        height: in inches.
    """
    with rc_context(fname=_STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def render_chart(figure: Figure, name: str, about: str) -> Html:
    """Renders a figure as SVG.

    Args:
        figure: drawn within `open_chart`.
        name: its caption, and its accessible name; differs from those of other figures on the page.
        about: the main numbers in a sentence, for readers who cannot see it.
    """
    buffer = io.StringIO()
    plain: dict[str, str | None] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with rc_context({"svg.hashsalt": name}, _STYLE), warnings.catch_warnings():
        # The page's font draws what matplotlib's own, which only measures, does not have.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(buffer, format="svg", metadata=plain)
    svg = _adapt_svg(buffer.getvalue(), name, about)
    return tag("figure", tag("figcaption", name), tag("div", svg, class_="scroll", data_label=name), class_="chart")


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


def _adapt_svg(svg: str, name: str, about: str) -> Html:
    mark = "f" + hashlib.sha256(name.encode()).hexdigest()[:10]
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
