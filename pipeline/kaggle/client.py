"""The Kaggle command line client: runs it and returns its output, which `client_errors` explains.

The client runs as a subprocess: importing it would log in at once. Credentials reach it through the environment and its
own files alone; whatever looks like one is removed from the lines of its output.
Reference: https://github.com/Kaggle/kaggle-cli
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.kaggle.client_errors import is_connection_lost, is_server_error, select_informative_lines


@dataclass(frozen=True)
class ClientOutput:
    """The output of the client.

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
        """The output line by line, errors first, without secrets."""
        return (*select_informative_lines(self.err), *select_informative_lines(self.out))

    @property
    def connection_lost(self) -> bool:
        """Whether the connection broke, so that it is unknown what Kaggle did."""
        return self.code != 0 and is_connection_lost(self.lines)

    @property
    def broken(self) -> bool:
        """Whether the client died, or Kaggle's server failed, so that it is unknown, too."""
        return self.code < 0 or "Traceback" in self.err or (self.code != 0 and is_server_error(self.lines))


def run_client(
    arguments: Sequence[str], seconds: float = 120.0, inherited: int | None = None, group: str = "competitions"
) -> ClientOutput:
    """Runs ``kaggle competitions ...`` to its end, or until it takes too long: it has no time limit of its own.

    Args:
        arguments: what follows ``kaggle competitions``; never a secret, as anyone on the machine can read them.
        seconds: the time limit.
        inherited: a file descriptor of ours that the client keeps open, for the lock that hangs on it.
        group: of the client's commands.

    Raises:
        InputError: the client is not installed.
    """
    client = Path(sys.executable).with_name("kaggle")
    if not client.is_file():
        raise InputError(f"{client} does not exist; run `make run` to install the Kaggle client")
    # -W: the hint at a newer version would precede the JSON.
    command = [str(client), "-W", group, *arguments]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            pass_fds=() if inherited is None else (inherited,),
        )
    except subprocess.TimeoutExpired:
        return ClientOutput(124, "", f"the connection timed out after {seconds:g} seconds")
    return ClientOutput(done.returncode, done.stdout, done.stderr)
