"""The command line: the verbs of `commands/`, and what every run of one begins and ends with."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from pipeline.commands.answers import answer_commands
from pipeline.commands.chain import chain_commands
from pipeline.commands.competitions import competition_commands
from pipeline.commands.machines import machine_commands
from pipeline.commands.use import use_commands
from pipeline.core import processes
from pipeline.core.errors import InputError, find_fix, fit_line, printable
from pipeline.core.memory import describe_lack, is_out_of_memory
from pipeline.core.room import require_threads_of_verb, watch_imports

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,  # Rich's frames around the help would take as long to import as all the rest
    context_settings={"max_content_width": 120},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Image classification competitions: cross-validated scores and valid submissions.",
)
for commands in (chain_commands, competition_commands, answer_commands, use_commands, machine_commands):
    app.add_typer(commands)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb and returns its exit code; an error that the user can fix becomes one line on stderr."""
    # Libraries read these at import; they would access the network or fill the screen without them.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # DVC and make read through a pipe: a line must arrive when it is printed. A name no terminal shows stops nothing.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    watch_imports()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        if words and "--help" not in words:
            require_threads_of_verb()
        processes.end_with_dvc()
        app(args=arguments, prog_name="python -m pipeline", standalone_mode=True)
    except InputError as error:
        print("error:", printable(fit_line(str(error))), file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if (fix := find_fix(error)) is None and not is_out_of_memory(error):
            raise
        print("error:", f"{error} (in {Path.cwd()}); {fix}" if fix else describe_lack(error), file=sys.stderr)
        return 1
    except Exception as error:  # of any library, each with a name of its own for memory that ran out
        if not is_out_of_memory(error):
            raise
        print("error:", printable(describe_lack(error)), file=sys.stderr)
        return 1
    except SystemExit as end:
        if end.code == processes.EXIT_ENDED:
            processes.end_dvc()
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
