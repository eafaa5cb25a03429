"""The section of tuning: what a search gained over the model's own file, where there are cards of searches.

The cards are `reports/tuning/<model>.json`; fields that are not there are not shown.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, one_line
from pipeline.page.blocks import note, say
from pipeline.page.document import Section
from pipeline.page.parts import Part
from pipeline.page.table import Column, Told, table
from pipeline.report.material import Material


@dataclass(frozen=True)
class Tuned:
    """What a search found for one model; ``gain`` is positive where the tuned one is better."""

    model: str
    default: float | None
    tuned: float | None
    gain: float | None
    interval: tuple[float, float] | None


def read(root: Path, models: list[str]) -> list[Tuned]:
    """Reads the cards of these models that exist.

    Raises:
        InputError: a card is no JSON object.
    """
    paths = [root / "reports" / "tuning" / f"{name}.json" for name in models]
    return [_tuned(path) for path in paths if path.is_file()]


def _tuned(path: Path) -> Tuned:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({one_line(error)}); tune that model again") from error
    if not isinstance(card, dict):
        raise InputError(f"{path} must hold a mapping, got {type(card).__name__}; tune that model again")
    interval = card.get("interval")
    numbers = [_number(each) for each in interval] if isinstance(interval, list) else []
    pair = (numbers[0], numbers[1]) if len(numbers) == 2 and None not in numbers else None
    gain = _number(card.get("gain"))
    return Tuned(path.stem, _number(card.get("default")), _number(card.get("tuned")), gain, pair)  # type: ignore[arg-type]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def tuning(material: Material) -> Part | None:
    """Says what tuning gained; None where nothing was tuned."""
    found = read(material.root, [model.name for model in material.models])
    if not found:
        return None
    sure = [each.model for each in found if each.interval is not None and each.interval[0] > 0]
    told = f"{len(found)} model{'s were' if len(found) > 1 else ' was'} tuned; "
    told += f"surely better for it: {', '.join(sure)}." if sure else "none is surely better for it."
    columns = [Column("model"), Column("as written", ".4f"), Column("tuned", ".4f"), Column("gain [95%]", "+.4f")]
    rows = [(each.model, each.default, each.tuned, _gain(each)) for each in found]
    words = note(f"{material.metric.name}; details in reports/tuning/<model>.html.")
    return Part(Section("Tuning", [say(told), table("What tuning gained", columns, rows), words]))


def _gain(found: Tuned) -> Told | None:
    if found.gain is None:
        return None
    span = f" [{found.interval[0]:+.4f}, {found.interval[1]:+.4f}]" if found.interval else ""
    return Told(found.gain, f"{found.gain:+.4f}{span}")
