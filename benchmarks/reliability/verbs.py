"""Verbs of the command line run in this process, and what must be true of their end: done, or one clear line."""

import contextlib
import io
import signal
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from pipeline.cli import main
from pipeline.core.errors import InputError, fit_line

SECONDS = 10.0  # that a refusal may take
_LONGEST = 2000  # letters of an error


class LateError(BaseException):
    """A verb has not ended in time."""


@dataclass(frozen=True)
class Ending:
    """The end of a verb.

    Attributes:
        code: it ended with.
        text: on its standard error.
        crash: the stack trace of what it did not catch, else empty.
    """

    code: int
    text: str
    crash: str = ""

    @property
    def problem(self) -> str | None:
        """What a user should not have to see, if anything."""
        if self.crash:
            return f"a stack trace: {self.crash}"
        errors = [line for line in self.text.splitlines() if line.startswith("error:")]
        if self.code == 0:
            return None
        if len(errors) != 1:
            return f"{len(errors)} lines of errors: {self.text[-300:]!r}"
        if len(errors[0]) > _LONGEST:
            return f"a line of {len(errors[0]):,} letters: {errors[0][:200]!r}"
        return None


def call_verbs(root: Path, *verbs: tuple[str, ...], seconds: float = SECONDS) -> Ending:
    """Calls verbs in a repository until one fails.

    Args:
        root: the repository.
        verbs: with their arguments.
        seconds: that they may take together.
    """

    def call() -> int:
        return next((code for verb in verbs if (code := main(list(verb)))), 0)

    return watch_action(root, call, seconds)


def watch_action(root: Path, action: Callable[[], int], seconds: float = SECONDS) -> Ending:
    """Calls a function in a repository.

    Args:
        root: the repository.
        action: returns an exit code; an `InputError` of it counts as one that the command line prints.
        seconds: that it may take.
    """
    text = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    code, crash = 0, ""
    with contextlib.chdir(root), contextlib.redirect_stderr(text), _quiet(), _limited(seconds):
        try:
            code = action()
        except InputError as error:
            code = 1
            print("error:", fit_line(str(error)), file=text)
        except LateError:
            crash = f"not ended after {seconds:g} s"
        except Exception as error:  # any other error is what is looked for: a person would see its stack trace
            place = traceback.extract_tb(error.__traceback__)[-1]
            crash = f"{type(error).__name__}: {str(error)[:300]} ({Path(place.filename).name}:{place.lineno})"
    text.seek(0)
    return Ending(code, text.read(), crash)


def list_files(folder: Path) -> dict[str, bytes]:
    """Reads all files below a folder, by their paths in it; of one that is not there none."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
        yield


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Ends what takes longer, where this is the main thread's Python and not a library's loop."""

    def end(number: int, frame: FrameType | None) -> None:
        raise LateError

    kept = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, kept)
