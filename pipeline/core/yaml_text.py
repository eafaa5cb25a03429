"""Values of YAML 1.2 texts, without those that would unfold into more than anybody writes; each text is read once.

A verb reads params.yaml up to five times, and ruamel.yaml takes milliseconds for ten lines of it: what speaks against
a text is looked for while it is read.
"""

from copy import deepcopy
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.parser import Parser

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
    yaml = YAML(typ="safe", pure=True)
    yaml.Parser = _BoundedParser
    try:
        return "", yaml.load(text)
    except _BombError as bomb:
        return str(bomb), None


_load_once = lru_cache(_KEPT)(_load)


class _BombError(Exception):
    """What is beyond reason: aliases of aliases, deep nests."""


class _BoundedParser(Parser):
    """A parser that ends with `_BombError` before values are made of too much."""

    def __init__(self, loader: Any) -> None:
        super().__init__(loader=loader)
        self._sizes: dict[str, int] = {}  # values below each anchor, aliases unfolded
        self._above: list[tuple[str | None, int]] = []
        self._size = 0

    def get_event(self) -> Any:
        event = super().get_event()
        anchor = getattr(event, "anchor", None)
        self._size += self._sizes.get(str(anchor), 1) if isinstance(event, AliasEvent) else 1
        if isinstance(event, CollectionStartEvent):
            self._above.append((anchor, self._size))
        elif isinstance(event, CollectionEndEvent):
            name, before = self._above.pop()
            if name is not None:
                self._sizes[name] = self._size - before
        if len(self._above) > _DEEPEST:
            raise _BombError(f"nests over {_DEEPEST} levels of values")
        if self._size > _MOST_VALUES:
            raise _BombError(f"unfolds into over {_MOST_VALUES:,} values")
        return event
