"""What tuning leaves: the settings laid over a model's file, a card, the numbers behind it, a page."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.core import cards, files
from pipeline.core.cards import TuningCard
from pipeline.core.files import atomic_path
from pipeline.core.paths import reports_folder, tuned_path
from pipeline.page import document
from pipeline.page.blocks import render_paragraph


def page_path(root: Path, model: str) -> Path:
    """Returns where the page of a model's study lies."""
    return reports_folder(root) / "tuning" / f"{model}.html"


def write(root: Path, card: TuningCard) -> None:
    """Writes the settings, the card and the numbers; and a page where no search has written one.

    Args:
        root: the repository folder.
        card: what tuning came to.
    """
    if not card.study:
        how = "In the evening: make overnight HOURS=8. docs/tuning.md tells the rest."
        document.write_page(
            page_path(root, card.model),
            f"Tuning {card.model}",
            "Not tuned: the recipe as it stands.",
            [document.PageSection("Outcome", [render_paragraph(how)])],
        )
    cards.write_card(reports_folder(root) / "tuning" / f"{card.model}.json", card)
    files.write_json(reports_folder(root) / "tuning" / f"{card.model}.metrics.json", _numbers(card))
    _write_settings(tuned_path(root, card.model), card)


def _numbers(card: TuningCard) -> dict[str, float]:
    """The small numbers that `dvc metrics` compares."""
    found: dict[str, float] = {"complete": card.complete, "pruned": card.pruned, "failed": card.failed}
    if card.verdict is not None:
        low, high = card.verdict.interval
        found |= {"default": card.verdict.default, "tuned": card.verdict.tuned, "gain": card.verdict.gain}
        found |= {"low": low, "high": high}
    return found


def _write_settings(path: Path, card: TuningCard) -> None:
    found: dict[str, Any] = {}
    if card.adopted and card.best is not None:
        found = {"competition": card.competition, "settings": card.best.settings}
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(f"# {_headline(card)}\n")
        if found:
            yaml.dump(found, file)


def _headline(card: TuningCard) -> str:
    if not card.study:
        return "Not tuned: the recipe holds as it stands. Written by the stage tune."
    if not card.adopted or card.best is None:
        return f"Study {card.study} found nothing better: the recipe holds as it stands. Written by the stage tune."
    if card.verdict is None:
        return (
            f"Trial {card.best.number} of study {card.study}, not measured again: the recipe as it stands could not be "
            "trained. Written by the stage tune."
        )
    return (
        f"Trial {card.best.number} of study {card.study}: {card.metric} {card.verdict.default:.4f} -> "
        f"{card.verdict.tuned:.4f}, measured again. Written by the stage tune."
    )
