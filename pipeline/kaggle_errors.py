"""What the Kaggle client's words mean, and what a person can do about it; never a secret in it."""

import os
import re
from collections.abc import Mapping

_LOGIN = (
    "there are no Kaggle credentials, or Kaggle does not accept them; log in with `kaggle auth login`, or create a "
    "token at https://www.kaggle.com/settings/api and write it to ~/.kaggle/access_token"
)
_RULES = "click 'I Understand and Accept' at https://www.kaggle.com/c/{slug}/rules with the account you log in with"
_SLUG = "take it from the competition's address, https://www.kaggle.com/competitions/SLUG"
# What the client prints -> what it means; the first hit counts. It prints Kaggle's message, seldom the status.
_MEANINGS = (
    (r"authentication required|401|unauthori[sz]ed|unauthenticated", _LOGIN),
    (r"rules", "the competition's rules are not accepted yet; " + _RULES),
    (r"404|not found|no such|does not exist", "Kaggle has no competition {slug!r}; " + _SLUG),
    (
        r"403|forbidden|denied|permission",
        "Kaggle refuses this account: its rules are not accepted, or there is no such competition; " + _RULES + ", or "
        "correct the slug: " + _SLUG,
    ),
    (r"429|too many|rate limit(?:ed)?", "Kaggle asks to wait; try again in some minutes"),
    (r"5\d\d|internal server error|bad gateway|unavailable", "Kaggle is out of order; try again later"),
    (r"no space left|errno 28", "the disk is full; free some space"),
    (
        r"incompleteread|connection broken|does not match expected size|connection aborted|connection reset",
        "the connection broke; run the command again, it goes on where it stopped",
    ),
    (
        r"connection|connect|timed out|resolve|unreachable|newconnectionerror|proxyerror",
        "Kaggle cannot be reached; check the network, then run the command again",
    ),
)
_NOISE = re.compile(r"^\W*(warning|looks like you're using an outdated)", re.IGNORECASE)


def explain(output: str, slug: str) -> str:
    """Turns what the client printed into one sentence that helps.

    Args:
        output: all that it printed.
        slug: the competition.

    Returns:
        What it means and what to do, the client's own words last; no secret, no stack trace.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip() and not _NOISE.match(line.strip())]
    for pattern, meaning in _MEANINGS:
        for line in lines:
            if re.search(rf"(?<![\w.])({pattern})(?!\w)", line, re.IGNORECASE):
                told = "" if pattern == _MEANINGS[0][0] else f" (it said: {without_secrets(line)})"
                return meaning.format(slug=slug) + told
    said = without_secrets(lines[-1]) if lines else "nothing"
    return f"the Kaggle client said: {said}; check {_RULES.format(slug=slug).removeprefix('click ')}, or the slug"


def without_secrets(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Blots out what may be a secret: this machine's credentials, signed addresses, anything long and random."""
    for name, value in environment.items():
        if name.startswith("KAGGLE_") and re.search("KEY|TOKEN", name) and value:
            text = text.replace(value, "***")
    text = re.sub(r"(https?://[^\s?]+)\?\S+", r"\1?***", text)
    text = re.sub(r"\bKGAT_\w+", "***", text)
    return " ".join(re.sub(r"(?<![\w-])(?=[\w+-]*\d)[\w+-]{24,}", "***", text).split())[:300]
