"""Values of YAML 1.2 texts, without those that would unfold into more than anybody writes; each text is read once.

A verb reads params.yaml up to five times, and ruamel.yaml takes milliseconds for ten lines of it.
"""

from copy import deepcopy
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

_MOST_LETTERS, _DEEPEST, _MOST_VALUES = 4_000_000, 40, 500_000
_KEPT, _KEPT_LETTERS = 64, 20_000  # texts whose values are kept for their next reader, and letters of each at most


def load_yaml_text(text: str) -> tuple[str, Any]:
    """Loads YAML as plain Python values, which belong to the caller.

    Returns:
        What speaks against it, such as ``nests over 40 levels of values``, or nothing; the values.

    Raises:
        YAMLError: it is no YAML.
        ValueError, TypeError, LookupError, ArithmeticError, RecursionError: it holds a value that cannot be read.
    """
    if len(text) > _MOST_LETTERS:
        return f"has {len(text):,} letters, at most {_MOST_LETTERS:,} are read", None
    if len(text) > _KEPT_LETTERS:
        return _load(text)
    bomb, values = _load_once(text)
    return bomb, deepcopy(values)


def _load(text: str) -> tuple[str, Any]:
    bomb = _find_bomb(text)
    return bomb, None if bomb else YAML(typ="safe", pure=True).load(text)


_load_once = lru_cache(_KEPT)(_load)


def _find_bomb(text: str) -> str:
    """Says what is beyond reason: aliases of aliases, deep nests; empty where nothing is."""
    sizes: dict[str, int] = {}  # values below each anchor, aliases unfolded
    above: list[tuple[str | None, int]] = []
    size = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        anchor = getattr(event, "anchor", None)
        size += sizes.get(str(anchor), 1) if isinstance(event, AliasEvent) else 1
        if isinstance(event, CollectionStartEvent):
            above.append((anchor, size))
        elif isinstance(event, CollectionEndEvent):
            name, before = above.pop()
            if name is not None:
                sizes[name] = size - before
        if len(above) > _DEEPEST:
            return f"nests over {_DEEPEST} levels of values"
        if size > _MOST_VALUES:
            return f"unfolds into over {_MOST_VALUES:,} values"
    return ""
