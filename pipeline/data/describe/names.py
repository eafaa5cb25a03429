"""What people call the labels: a JSON such as ``label_num_to_disease_map.json`` beside the tables."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.core.errors import some
from pipeline.data.describe.listing import Listing

_MOST = 1_000_000  # bytes: a map of class names is small


@dataclass(frozen=True)
class ClassNames:
    """Label -> name, and what was seen and guessed; no names where no file gives them beyond doubt."""

    names: dict[str, str] | None = None
    seen: tuple[str, ...] = ()
    check: tuple[str, ...] = ()


def read_names(listing: Listing, classes: Sequence[str]) -> ClassNames:
    """Looks for the one JSON that gives every class a name of its own; two that differ, or a part, give none."""
    found: dict[str, dict[str, str]] = {}
    partly: list[str] = []
    for path in listing.of(".json"):
        pairs = _pairs(listing.read(path, _MOST))
        for mapping in (pairs, {name: label for label, name in pairs.items()}):
            if set(mapping) == set(classes) and len(set(mapping.values())) == len(classes):
                found.setdefault(path, {label: mapping[label] for label in classes})
        if path not in found and len(set(classes) & (set(pairs) | set(pairs.values()))) > 1:
            partly.append(path)
    if not found:
        return ClassNames(
            check=tuple(f"{path} names some of the classes, not all and only these: unused" for path in partly)
        )
    path, names = next(iter(found.items()))
    if any(other != names for other in found.values()):
        return ClassNames(check=(f"{some(found)} name the classes differently: unused; see class_names",))
    if all(label == name for label, name in names.items()):
        return ClassNames()
    return ClassNames(names, (f"{path} names the classes; submissions hold the labels all the same",))


def _pairs(raw: bytes) -> dict[str, str]:
    """The pairs of a flat JSON object as text; empty for anything else."""
    try:
        pairs = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(pairs, dict) or not all(type(value) in (str, int) for value in pairs.values()):
        return {}
    texts = {str(key).strip(): str(value).strip() for key, value in pairs.items()}
    return texts if len(texts) == len(pairs) and all(texts.values()) else {}
