"""The augmentation that each model of params.models will see: draws of the same pictures, by the training's loader."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.images.augmentation import Augmentation
from pipeline.page.blocks import render_heading, render_note, render_paragraph
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import Picture, render_picture_group, render_side_by_side
from pipeline.reports.data.looks import Look
from pipeline.reports.data.material import Seen, for_page, many, short_id, spread

_PICTURES, _DRAWS = 4, 5
_BATCH = 16  # images that mixing draws its partners from


def augmented(seen: Seen, looks: Mapping[str, Look]) -> Part:
    """Five draws of the same pictures for each way of augmenting; models that share one stand together."""
    alike: dict[str, list[str]] = {}
    for model, look in looks.items():
        alike.setdefault(repr(look), []).append(model)
    still = [model for model, look in looks.items() if not look.changes]
    said = f"{many(len(alike), 'way')} of seeing the training images, for {many(len(looks), 'model')}."
    if still:
        said += f" Without augmentation: {', '.join(still)}."
    rows = spread(seen.labels, _BATCH, 7)
    blocks: list[Html] = [
        render_paragraph(said),
        render_note("Left the image as it is at the size of the input, then the draws of five epochs."),
    ]
    for models in alike.values():
        blocks += _shown(seen, rows, models, looks[models[0]])
    numbers = {"models": len(looks), "models_without_augmentation": len(still)}
    return Part(PageSection("Augmentation", blocks), numbers)


def _shown(seen: Seen, rows: np.ndarray, models: Sequence[str], look: Look) -> list[Html]:
    images = seen.read("train", rows)
    before, draws = look.draws(images, seen.labels[rows], seen.classes, _DRAWS if look.changes else 0)
    made = []
    for place in range(min(_PICTURES, len(rows))):
        row = int(rows[place])
        name, label = str(seen.train["id"].iloc[row]), seen.names[seen.labels[row]]
        shown = [Picture(for_page(before[place]), f"training image {name}: {label}")]
        shown += [
            Picture(for_page(draw[place]), f"draw {number} of it for {models[0]}")
            for number, draw in enumerate(draws, 1)
        ]
        made.append(render_picture_group(f"{label}, {short_id(name)}", shown, width=72))
    size = before.shape[1]
    words = [f"Input of {size} x {size} pixels.", described(look.augmentation), *look.remarks]
    if look.steps:
        words.insert(1, f"Beforehand: {', '.join(step.name for step in look.steps)}.")
    if look.strong:
        words.append(f"More for the classes {', '.join(look.strong)}: {_names(look.stronger)}.")
    return [render_heading(", ".join(models)), render_paragraph(*words), render_side_by_side(made)]


def described(augmentation: Augmentation) -> str:
    """Says in a sentence what a model's file declares."""
    parts = []
    if augmentation.flip != "none":
        parts.append({"random": "flipped by chance", "alternating": "flipped every other epoch"}[augmentation.flip])
    if augmentation.policy is not None:
        parts.append(augmentation.policy.name)
    if augmentation.transforms:
        parts.append(_names(augmentation.transforms))
    often = "" if augmentation.mix_probability == 1 else f" for {augmentation.mix_probability:.0%} of the batches"
    parts += [
        f"{kind} ({alpha:g}){often}"
        for kind, alpha in (("mixup", augmentation.mixup), ("cutmix", augmentation.cutmix))
        if alpha
    ]
    return f"Augmentation: {', '.join(parts)}." if parts else "No augmentation."


def _names(transforms: Sequence[Mapping[str, object]]) -> str:
    return ", ".join(name for entry in transforms for name in entry)
