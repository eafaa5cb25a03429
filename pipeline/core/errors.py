"""Errors of the input, and the parts of their messages: near names, short lists, printable text."""

import difflib
import errno
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable

# Errors of the system that the user can fix, with the fix.
_SYSTEM_FIXES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "make the folder writable",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EACCES: "change the permissions",
    errno.EPERM: "change the permissions",
}
# Errors of libraries that read a damaged file: of Python's readers, NumPy, pandas, pyarrow and h5py.
DAMAGE = (
    *(ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, LookupError, MemoryError, OSError),
    *(RuntimeError, SyntaxError, TypeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error),
    tokenize.TokenError,
)


class InputError(ValueError):
    """An input of the user cannot be used.

    The message names the value, the place and the fix; the CLI prints it alone, without a stack trace.

    Attributes:
        exit_code: what the command line ends with.
    """

    exit_code = 1


class ElsewhereError(InputError):
    """A task that this machine cannot do and another may: a full disk, no memory, other code, somebody else at it."""


class DivergedError(InputError):
    """The loss of a training became NaN or infinite."""


class NoRoomError(InputError):
    """Memory ran out during a training.

    Attributes:
        phase: its place among the phases of the training.
        batch_size: images a step in that phase.
    """

    def __init__(self, words: str, phase: int = 0, batch_size: int = 1) -> None:
        """Takes the message and what a caller needs to try again."""
        super().__init__(words)
        self.phase, self.batch_size = phase, batch_size


def find_fix(error: OSError) -> str | None:
    """Returns the fix of an error of the system that the user can fix; None for any other."""
    return _SYSTEM_FIXES.get(error.errno or 0)


def near_names(name: str, known: Iterable[str]) -> str:
    """Says which known names are close to ``name``, or lists them all when none is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(close) + "?"
    return "known: " + ", ".join(names) if names else "there is none yet"


def some(values: Iterable[object], limit: int = 10) -> str:
    """Lists the first ``limit`` values and counts the rest."""
    items = [str(value) for value in values]
    rest = len(items) - limit
    return ", ".join(items[:limit]) + (f" and {rest} more" if rest > 0 else "")


def one_line(error: BaseException) -> str:
    """Returns the message of another library's error on one line, its first 200 characters."""
    return " ".join(str(error).split())[:200]


def fit_line(text: str, longest: int = 1_500) -> str:
    """Joins the lines of a message; of one that is too long for a terminal the beginning and, with the fix, the end."""
    line = " ".join(text.splitlines())
    left, right = longest * 2 // 3, longest // 3
    return line if len(line) <= longest else f"{line[:left]} ... ({len(line):,} letters) ... {line[-right:]}"


def printable(text: str) -> str:
    """Escapes what is not printable: names from a file must not control a terminal, nor break a YAML file."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )
