"""Commands that other machines' schedulers call: one fold, and the list of all."""

from typing import Annotated

import typer

from pipeline.core.paths import find_root

machine_commands = typer.Typer()


@machine_commands.command("fold")
def _fold(
    model: Annotated[str, typer.Argument(help="a model of params.yaml")],
    fold: Annotated[int, typer.Argument(help="the number of the fold")],
    seed: Annotated[int | None, typer.Option(min=0, help="by default train.seed of params.yaml")] = None,
    fingerprint: Annotated[str | None, typer.Option(help="end with 75 unless the fold has it here")] = None,
) -> None:
    """Train or continue one fold; ends with 0 (done), 65 (wrong input), 75 (try again elsewhere)."""
    from pipeline.stages import fold as stage

    stage.run(find_root(), model, fold, seed, fingerprint)


@machine_commands.command("tasks")
def _tasks(
    as_json: Annotated[bool, typer.Option("--json", help="as JSON, for schedulers")] = False,
) -> None:
    """List every fold of every model of params.yaml, and how far it is."""
    from pipeline.stages import tasks

    tasks.run(find_root(), as_json)
