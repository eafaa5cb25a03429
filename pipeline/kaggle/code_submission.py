"""Versions of a notebook as submissions of a code competition: which one, how the log and Kaggle's list know it.

Kaggle runs the notebook again on the hidden images, so nothing is uploaded: a version is sent by its number. Its line
in the log holds the digest of that reference instead of a file's, and its message begins with the reference.
Reference: https://github.com/Kaggle/kaggle-cli/blob/main/docs/competitions.md
"""

import hashlib
import re
from dataclasses import dataclass

from pipeline.core.errors import InputError

OUTPUT = "submission.csv"  # what a code competition wants a notebook to write
_LEAD = "notebook "


@dataclass(frozen=True)
class NotebookVersion:
    """A saved version of a notebook.

    Attributes:
        ref: the notebook, as ``OWNER/SLUG``.
        number: the version's number, from 1.
        output: the file that it writes.
    """

    ref: str
    number: int
    output: str = OUTPUT

    @property
    def lead(self) -> str:
        """The first words of its message, which no other version has."""
        return f"{_LEAD}{self.ref} version {self.number}:"

    @property
    def sha256(self) -> str:
        """The digest of the reference: the log's, as there is no file here."""
        return hashlib.sha256(f"{self.ref} {self.number} {self.output}".encode()).hexdigest()


def parse_notebook_version(kernel: str | None, version: int | None) -> NotebookVersion | None:
    """Reads the options ``-k OWNER/SLUG -v NUMBER``; None without both.

    Raises:
        InputError: one without the other, or no such form.
    """
    if kernel is None and version is None:
        return None
    if kernel is None or version is None:
        given, missing = ("-k", "-v NUMBER") if version is None else ("-v", "-k OWNER/SLUG")
        raise InputError(f"{given} needs {missing} with it: a code competition takes a saved version of a notebook")
    ref = re.sub(r"^https?://(www\.)?kaggle\.com/(code/)?", "", kernel.strip()).strip("/")
    if not re.fullmatch(r"[A-Za-z0-9_-]+/[A-Za-z0-9_-]+", ref):
        raise InputError(f"-k must be OWNER/SLUG, got {kernel!r}; see the end of the notebook's address")
    if version < 1:
        raise InputError(f"-v must be at least 1, got {version}; see the notebook's list of versions at Kaggle")
    return NotebookVersion(ref, version)


def is_notebook_message(message: str) -> bool:
    """Says whether a message is that of a version of a notebook, whose file name Kaggle chooses."""
    return re.match(rf"{_LEAD}[\w-]+/[\w-]+ version \d+:", message) is not None
