"""Augmentation of each model of params.models: draws of the same images, by the loader of the training."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.core.sampling import draw_balanced_rows
from pipeline.images.augmentation import Augmentation
from pipeline.page.blocks import render_heading, render_note, render_paragraph
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import Picture, render_picture_group, render_side_by_side
from pipeline.reports.data.model_inputs import ModelInput
from pipeline.reports.data.prepared_data import PreparedData, format_count, shorten_id, shrink_for_page

_PICTURES, _DRAWS = 4, 5
_BATCH = 16  # images that mixup and cutmix draw their partners from


def show_augmentation(data: PreparedData, inputs: Mapping[str, ModelInput]) -> Part:
    """Shows five draws of the same images for each augmentation; models with the same one are shown together."""
    models_by_input: dict[str, list[str]] = {}
    for model, model_input in inputs.items():
        models_by_input.setdefault(repr(model_input), []).append(model)
    unchanged = [model for model, model_input in inputs.items() if not model_input.augments]
    sentence = f"{format_count(len(models_by_input), 'augmentation')} for {format_count(len(inputs), 'model')}."
    if unchanged:
        sentence += f" Without augmentation: {', '.join(unchanged)}."
    rows = draw_balanced_rows(data.labels, _BATCH, 7)
    blocks: list[Html] = [
        render_paragraph(sentence),
        render_note("On the left the image at the input size of the model, then its draws in five epochs."),
    ]
    for models in models_by_input.values():
        blocks += _render_draws(data, rows, models, inputs[models[0]])
    numbers = {"models": len(inputs), "models_without_augmentation": len(unchanged)}
    return Part(PageSection("Augmentation", blocks), numbers)


def _render_draws(data: PreparedData, rows: np.ndarray, models: Sequence[str], model_input: ModelInput) -> list[Html]:
    images = data.read("train", rows)
    before, draws = model_input.draw_batches(
        images, data.labels[rows], data.classes, _DRAWS if model_input.augments else 0
    )
    groups = []
    for place in range(min(_PICTURES, len(rows))):
        row = int(rows[place])
        name, label = str(data.train["id"].iloc[row]), data.names[data.labels[row]]
        pictures = [Picture(shrink_for_page(before[place]), f"training image {name}: {label}")]
        pictures += [
            Picture(shrink_for_page(draw[place]), f"draw {number} of it for {models[0]}")
            for number, draw in enumerate(draws, 1)
        ]
        groups.append(render_picture_group(f"{label}, {shorten_id(name)}", pictures, width=72))
    size = before.shape[1]
    sentences = [
        f"Input of {size} x {size} pixels.",
        describe_augmentation(model_input.augmentation),
        *model_input.remarks,
    ]
    if model_input.steps:
        sentences.insert(1, f"Preprocessing: {', '.join(step.name for step in model_input.steps)}.")
    if model_input.strong:
        sentences.append(
            f"Additional transforms for the classes {', '.join(model_input.strong)}: "
            f"{_join_transform_names(model_input.stronger)}."
        )
    return [render_heading(", ".join(models)), render_paragraph(*sentences), render_side_by_side(groups)]


def describe_augmentation(augmentation: Augmentation) -> str:
    """Describes in a sentence what a model's file declares."""
    parts = []
    if augmentation.flip != "none":
        parts.append({"random": "random flips", "alternating": "flips in every other epoch"}[augmentation.flip])
    if augmentation.policy is not None:
        parts.append(augmentation.policy.name)
    if augmentation.transforms:
        parts.append(_join_transform_names(augmentation.transforms))
    often = "" if augmentation.mix_probability == 1 else f" for {augmentation.mix_probability:.0%} of the batches"
    parts += [
        f"{kind} ({alpha:g}){often}"
        for kind, alpha in (("mixup", augmentation.mixup), ("cutmix", augmentation.cutmix))
        if alpha
    ]
    return f"Augmentation: {', '.join(parts)}." if parts else "No augmentation."


def _join_transform_names(transforms: Sequence[Mapping[str, object]]) -> str:
    return ", ".join(name for entry in transforms for name in entry)
