"""JSON of others, looked at while it is read: what ijson does not survive is refused before it sees it.

Its parser in C (3.5) ends the whole process at a whole number of more digits than Python takes, and names the whole
path at each event, so that values nested 200,000 deep, 400 kB, take minutes.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from pipeline.core.errors import InputError, one_line

_DEEPEST = 100
_DIGITS = sys.int_info.default_max_str_digits  # of a whole number
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_STRING = re.compile(rb'"[^"]*+(?:"|\Z)')  # without escapes; one that goes on in the next piece, too
_UNMARKED = bytes(set(range(256)) - set(b'[]{}"'))
_AS_DIGITS = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else ord(" ") for byte in range(256))
_LONG = b"0" * (_DIGITS + 1)
_STEPS = np.zeros(256, dtype=np.int8)
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1


class GuardedJson:
    """A file of JSON that is read piece by piece, as ijson does."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        """Takes a file at its beginning, and its path for errors."""
        self._file, self._path = file, path
        self._held, self._inside, self._depth, self._tail = b"", False, 0, b""

    def read(self, size: int = -1) -> bytes:
        """Reads so many bytes.

        Raises:
            InputError: values nest deeper than 100, or a number has more digits than Python takes.
        """
        piece = self._file.read(size)
        self._check(self._held + piece)
        return piece

    def _check(self, text: bytes) -> None:
        self._held = b""
        if b"\\" in text:
            text = _ESCAPE.sub(b"  ", text)
            if text.endswith(b"\\"):
                self._held, text = b"\\", text[:-1]
        opened = b'"' if self._inside else b""
        marks = opened + text.translate(None, _UNMARKED)
        digits = self._tail + text.translate(_AS_DIGITS)
        if _LONG in digits and _LONG in self._tail + _STRING.sub(b" ", opened + text).translate(_AS_DIGITS):
            raise InputError(f"{self._path} holds a number with more than {_DIGITS:,} digits; correct it or remove it")
        self._inside = bool(marks.count(b'"') % 2)
        self._tail = b"" if self._inside else digits[-_DIGITS:]
        nesting = np.frombuffer(_STRING.sub(b"", marks), dtype=np.uint8)
        if len(nesting):
            depths = self._depth + np.cumsum(_STEPS[nesting], dtype=np.int64)
            if depths.max() > _DEEPEST:
                raise InputError(f"{self._path} nests values deeper than {_DEEPEST}, as no table does; remove it")
            self._depth = int(depths[-1])


@contextmanager
def open_json(path: Path) -> Iterator[GuardedJson]:
    """Opens a file of JSON behind its byte order mark.

    Raises:
        InputError: what is read is no JSON, or values that no table has.
    """
    import ijson

    try:
        with path.open("rb") as file:
            if file.read(3) != b"\xef\xbb\xbf":
                file.seek(0)
            yield GuardedJson(file, path)
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no whole JSON in UTF-8 ({one_line(error)}); correct it or get it again") from error
