"""A pipe: bytes that one reader pushes become a source that another pulls from, in a thread."""

import os
from collections.abc import Callable
from threading import Thread
from typing import IO

from pipeline.core.archives.members import PIECE


class Pipe:
    """A writer whose bytes ``read`` takes from a file as they come.

    Attributes:
        error: of ``read``, once the pipe is closed; the bytes that it left are passed over.
    """

    def __init__(self, read: Callable[[IO[bytes]], None]) -> None:
        """Takes the function that reads; it runs until the pipe is closed."""
        source, sink = os.pipe()
        self.error: BaseException | None = None
        self._read = read
        self._source, self._sink = os.fdopen(source, "rb", PIECE), os.fdopen(sink, "wb", PIECE)
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def write(self, data: bytes, /) -> int:
        """Takes the next bytes."""
        return self._sink.write(data)

    def close(self) -> None:
        """Waits until all bytes have been read."""
        self._sink.close()
        self._thread.join()
        self._source.close()

    def abandon(self) -> None:
        """Ends the pipe before its end."""
        self.close()

    def _run(self) -> None:
        try:
            self._read(self._source)
        except BaseException as error:
            self.error = error
        while self._source.read(PIECE):
            pass
