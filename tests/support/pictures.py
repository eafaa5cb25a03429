"""Pictures that stages write, not drawn: laying one out takes as long as training a tiny network does.

What stands in their place are dots made of the digest of all that would have been drawn: the same data give the same
bytes, others give others. `tests/core/test_plots.py` draws the real ones.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.core.files import atomic_path

_DRAWING = "pipeline.core.plots"


def save_dots(figure: Any, path: Path) -> None:
    """Writes an 8 x 4 picture of greys."""
    digest = hashlib.sha256()
    for axes in figure.axes:
        for line in axes.lines:
            digest.update(line.get_xydata().tobytes() + str(line.get_color()).encode())
        for picture in axes.images:
            digest.update(np.asarray(picture.get_array()).tobytes())
        for points in axes.collections:
            digest.update(np.asarray(points.get_offsets()).tobytes())
        texts = (axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), *(text.get_text() for text in axes.texts))
        digest.update("\0".join(texts).encode())
    dots = np.frombuffer(digest.digest(), dtype=np.uint8).reshape(4, 8)
    with atomic_path(path) as temporary:
        Image.fromarray(dots).save(temporary, "png")


def draw_dots(patch: pytest.MonkeyPatch) -> None:
    """Lets stages write dots, if what was collected draws at all; .svg files stay what they are."""
    if (plots := sys.modules.get(_DRAWING)) is None:
        return
    save = plots._save
    patch.setattr(plots, "_save", lambda figure, path: (save_dots if path.suffix == ".png" else save)(figure, path))
    patch.setattr(plots, "_drawn_by_the_library", save, raising=False)


def draw_really(patch: pytest.MonkeyPatch) -> None:
    """Undoes it."""
    if (plots := sys.modules.get(_DRAWING)) is None:
        return
    patch.setattr(plots, "_save", getattr(plots, "_drawn_by_the_library", plots._save))
