"""Results of tuning: the settings laid over a model's file, a card, its numbers, a page."""

import json
from pathlib import Path
from typing import Any

from pipeline.core import cards, files
from pipeline.core.cards import TuningCard
from pipeline.core.digests import hash_value
from pipeline.core.errors import InputError
from pipeline.core.paths import found_model, model_path, reports_folder, tuned_path
from pipeline.page import document
from pipeline.page.blocks import render_paragraph
from pipeline.training.recipes.model_yaml import FOUND, Settings, overlay_settings, read_model, write_model_settings


def study_page_path(root: Path, model: str) -> Path:
    """Returns the path of the page of a model's study."""
    return reports_folder(root) / "tuning" / f"{model}.html"


def write_found_model(root: Path, card: TuningCard, settings: Settings, full: Settings) -> Path | None:
    """Writes the settings that a search found as a model's file of its own, beside the one that was searched.

    Args:
        root: the repository folder.
        card: the results.
        settings: of the model that was searched, as they stand in its file.
        full: the same with all defaults.

    Returns:
        The file; None where nothing better was found.
    """
    if not card.adopted or card.best is None:
        return None
    try:
        laid = overlay_settings(settings, card.best.settings)
    except InputError:  # in a section that the file leaves out
        laid = overlay_settings(full, card.best.settings)
    path = model_path(root, found_model(card.model, card.competition))
    write_model_settings(path, f"{_headline(card, FOUND)} On {card.competition}.", laid)
    return path


def write_tuning_results(root: Path, card: TuningCard) -> None:
    """Writes the settings, the card and the numbers, and a page for a model that was not tuned.

    Args:
        root: the repository folder.
        card: the results.
    """
    if not card.study:
        how = f"To tune it, run `python -m pipeline search {card.model} --hours 1`; see docs/tuning.md."
        document.write_page(
            study_page_path(root, card.model),
            f"Tuning {card.model}",
            "Not tuned: the recipe is used unchanged.",
            [document.PageSection("Outcome", [render_paragraph(how)])],
        )
    cards.write_card(reports_folder(root) / "tuning" / f"{card.model}.json", card)
    files.write_json(reports_folder(root) / "tuning" / f"{card.model}.metrics.json", _numbers(card))
    _write_model_settings(root, card)


def _numbers(card: TuningCard) -> dict[str, float]:
    """The small numbers that `dvc metrics` compares."""
    numbers: dict[str, float] = {"complete": card.complete, "pruned": card.pruned, "failed": card.failed}
    if card.verdict is not None:
        low, high = card.verdict.interval
        numbers |= {"default": card.verdict.default, "tuned": card.verdict.tuned, "gain": card.verdict.gain}
        numbers |= {"low": low, "high": high}
    return numbers


def _write_model_settings(root: Path, card: TuningCard) -> None:
    """Writes the settings, and the digest of the model's file, which DVC's run cache does not see whole."""
    content: dict[str, Any] = {}
    if card.adopted and card.best is not None:
        content = {"competition": card.competition, "settings": card.best.settings}
    # Through text first: YAML has keys that are numbers, and dates.
    content["model_file"] = hash_value(json.loads(json.dumps(read_model(root, card.model), default=str)))
    write_model_settings(tuned_path(root, card.model), _headline(card, "Written by the stage tune."), content)


def _headline(card: TuningCard, writer: str) -> str:
    if not card.study:
        return f"Not tuned: the recipe is used unchanged. {writer}"
    if not card.adopted or card.best is None:
        return f"Study {card.study} found nothing better: the recipe is used unchanged. {writer}"
    if card.verdict is None:
        return (
            f"Trial {card.best.number} of study {card.study}, not measured again: the unchanged recipe could not be "
            f"trained. {writer}"
        )
    return (
        f"Trial {card.best.number} of study {card.study}: {card.metric} {card.verdict.default:.4f} -> "
        f"{card.verdict.tuned:.4f}, measured again. {writer}"
    )
