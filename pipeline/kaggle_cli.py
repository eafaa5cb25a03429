"""Runs the Kaggle command line client, and turns what it says when it fails into the sentence that helps.

The client runs as a subprocess: importing it would log in at once. Credentials reach it through the environment and its
own files alone; whatever looks like one is blotted out of everything it says.
Reference: https://github.com/Kaggle/kaggle-cli
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputError, one_line

_SITE = "https://www.kaggle.com/competitions/{slug}"
_LOST = r"connection|timed out|resolve|max retries|proxyerror|unreachable|remote end|incompleteread"
# The client prints Kaggle's message, seldom the status beside it. The first line that matches the first pattern counts.
_REASONS = (
    (
        r"authentication required|unauthori[sz]ed|unauthenticated|\b401\b|invalid credentials",
        "Kaggle accepts no credentials from here; run `kaggle auth login`, or make a token at "
        "https://www.kaggle.com/settings/api and save it to ~/.kaggle/access_token or set KAGGLE_API_TOKEN",
    ),
    (r"\brules\b", "the rules are not accepted yet; click Join Competition at {site}/rules, then try again"),
    (r"\b429\b|too many requests|rate limit", "Kaggle asks to wait (too many requests); try again in some minutes"),
    (
        r"submission (allowance|limit|quota)|submissions\b.*\b(limit|quota|per day|today)|"
        r"(maximum|daily|limit|quota)\b.*\bsubmissions\b",
        "no submission is left ({said}); the day of Kaggle ends at 00:00 UTC",
    ),
    (
        r"\b404\b|not found|no such competition",
        "there is no competition {slug} ({said}); correct the slug in the competition's file, it is the last part of "
        "its address",
    ),
    (_LOST, "no connection to Kaggle, or it broke; look at the network and try again"),
    (
        r"\b403\b|forbidden|permission|denied",
        "Kaggle refuses ({said}); join at {site}, accept its rules, and check that it is still open",
    ),
)


@dataclass(frozen=True)
class Answer:
    """What the client said.

    Attributes:
        code: its exit status; 0 does not mean that an upload succeeded.
        out: its standard output, as it came.
        err: its standard error, as it came.
    """

    code: int
    out: str
    err: str

    @property
    def lines(self) -> tuple[str, ...]:
        """What it said, line by line, errors first, without secrets; of a stack trace the last line alone."""
        errors = self.err.strip().splitlines()
        if "Traceback" in self.err:
            errors = errors[-1:]
        return tuple(without_secrets(line.strip()) for line in [*errors, *self.out.splitlines()] if line.strip())

    @property
    def lost(self) -> bool:
        """Whether the connection broke, so that nobody knows what Kaggle did."""
        return self.code != 0 and any(re.search(_LOST, line, re.IGNORECASE) for line in self.lines)


def run(arguments: Sequence[str], seconds: float = 120.0) -> Answer:
    """Runs ``kaggle competitions ...`` to its end, or until it takes too long: it has no time limit of its own.

    Args:
        arguments: what follows ``kaggle competitions``; never a secret, as anyone on the machine can read them.
        seconds: the time limit.

    Raises:
        InputError: the client is not installed.
    """
    client = Path(sys.executable).with_name("kaggle")
    if not client.is_file():
        raise InputError(f"{client} does not exist; run `make run` to install the Kaggle client")
    # -W: the hint at a newer version would stand before the JSON.
    command = [str(client), "-W", "competitions", *arguments]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return Answer(124, "", f"the connection timed out after {seconds:g} seconds")
    return Answer(done.returncode, done.stdout, done.stderr)


def refusal(answer: Answer, slug: str, failed: str) -> InputError:
    """Makes the error that says what failed, why, and what to do about it.

    Args:
        answer: what the client said.
        slug: the competition.
        failed: the first words of the error, such as ``Kaggle did not take x.csv``.
    """
    site = _SITE.format(slug=slug)
    for pattern, sentence in _REASONS:
        for line in answer.lines:
            if re.search(pattern, line, re.IGNORECASE):
                return InputError(f"{failed}: " + sentence.format(said=_short(line), slug=slug, site=site))
    # Of a stack trace, the last line says most.
    said = _short(answer.lines[-1] if answer.lines else "the client said nothing")
    return InputError(
        f"{failed}: {said}; see {site}, or run `kaggle competitions list` to see whether the client works"
    )


def without_secrets(text: str) -> str:
    """Blots out the key and the token of this environment, and whatever is long and random enough to be another."""
    for name in ("KAGGLE_KEY", "KAGGLE_API_TOKEN"):
        secret = os.environ.get(name, "")
        if secret:
            text = text.replace(secret, "***")
    return re.sub(r"[\w.+=~-]{16,}", _blotted, text)


def _blotted(found: re.Match[str]) -> str:
    # A slug such as plant-pathology-2020-fgvc7 stays: none of its parts is long.
    parts = re.split(r"\W", found.group())
    return "***" if any(len(part) >= 16 and re.search(r"\d", part) for part in parts) else found.group()


def _short(line: str) -> str:
    return one_line(ValueError(line)).rstrip(".;")
