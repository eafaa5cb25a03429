"""Every deterministic preprocessing on the same pictures, each with its histogram of grey levels."""

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from pipeline.core.arrays import Images
from pipeline.images.preprocessing import PREPROCESS_STEPS, PreprocessStep, preprocess_image
from pipeline.page.blocks import render_note, render_paragraph
from pipeline.page.chart import render_sparkline
from pipeline.page.document import PageSection
from pipeline.page.parts import Part
from pipeline.page.pictures import Picture, render_picture_group
from pipeline.reports.data.light import measure
from pipeline.reports.data.material import Seen, for_page, short_id, spread

_LOOKED = 400
_WORDS = {
    "histogram_stretch": "histogram stretch",
    "equalize": "equalisation",
    "clahe": "CLAHE",
    "gaussian_denoise": "Gaussian denoising",
    "nl_means_denoise": "non-local means",
}


def before_after(seen: Seen) -> Part:
    """Shows what each step of `preprocessing` does by default: it is chosen by ``input.preprocess`` of a model."""
    rows = spread(seen.labels, _LOOKED, 6)
    light = measure(seen, "train", rows)
    chosen = {
        "the darkest": light.brightness.argmin(),
        "the brightest": light.brightness.argmax(),
        "the least contrast": light.contrast.argmin(),
        "the most contrast": light.contrast.argmax(),
    }
    steps = {
        name: TypeAdapter[PreprocessStep](PreprocessStep).validate_python({"name": name}) for name in PREPROCESS_STEPS
    }
    made, changes = [], dict.fromkeys(steps, 0.0)
    for why, place in chosen.items():
        row = int(rows[place])
        image = seen.read("train", [row])[0]
        label, name = seen.names[seen.labels[row]], str(seen.train["id"].iloc[row])
        shown = [_picture(image, "as it is", f"training image {name}: {label}")]
        for step, settings in steps.items():
            after = preprocess_image(image, (settings,))
            changes[step] += float(np.abs(after.astype(np.int16) - image).mean()) / len(chosen)
            words = _WORDS.get(step, step.replace("_", " "))
            shown.append(_picture(after, words, f"the same image after {words}"))
        made.append(render_picture_group(f"{label}, {short_id(name)}: {why}", shown, width=128))
    strongest, weakest = max(changes, key=changes.__getitem__), min(changes, key=changes.__getitem__)
    said = (
        f"On these pictures {_WORDS.get(strongest, strongest)} changes most ({changes[strongest]:.1f} grey levels per "
        f"pixel on average), {_WORDS.get(weakest, weakest)} least ({changes[weakest]:.1f})."
    )
    how = f"The darkest and so on of {len(rows):,} images. Below each picture: how often each grey level occurs."
    uses = "A model asks for a step by input.preprocess in its file; settings here are the defaults."
    return Part(
        PageSection("Preprocessing", [render_paragraph(said), render_note(how, uses), *made]),
        {f"changed_by_{key}": value for key, value in changes.items()},
    )


def _picture(image: Images, words: str, alt: str) -> Picture:
    histogram = histogram_of(image)
    return Picture(for_page(image), alt, words, render_sparkline(histogram, f"histogram of grey levels: {words}"))


def histogram_of(image: Images) -> NDArray[np.float64]:
    """Counts grey levels in 64 bins, as shares of the fullest."""
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY) if image.shape[2] == 3 else image[..., 0]
    counts = np.bincount(grey.ravel() // 4, minlength=64).astype(np.float64)
    return np.asarray(counts / counts.max())
