"""Notebooks that run at Kaggle: quota, data sets, push, status and output, by the command line client.

The client ends with 0 whatever Kaggle answers to a push or an upload, and writes an error page in place of an output
file whose address has expired: what counts is what it prints, and the digests of what comes back.
Reference: https://github.com/Kaggle/kaggle-cli/blob/main/docs/kernels.md
"""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import InputError, one_line
from pipeline.kaggle.client import ClientOutput, run_client
from pipeline.kaggle.client_errors import explain_refusal, is_connection_lost

_UPLOAD_SECONDS = 7200.0
_SHORTEST = 0.1  # hours of quota
_ENDED = ("COMPLETE", "ERROR", "CANCEL_ACKNOWLEDGED")
_QUOTA = re.compile(r"\b(quota|maximum (weekly|batch)|limit of .*(gpu|hours|session))", re.I)


@dataclass(frozen=True)
class KernelStatus:
    """The state of a notebook's last version.

    Attributes:
        word: Kaggle's: QUEUED, RUNNING, COMPLETE, ERROR, CANCEL_ACKNOWLEDGED and others.
        reason: of a failure; empty without one.
    """

    word: str
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.word in _ENDED

    @property
    def cancelled(self) -> bool:
        """Whether somebody ended it."""
        return self.word.startswith("CANCEL")


def read_gpu_hours() -> float | None:
    """Reads how many hours on GPUs are left this week; None where Kaggle does not say.

    Raises:
        InputError: Kaggle refuses, or cannot be reached.
    """
    output = run_client(["--format", "json"], group="quota")
    if output.code:
        raise _explain(output, "Kaggle does not return the weekly quota")
    try:
        rows = json.loads(output.out)
        left = [float(row["remaining"].rstrip("h")) for row in rows if row["resource"] == "GPU"]
    except (ValueError, KeyError, TypeError):
        return None
    return left[0] if left else None


def require_gpu_hours(accelerator: str, wanted: float) -> None:
    """Prints how many hours on GPUs are left this week, and refuses to begin with none.

    Args:
        accelerator: its name.
        wanted: hours that may be used.

    Raises:
        InputError: no name, no hours left, or Kaggle cannot be reached.
    """
    if not re.fullmatch(r"[A-Za-z0-9]+", accelerator):
        raise InputError(f"--accelerator must be a name such as NvidiaTeslaT4, or none, got {accelerator!r}")
    left = read_gpu_hours()
    if left is None:
        print("Kaggle does not say how many hours on GPUs are left this week")
    elif left < _SHORTEST:
        raise InputError(
            f"no hours on GPUs are left this week ({left:.2f}); wait for `kaggle quota` to show more, or give "
            "--accelerator none"
        )
    else:
        note = f"; {wanted:.1f} may be used: Kaggle ends what is over" if wanted > left else ""
        print(f"hours on GPUs left this week: {left:.1f}{note}")


def upload_dataset(folder: Path, ref: str, note: str, pause: float = 10.0, seconds: float = 1800.0) -> None:
    """Uploads a folder as a private data set, or as a new version of it, and waits until notebooks can read it.

    Args:
        folder: files and ``dataset-metadata.json``.
        ref: the data set, as ``OWNER/SLUG``.
        note: of the version.
        pause: seconds between two looks.
        seconds: that Kaggle gets to take it in.

    Raises:
        InputError: Kaggle refuses, a file was not taken, or it is not ready in time.
    """
    known = run_client(["status", ref], group="datasets")
    if known.connection_lost:
        raise _explain(known, f"the data set {ref} cannot be looked up")
    common = ["-p", str(folder), "--keep-tabular"]
    version = ["version", *common, "-m", note, "--delete-old-versions"]
    arguments = ["create", *common] if known.code else version
    output = run_client(arguments, _UPLOAD_SECONDS, group="datasets")
    failed = f"Kaggle did not accept the data set {ref}"
    missing = [
        path.name
        for path in sorted(folder.iterdir())
        if path.name != "dataset-metadata.json" and f"Upload successful: {path.name}" not in output.out
    ]
    if output.code or "is being created" not in output.out:
        raise _explain(output, failed)
    if missing:  # the client goes on without a file that could not be uploaded
        raise InputError(f"{failed} whole: {', '.join(missing)} did not arrive; run the command again")
    _wait_until_ready(ref, pause, seconds)


def push_kernel(folder: Path, accelerator: str | None, seconds: int) -> int:
    """Pushes a notebook, which starts; returns the number of its version.

    Args:
        folder: the notebook and ``kernel-metadata.json``.
        accelerator: a name as the client takes it, such as ``NvidiaTeslaT4``; None for none.
        seconds: after which Kaggle ends it.

    Raises:
        InputError: Kaggle refuses: no quota, no such data set, no such accelerator.
    """
    chosen = ["--accelerator", accelerator] if accelerator else []
    output = run_client(["push", "-p", str(folder), "-t", str(seconds), *chosen], 300.0, group="kernels")
    failed = "Kaggle did not start the notebook"
    started = re.search(r"Kernel version (\d+) successfully pushed", output.out)
    refused = [line for line in output.lines if "not valid" in line]
    if refused:
        raise InputError(f"{failed} as it should: {one_line(ValueError(refused[0]))}; see its page")
    if output.code or not started:
        raise _explain(output, failed)
    return int(started[1])


def read_kernel_status(ref: str) -> KernelStatus:
    """Reads the state of a notebook's last version.

    Raises:
        InputError: there is none, or Kaggle cannot be reached.
    """
    output = run_client(["status", ref], group="kernels")
    word = re.search(r'has status "(?:\w+\.)?(\w+)"', output.out)
    if output.code or not word:
        raise _explain(output, f"Kaggle does not return the state of {ref}")
    reason = re.search(r'Failure message: "(.*)"', output.out, re.S)
    return KernelStatus(word[1].upper(), one_line(ValueError(reason[1])) if reason else "")


def fetch_output(ref: str, folder: Path) -> None:
    """Downloads what a notebook's last version left, and its log.

    Raises:
        InputError: Kaggle refuses, or the connection broke.
    """
    output = run_client(["output", ref, "-p", str(folder), "--force", "-q"], _UPLOAD_SECONDS, group="kernels")
    if output.code:
        raise _explain(output, f"the output of {ref} could not be downloaded")


def make_kernel_url(ref: str) -> str:
    """Returns the address of a notebook."""
    return f"https://www.kaggle.com/code/{ref}"


def _wait_until_ready(ref: str, pause: float, seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        output = run_client(["status", ref], group="datasets")
        words = output.out.split()
        if "ready" in words:
            return
        if "failed" in words or "deleted" in words:
            raise InputError(f"Kaggle could not take in the data set {ref} ({words[-1]}); run the command again")
        if time.monotonic() > end:
            raise InputError(f"the data set {ref} is not ready after {seconds:g} seconds; run the command again later")
        time.sleep(pause)


def _explain(output: ClientOutput, failed: str) -> InputError:
    """Makes the error of one call, with its cause and the fix."""
    last = output.lines[-1] if output.lines else "the client printed nothing"
    for line in output.lines:
        if _QUOTA.search(line):
            return InputError(
                f"{failed}: {one_line(ValueError(line))}; the quota is renewed once a week (`kaggle quota`): run the "
                "command again then, or with --accelerator none"
            )
    if is_connection_lost(output.lines) or re.search(r"401|unauth|authentication", last, re.I):
        return explain_refusal(output.lines, "", failed)
    return InputError(f"{failed}: {one_line(ValueError(last)).rstrip('.;')}; run the command again")
