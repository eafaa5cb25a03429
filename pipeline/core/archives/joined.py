"""Files joined to one that can be read at any place: parts of an archive, or an archive and a directory behind it."""

import io
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import accumulate
from pathlib import Path
from typing import Protocol

from typing_extensions import Buffer

_BUFFER = 1 << 16


class _Piece(Protocol):
    def seek(self, offset: int, /) -> int: ...

    def read(self, size: int, /) -> bytes | None: ...


class JoinedFile(io.RawIOBase):
    """Pieces read one behind the other.

    Attributes:
        starts: the place of the first byte of each piece, and the length of the whole.
    """

    def __init__(self, pieces: Sequence[tuple[_Piece, int]]) -> None:
        """Takes the open pieces and their lengths; whoever opened them closes them."""
        self._pieces = [piece for piece, _ in pieces]
        self.starts = [0, *accumulate(length for _, length in pieces)]
        self._place = 0

    def close(self) -> None:
        """Does nothing: a reader that lies above this file and ends must not end it."""

    def readable(self) -> bool:
        """Says yes."""
        return True

    def seekable(self) -> bool:
        """Says yes."""
        return True

    def tell(self) -> int:
        """Returns the place of the next byte."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a place, counted as in any file."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.starts[-1]}[whence]
        if base + offset < 0:
            raise OSError("a place before the beginning of the file")
        self._place = base + offset
        return self._place

    def readinto(self, buffer: Buffer) -> int:
        """Fills a buffer from the piece that holds the next byte."""
        view = memoryview(buffer).cast("B")
        if self._place >= self.starts[-1]:
            return 0
        number = bisect_right(self.starts, self._place) - 1
        piece = self._pieces[number]
        piece.seek(self._place - self.starts[number])
        found = piece.read(min(len(view), self.starts[number + 1] - self._place)) or b""
        view[: len(found)] = found
        self._place += len(found)
        return len(found)


def join_files(paths: Sequence[Path], closing: ExitStack) -> JoinedFile:
    """Opens files as one; they close with ``closing``."""
    opened = [(closing.enter_context(path.open("rb")), path.stat().st_size) for path in paths]
    return JoinedFile(opened)


def buffered(file: JoinedFile) -> io.BufferedReader:
    """Returns the file with a buffer, for readers that take a few bytes at a time."""
    return io.BufferedReader(file, _BUFFER)
