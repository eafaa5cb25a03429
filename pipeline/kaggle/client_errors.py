"""Errors of the Kaggle client: its output explained, with what can be done about it and without secrets."""

import os
import re
from collections.abc import Mapping, Sequence

from pipeline.core.errors import InputError, one_line

_RULES = "click Join Competition at https://www.kaggle.com/competitions/{slug}/rules with the account you log in with"
_SLUG = "correct the slug, which is the last part of its URL: https://www.kaggle.com/competitions/SLUG"
_BROKEN = (
    r"incompleteread|connection (broken|aborted|reset)|does not match expected size|remote end|remotedisconnected",
    "the connection broke; run the command again",
)
_UNREACHED = (
    r"connection|connect|timed out|resolve|unreachable|max retries|newconnectionerror|proxyerror",
    "Kaggle cannot be reached; check the network, then run the command again",
)
_SERVER_ERROR = r"5\d\d server error|internal server error|bad gateway|unavailable"
# What the client prints -> what it means; the first hit counts. It prints Kaggle's message, seldom the status, and that
# with words behind it: a number alone may be one of rows.
_MEANINGS = (
    (
        r"authentication required|401 client error|unauthori[sz]ed|unauthenticated|invalid credentials",
        "there are no Kaggle credentials, or Kaggle does not accept them; run `kaggle auth login`, or create a token "
        "at https://www.kaggle.com/settings/api and write it to ~/.kaggle/access_token",
    ),
    (
        r"keyerror: '\w+'",
        "the installed Kaggle client does not know a word of Kaggle's answer ({line}); see its page, and take a newer "
        "version of the client",
    ),
    (
        r"only accepts submissions from notebooks",
        "this competition takes notebooks alone; make one with `python -m pipeline pack` (docs/kaggle.md)",
    ),
    (
        r"verif\w+.{0,40}\bphone|phone.{0,40}\bverif\w+",
        "your phone number must be verified at Kaggle first: https://www.kaggle.com/settings, Phone Verification",
    ),
    (
        r"(kernel|notebook)s?( version)?\b.*\b(not found|does not exist|no such)|no such (kernel|notebook)",
        "Kaggle has no such notebook, or no such version of it ({line}); see `kaggle kernels list --mine` and the "
        "versions at the notebook's page",
    ),
    (
        r"(kernel|notebook)\b.*\b(still running|not (finished|completed?)|running|queued)",
        "the notebook has not finished ({line}); wait until its version is saved, then run the command again",
    ),
    (r"rules", "the competition's rules are not accepted yet; " + _RULES),
    (r"429 client error|too many requests|rate limit(ed)?", "too many requests to Kaggle; try again in a few minutes"),
    (
        r"submission (allowance|limit|quota)|submissions\b.*\b(limit|quota|per day|today)|"
        r"(maximum|daily|limit|quota)\b.*\bsubmissions",
        "no submission is left ({line}); Kaggle's limit resets at 00:00 UTC",
    ),
    (
        r"404 client error|not found|no such competition|does not exist",
        "Kaggle has no competition {slug!r} ({line}); " + _SLUG,
    ),
    (_SERVER_ERROR, "Kaggle has a server error ({line}); try again later"),
    (r"no space left|errno 28", "the disk is full; free some space"),
    _BROKEN,
    _UNREACHED,
    (
        r"403 client error|forbidden|denied|permission",
        "Kaggle refuses this account ({line}): the rules are not accepted, the competition is closed, or there is no "
        "such competition; " + _RULES + ", or " + _SLUG,
    ),
)
_ELSE = (
    "{line}; see https://www.kaggle.com/competitions/{slug} and its rules, or run `kaggle competitions list` to see "
    "whether the client works"
)
_NOISE = re.compile(r"\W*(warning|looks like you're using an outdated|traceback|during handling|the above exc)", re.I)
_LONG = re.compile(r"[\w.+=~-]{16,}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)


def select_informative_lines(text: str) -> tuple[str, ...]:
    """Selects the informative lines of what the client printed, without secrets; of a stack trace the last."""
    lines = text.splitlines()
    if "Traceback" in text:
        lines = [line for line in lines if not line.startswith((" ", "\t"))]
    return tuple(remove_secrets(line.strip()) for line in lines if line.strip() and not _NOISE.match(line.strip()))


def is_connection_lost(lines: Sequence[str]) -> bool:
    """Says whether the connection broke, or never was, so that it is unknown what Kaggle did."""
    return any(_find_line(pattern, lines) is not None for pattern, _ in (_BROKEN, _UNREACHED))


def is_server_error(lines: Sequence[str]) -> bool:
    """Says whether Kaggle's server failed, so that it is unknown what it did before."""
    return _find_line(_SERVER_ERROR, lines) is not None


def explain_refusal(lines: Sequence[str], slug: str, failed: str) -> InputError:
    """Makes the error that names the failure, its cause and the fix.

    Args:
        lines: of the client's output, from `select_informative_lines`.
        slug: the competition.
        failed: the first words of the error, such as ``Kaggle did not accept x.csv``.
    """
    for pattern, sentence in _MEANINGS:
        line = _find_line(pattern, lines)
        if line is not None:
            return InputError(f"{failed}: " + sentence.format(line=_short(line), slug=slug))
    last = _short(lines[-1]) if lines else "the client printed nothing"
    return InputError(f"{failed}: " + _ELSE.format(line=last, slug=slug))


def remove_secrets(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Masks what may be a secret: credentials of this environment, signed URLs, anything long and random.

    Slugs stay, as plant-pathology-2020-fgvc7: small letters, and none of their parts is long.
    """
    for name, value in environment.items():
        if name.startswith("KAGGLE_") and re.search("KEY|TOKEN", name) and value:
            text = text.replace(value, "***")
    text = re.sub(r"://[^\s/@]+@", "://***@", text)  # name and password of a proxy
    text = re.sub(r"(https?://[^\s?]+)\?\S+", r"\1?***", text)
    text = re.sub(r"\b(Basic|Bearer)\s+[\w.+/=~-]+", r"\1 ***", text)
    text = re.sub(r"\bKGAT_\w+", "***", text)
    return _LONG.sub(_mask_secret, text)


def _mask_secret(match: re.Match[str]) -> str:
    text = match.group()
    digits = re.search(r"\d", text) is not None
    long = any(len(part) >= 16 and re.search(r"\d", part) for part in re.split(r"\W", text))
    mixed = digits and len(text) >= 24 and re.search(r"[A-Z]", text) is not None
    return "***" if long or mixed or _UUID.search(text) else text


def _find_line(pattern: str, lines: Sequence[str]) -> str | None:
    whole = re.compile(rf"(?<![\w.])({pattern})(?!\w)", re.IGNORECASE)
    return next((line for line in lines if whole.search(line)), None)


def _short(line: str) -> str:
    return one_line(ValueError(line)).rstrip(".;")
