"""Licences of pretrained weights that bind whoever passes a model on: named wherever one leaves the repository.

Reference: https://ai.meta.com/resources/models-and-libraries/dinov3-license/
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.core.cards import ModelCard
from pipeline.core.files import write_text

_LICENCES = {"dinov3": ("DINOv3 License", "https://ai.meta.com/resources/models-and-libraries/dinov3-license/")}


def list_licences(cards: Sequence[ModelCard]) -> list[str]:
    """Returns a line for each model whose weights have a licence that binds what is passed on."""
    return [
        f"{card.model} is made of {name}, whose weights are under the {title} ({link}): it binds whoever passes the "
        "model on, and goes along with it"
        for card in cards
        for name in sorted(set(_find_names(card.config)) & set(_LICENCES))
        for title, link in [_LICENCES[name]]
    ]


def write_licences(folder: Path, cards: Sequence[ModelCard], weights: Path) -> list[str]:
    """Writes LICENCES.txt, and beside it the texts that lie in the folders of the presets; nothing where none binds.

    Args:
        folder: what is passed on.
        cards: of the models in it.
        weights: folder of pretrained weights.

    Returns:
        What there is to say, line by line.
    """
    lines = list_licences(cards)
    if not lines:
        return []
    copied = []
    for card in cards:
        if set(_find_names(card.config)) & set(_LICENCES):
            for path in _find_texts(card, weights):
                shutil.copyfile(path, folder / f"LICENCE-{card.model}-{path.name}")
                copied.append(path.name)
    if not copied:
        lines.append("note: no text of the licence is next to the preset; add it before you pass this on")
    write_text(folder / "LICENCES.txt", "\n".join(lines) + "\n")
    return lines


def _find_texts(card: ModelCard, weights: Path) -> list[Path]:
    """Returns the texts of licences in the local folders of the presets that a card names."""
    found = []
    for preset in _find_values(card.config, "preset"):
        near = [Path(preset).expanduser()] if "://" not in preset else []
        near.append(weights / preset.rpartition("/")[2])
        local = next((path for path in near if path.is_dir()), None)
        found += sorted(local.glob("LICEN[CS]E*")) if local else []
    return [path for path in found if path.is_file()]


def _find_names(config: Any) -> Iterator[str]:
    return _find_values(config, "name")


def _find_values(config: Any, key: str) -> Iterator[str]:
    """Yields every string under a key, at any depth."""
    if isinstance(config, dict):
        value = config.get(key)
        if isinstance(value, str):
            yield value
    for inner in config.values() if isinstance(config, dict) else config if isinstance(config, (list, tuple)) else ():
        yield from _find_values(inner, key)
