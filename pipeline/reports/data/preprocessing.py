"""Preprocessing: every deterministic step applied to the same images, each with its histogram of grey levels."""

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from pipeline.core.arrays import Images
from pipeline.core.sampling import draw_balanced_rows
from pipeline.images.channels import make_grey
from pipeline.images.preprocessing import PREPROCESS_STEPS, PreprocessStep, preprocess_image
from pipeline.page.blocks import render_note, render_paragraph
from pipeline.page.chart import render_sparkline
from pipeline.page.document import PageSection
from pipeline.page.parts import Part
from pipeline.page.pictures import Picture, render_picture_group
from pipeline.reports.data.pixel_statistics import measure_pixels
from pipeline.reports.data.prepared_data import PreparedData, shorten_id, shrink_for_page

_MEASURED = 400
_WORDS = {
    "histogram_stretch": "histogram stretch",
    "equalize": "equalisation",
    "clahe": "CLAHE",
    "gaussian_denoise": "Gaussian denoising",
    "nl_means_denoise": "non-local means",
}


def show_preprocessing(data: PreparedData) -> Part:
    """Shows the effect of each step with its default settings; a model selects steps by ``input.preprocess``."""
    rows = draw_balanced_rows(data.labels, _MEASURED, 6)
    light = measure_pixels(data, "train", rows)
    chosen = {
        "lowest brightness": light.brightness.argmin(),
        "highest brightness": light.brightness.argmax(),
        "lowest contrast": light.contrast.argmin(),
        "highest contrast": light.contrast.argmax(),
    }
    steps = {
        name: TypeAdapter[PreprocessStep](PreprocessStep).validate_python({"name": name}) for name in PREPROCESS_STEPS
    }
    groups, changes = [], dict.fromkeys(steps, 0.0)
    for why, place in chosen.items():
        row = int(rows[place])
        image = data.read("train", [row])[0]
        label, name = data.names[data.labels[row]], str(data.train["id"].iloc[row])
        pictures = [_render_picture(image, "original", f"training image {name}: {label}")]
        for step, settings in steps.items():
            after = preprocess_image(image, (settings,))
            changes[step] += float(np.abs(after.astype(np.int16) - image).mean()) / len(chosen)
            words = _WORDS.get(step, step.replace("_", " "))
            pictures.append(_render_picture(after, words, f"the same image after {words}"))
        groups.append(render_picture_group(f"{label}, {shorten_id(name)}: {why}", pictures, width=128))
    strongest, weakest = max(changes, key=changes.__getitem__), min(changes, key=changes.__getitem__)
    sentence = (
        f"On these images {_WORDS.get(strongest, strongest)} has the largest effect ({changes[strongest]:.1f} grey "
        f"levels per pixel on average), {_WORDS.get(weakest, weakest)} the smallest ({changes[weakest]:.1f})."
    )
    method = f"Extremes among {len(rows):,} images. Below each picture: its histogram of grey levels."
    uses = "A model's file selects steps by input.preprocess; settings here are the defaults."
    return Part(
        PageSection("Preprocessing", [render_paragraph(sentence), render_note(method, uses), *groups]),
        {f"changed_by_{key}": value for key, value in changes.items()},
    )


def _render_picture(image: Images, words: str, alt: str) -> Picture:
    histogram = compute_histogram(image)
    return Picture(
        shrink_for_page(image), alt, words, render_sparkline(histogram, f"histogram of grey levels: {words}")
    )


def compute_histogram(image: Images) -> NDArray[np.float64]:
    """Returns the counts of grey levels in 64 bins, relative to the largest bin."""
    grey = make_grey(image)
    counts = np.bincount(grey.ravel() // 4, minlength=64).astype(np.float64)
    return np.asarray(counts / counts.max())
