"""Commands about competitions: describe a new one, or make one the active one."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.paths import find_root

competition_commands = typer.Typer()


@competition_commands.command("init")
def _init(
    name: Annotated[str | None, typer.Argument(help="a file under configs/competitions, without .yaml")] = None,
    source: Annotated[Path | None, typer.Option("--from", help="the folder or zip of a new competition")] = None,
    kaggle: Annotated[str | None, typer.Option("--kaggle", help="the slug of a new competition at Kaggle")] = None,
    new_name: Annotated[str | None, typer.Option("--name", help="its name; by default the source's")] = None,
    metric: Annotated[str | None, typer.Option(help="the competition's metric")] = None,
    train: Annotated[str | None, typer.Option(help="a table, a folder, or TABLE:FOLDER")] = None,
    id: Annotated[str | None, typer.Option(help="the id column of the training table")] = None,
    label: Annotated[str | None, typer.Option(help="the label column of the training table")] = None,
    test: Annotated[str | None, typer.Option(help="the folder or table of test images")] = None,
    sample: Annotated[str | None, typer.Option(help="the sample submission")] = None,
    positive: Annotated[str | None, typer.Option(help="the class whose probability is submitted")] = None,
    encoding: Annotated[str | None, typer.Option(help="of tables that are not UTF-8, such as cp1251")] = None,
    group: Annotated[str | None, typer.Option(help="a column, a pattern with brackets, dicom:patient, or none")] = None,
    target: Annotated[str | None, typer.Option(help="the kind of what is predicted, such as several_labels")] = None,
    order: Annotated[
        str | None,
        typer.Option(
            help="ordered grades, the lowest first: mild,moderate,severe, or a .txt file with one on each line"
        ),
    ] = None,
    placeholder: Annotated[
        str | None, typer.Option(help="what the sample's cells hold in place of the name of a class, such as unknown")
    ] = None,
    activate: Annotated[bool, typer.Option("--activate", help="with --from: make it the active one at once")] = False,
) -> None:
    """Make a competition the active one, or describe a new one; options decide what its files leave open."""
    from pipeline.data.describe.match import Choices
    from pipeline.stages import init

    choices = Choices(train, id, label, test, sample, positive, encoding, group, target, order, None, placeholder)
    init.run(find_root(), init.InitSubject(name, source, kaggle), new_name, metric, choices, activate)


@competition_commands.command("competitions")
def _competitions() -> None:
    """List the competitions that were worked on: best nested score, runs, last submission."""
    from pipeline.stages import competitions

    competitions.run(find_root())


@competition_commands.command("disk")
def _disk(free: Annotated[bool, typer.Option("--free", help="remove what the next run makes again")] = False) -> None:
    """Show what is where, what can be made again, and how much that frees."""
    from pipeline.stages import disk

    disk.run(find_root(), free)
