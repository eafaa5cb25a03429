"""Downloads a competition through the Kaggle command line client.

The client runs as a subprocess: importing it would log in at once. It resumes a broken download by itself.
Reference: https://github.com/Kaggle/kaggle-cli
"""

import re
import subprocess
import sys
from pathlib import Path

from pipeline.errors import InputError

_RULES = "accept the rules at https://www.kaggle.com/competitions/{slug}/rules"
_SLUG = "correct source.slug in the competition's file"
# The client prints Kaggle's message, seldom the status beside it.
_REASONS = (
    (
        r"authentication required|401|unauthorized|unauthenticated",
        "log in: `kaggle auth login`, or set KAGGLE_API_TOKEN",
    ),
    (r"rules", _RULES),
    (r"404|not found|no such", f"no such competition; {_SLUG}"),
    (r"429|too many", "Kaggle asks to wait; try again later"),
    (r"connection|timed out|resolve", "no connection to Kaggle; try again"),
)


def download(slug: str, folder: Path) -> Path:
    """Downloads a competition's zip into ``folder``; returns its path.

    Raises:
        InputError: no credentials, rules not accepted, no such competition, or no connection.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "kaggle", "competitions", "download", "-c", slug, "-p", str(folder), "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [path for path in folder.iterdir() if path.suffix.lower() == ".zip"]
    if done.returncode or not found:
        raise InputError(f"Kaggle's {slug} could not be downloaded: {_explain(done.stdout + done.stderr, slug)}")
    return found[0]


def _explain(output: str, slug: str) -> str:
    lines = output.strip().splitlines() or ["the client said nothing and left no zip"]
    for pattern, fix in _REASONS:
        for line in lines:
            if re.search(rf"\b({pattern})\b", line, re.IGNORECASE):
                return f"{_without_secrets(line)}; {fix.format(slug=slug)}"
    return f"{_without_secrets(lines[-1])}; {_RULES.format(slug=slug)}, or {_SLUG}"


def _without_secrets(text: str) -> str:
    """Blots out whatever is long and random enough to be a key or a token."""
    return re.sub(r"\b(?=\w*\d)\w{24,}", "***", text)
