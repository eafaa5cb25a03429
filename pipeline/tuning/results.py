"""Results of tuning: the settings laid over a model's file, a card, its numbers, a page."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.core import cards, files
from pipeline.core.cards import TuningCard
from pipeline.core.files import atomic_path
from pipeline.core.paths import reports_folder, tuned_path
from pipeline.page import document
from pipeline.page.blocks import render_paragraph


def study_page_path(root: Path, model: str) -> Path:
    """Returns the path of the page of a model's study."""
    return reports_folder(root) / "tuning" / f"{model}.html"


def write_tuning_results(root: Path, card: TuningCard) -> None:
    """Writes the settings, the card and the numbers, and a page for a model that was not tuned.

    Args:
        root: the repository folder.
        card: the results.
    """
    if not card.study:
        how = "To tune it, run `make overnight HOURS=8`; see docs/tuning.md."
        document.write_page(
            study_page_path(root, card.model),
            f"Tuning {card.model}",
            "Not tuned: the recipe is used unchanged.",
            [document.PageSection("Outcome", [render_paragraph(how)])],
        )
    cards.write_card(reports_folder(root) / "tuning" / f"{card.model}.json", card)
    files.write_json(reports_folder(root) / "tuning" / f"{card.model}.metrics.json", _numbers(card))
    _write_settings(tuned_path(root, card.model), card)


def _numbers(card: TuningCard) -> dict[str, float]:
    """The small numbers that `dvc metrics` compares."""
    numbers: dict[str, float] = {"complete": card.complete, "pruned": card.pruned, "failed": card.failed}
    if card.verdict is not None:
        low, high = card.verdict.interval
        numbers |= {"default": card.verdict.default, "tuned": card.verdict.tuned, "gain": card.verdict.gain}
        numbers |= {"low": low, "high": high}
    return numbers


def _write_settings(path: Path, card: TuningCard) -> None:
    content: dict[str, Any] = {}
    if card.adopted and card.best is not None:
        content = {"competition": card.competition, "settings": card.best.settings}
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(f"# {_headline(card)}\n")
        if content:
            yaml.dump(content, file)


def _headline(card: TuningCard) -> str:
    if not card.study:
        return "Not tuned: the recipe is used unchanged. Written by the stage tune."
    if not card.adopted or card.best is None:
        return f"Study {card.study} found nothing better: the recipe is used unchanged. Written by the stage tune."
    if card.verdict is None:
        return (
            f"Trial {card.best.number} of study {card.study}, not measured again: the unchanged recipe could not be "
            "trained. Written by the stage tune."
        )
    return (
        f"Trial {card.best.number} of study {card.study}: {card.metric} {card.verdict.default:.4f} -> "
        f"{card.verdict.tuned:.4f}, measured again. Written by the stage tune."
    )
