"""Journal of a model's studies: Optuna's own file with a digest in each line, so that damage to it is noticed.

Optuna passes over a key that it does not know: its tools read the file as any other, and what they add to it, without
digests, is taken as it is. A digest covers its line and the digest before it, and so the place of the line; the file's
size stands beside it, as a file that was cut between two lines shows nothing of it.

Reference: https://optuna.readthedocs.io/en/stable/reference/generated/optuna.storages.journal.JournalFileBackend.html
"""

import hashlib
import json
import os
import re
from collections.abc import Generator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

from pipeline.core.errors import InputError
from pipeline.core.files import locked

_DIGEST = re.compile(rb',"digest":"([0-9a-f]{16})"}\n\Z')
_NEARLY = re.compile(rb'"[^"]{16}"}\n\Z')  # which no line of Optuna's own ends in: a digest or its key is damaged


class Journal(JournalFileBackend):
    """A journal whose lines are checked when they are read, whoever wrote them."""

    def __init__(self, path: Path) -> None:
        """Takes the path of the file, which is made where there is none."""
        self._path, self._size_path = path, path.with_name(f"{path.name}.size")
        self._checked, self._lines, self._last = 0, 0, b""  # bytes and lines so far, and the digest of the last one
        with self._locked():
            if not path.is_file():
                self._size_path.unlink(missing_ok=True)
            super().__init__(str(path))

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Reads the lines from a number on.

        Raises:
            InputError: the file is not as it was written.
        """
        self._check()
        yield from super().read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends lines, after it has cut off one that a crash or a full disk left unfinished.

        Raises:
            InputError: the file is not as it was written.
        """
        with self._locked():
            self._check()
            if self._path.stat().st_size > self._checked:
                self._cut_unfinished()
            last, signed = self._last, []
            for log in logs:
                last = _hash_line(last, json.dumps(log, separators=(",", ":")).encode()[:-1])
                signed.append({**log, "digest": last.decode()})
            super().append_logs(signed)
            # In place, which takes a third of the time: what a kill leaves of it is too small a number, or none.
            self._size_path.write_text(str(self._path.stat().st_size))

    def _locked(self) -> AbstractContextManager[int]:
        return locked(self._path.with_suffix(".append"))

    def _cut_unfinished(self) -> None:
        self._lock.acquire()  # Optuna's: programs that know nothing of ours may be at their end of a line
        try:
            self._check()
            os.truncate(self._path, self._checked)
        finally:
            self._lock.release()

    def _check(self) -> None:
        """Checks the lines that were added since the last look."""
        noted = self._read_size()  # first of all: others may append meanwhile
        if not self._path.is_file():
            raise InputError(f"{self._path} was removed during the search; run the command again to begin a new one")
        with self._path.open("rb") as file:
            file.seek(self._checked)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # somebody is writing it, or was killed
                self._take(line)
        if min(self._path.stat().st_size, self._checked) < noted:
            raise self._damaged(f"ends after {self._checked:,} of {noted:,} bytes")

    def _take(self, line: bytes) -> None:
        found = _DIGEST.search(line)
        whole = found[1] == _hash_line(self._last, line[: found.start()]) if found else _is_log(line)
        if not whole:
            raise self._damaged(f"is not as it was written in line {self._lines + 1}")
        self._last = found[1] if found else self._last
        self._checked, self._lines = self._checked + len(line), self._lines + 1

    def _read_size(self) -> int:
        try:
            text = self._size_path.read_bytes()
        except FileNotFoundError:
            return 0
        return int(text) if text.isdigit() else 0

    def _damaged(self, words: str) -> InputError:
        return InputError(
            f"{self._path} {words} (damaged, cut or edited by hand); put back a copy of it, without "
            f"{self._size_path.name}, or remove both to search from the start"
        )


def _hash_line(before: bytes, line: bytes) -> bytes:
    """Returns the digest of a line without its end, as hex; ``before`` is that of the last line that has one."""
    return hashlib.blake2b(before + line, digest_size=8).hexdigest().encode()


def _is_log(line: bytes) -> bool:
    """Says whether a line without a digest, of another program, is what Optuna writes."""
    try:
        value = json.loads(line)
    except ValueError:
        return False
    return isinstance(value, dict) and isinstance(value.get("op_code"), int) and not _NEARLY.search(line)
