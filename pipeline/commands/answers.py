"""Commands about submissions: send one to Kaggle, score one here, compare them with the leaderboard."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.paths import find_root

answer_commands = typer.Typer()


@answer_commands.command("submit")
def _submit(
    name: Annotated[str, typer.Argument(help="a model of params.yaml, or ensemble")] = "ensemble",
    message: Annotated[
        str | None, typer.Option("-m", "--message", help="its description at Kaggle; by default score, members, commit")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="submit a file that was submitted before")] = False,
    wait: Annotated[float, typer.Option(min=0, max=86_400, help="seconds to wait for the score")] = 600,
    kernel: Annotated[
        str | None, typer.Option("-k", "--kernel", help="a code competition's notebook, as OWNER/SLUG")
    ] = None,
    version: Annotated[int | None, typer.Option("-v", "--version", help="the saved version of that notebook")] = None,
) -> None:
    """Submit to Kaggle, wait for the score, and log both."""
    from pipeline.kaggle.code_submission import parse_notebook_version
    from pipeline.kaggle.submitting import ScoreWait
    from pipeline.stages import submit

    submit.run(find_root(), name, message, again, ScoreWait(wait), parse_notebook_version(kernel, version))


@answer_commands.command("board")
def _board(
    refresh: Annotated[bool, typer.Option("--refresh", help="fetch new scores from Kaggle first")] = False,
) -> None:
    """Print every submission's own score next to the leaderboard's, and how well the two agree."""
    from pipeline.stages import board

    board.run(find_root(), refresh)


@answer_commands.command("score")
def _score(
    csv: Annotated[Path, typer.Argument(help="a submission")],
    solution: Annotated[Path, typer.Option(help="true labels: ids, classes and optionally Usage")],
    log: Annotated[bool, typer.Option("--log", help="also add the score to submissions/log.csv")] = False,
    message: Annotated[str | None, typer.Option("-m", "--message", help="the message of that row")] = None,
) -> None:
    """Score a submission locally, against true test labels."""
    from pipeline.stages import score

    score.run(find_root(), csv, solution, log, message)
