"""Commands from the files to the submission: the stages of ``dvc.yaml`` in their order, and what goes with them."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.paths import find_root

chain_commands = typer.Typer()


def _add_stage(verb: str, text: str) -> None:
    """Adds the verb of a stage that takes no arguments; ``text`` is its help."""

    @chain_commands.command(verb, help=text)
    def command() -> None:
        import_module(f"pipeline.stages.{verb.replace('-', '_')}").run(find_root())


def _add_model_stage(verb: str, text: str, kind: str = "a model of params.yaml") -> None:
    """Adds the verb of a stage that takes a model of ``params.yaml``; ``kind`` is what its help calls it."""

    @chain_commands.command(verb, help=text)
    def command(model: Annotated[str, typer.Argument(help=kind)]) -> None:
        import_module(f"pipeline.stages.{verb}").run(find_root(), model)


_add_stage("fetch", "Fetch the active competition's files and check that they are complete.")
_add_stage("prepare", "Join images and labels, and decode every image once.")
_add_stage("split", "Assign every training image to a fold.")
_add_stage("clean-up", "Remove half-written files that killed processes left; nothing that is whole, or being written.")
_add_stage("explore", "Write a page about the data: reports/explore.html.")
_add_model_stage("tune", "Search for better settings of one model, as set in params.yaml; continues an earlier search.")


@chain_commands.command("train")
def _train(
    model: Annotated[str, typer.Argument(help="a file under configs/models, without .yaml")],
    ahead: Annotated[
        bool, typer.Option("--ahead", help="also train folds of the next models of params.yaml on cores left over")
    ] = False,
    following: Annotated[
        list[str] | None,
        typer.Option("--next", help="a model for cores that this one leaves free, ended with it; several"),
    ] = None,
) -> None:
    """Train one model on every fold."""
    from pipeline.stages import train

    train.run(find_root(), model, ahead, following or ())


@chain_commands.command("self-train")
def _self_train(
    model: Annotated[str, typer.Argument(help="a network with training.pseudo, whose teachers are trained")],
    rounds: Annotated[int, typer.Option(min=1, max=20, help="at most")] = 3,
) -> None:
    """Train a student of pseudo-labels, then its own student, and so on, while each gains beyond chance out-of-fold."""
    from pipeline.stages import self_train, train

    self_train.run(find_root(), model, rounds, train.run)


@chain_commands.command("run")
def _run(stages: Annotated[list[str] | None, typer.Argument(help="stages of dvc.yaml, by default all")] = None) -> None:
    """Run the pipeline as `dvc repro` does, a line a stage, and print the scores; the log holds the rest."""
    from pipeline.stages import run

    raise typer.Exit(run.run(find_root(), stages or []))


@chain_commands.command("look")
def _look(
    model: Annotated[str, typer.Argument(help="a file under configs/models, without .yaml")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value over the model's file; train.seed, too; several")
    ] = None,
    fold: Annotated[list[int] | None, typer.Option(help="the fold to train, by default 0; several")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="adopt the settings: write them into the files")] = False,
) -> None:
    """Try one fold or other settings of a model, compared with its present results; changes no file without --keep."""
    from pipeline.stages import look

    look.run(find_root(), model, settings or [], fold or [0], keep)


@chain_commands.command("search")
def _search(
    model: Annotated[str, typer.Argument(help="a file under configs/models that has a section search")],
    hours: Annotated[float, typer.Option(min=0, help="of searching, all runs of the study together")],
) -> None:
    """Search better settings of a model for some hours; what is found is a model, MODEL_tuned_COMPETITION."""
    from pipeline.stages import search

    search.run(find_root(), model, hours)


@chain_commands.command("doubt")
def _doubt(
    model: Annotated[str, typer.Argument(help="a file under configs/models, without .yaml; a quick one will do")],
    force: Annotated[bool, typer.Option("--force", help="replace an earlier list")] = False,
) -> None:
    """List training labels that are probably wrong, fold by fold, for `doubted: drop` or `relabel` of a model."""
    from pipeline.stages import doubt

    doubt.run(find_root(), model, force)


@chain_commands.command("lr-range")
def _lr_range(
    model: Annotated[str, typer.Argument(help="a file under configs/models, without .yaml")],
    lowest: Annotated[float, typer.Option(help="the first learning rate")] = 1e-6,
    highest: Annotated[float, typer.Option(help="the last learning rate")] = 1.0,
    steps: Annotated[int, typer.Option(help="number of batches")] = 100,
    fold: Annotated[int, typer.Option(help="the fold whose training images are used")] = 0,
) -> None:
    """Find a learning rate: train on some batches while it rises, and plot the loss."""
    from pipeline.stages import lr_range
    from pipeline.training.context import read_context
    from pipeline.training.lr_range import Sweep

    lr_range.run(find_root(), model, read_context(find_root()), Sweep(lowest, highest, steps, fold))


@chain_commands.command("add-member")
def _add_member(
    name: Annotated[str, typer.Argument(help="its name in the ensemble")],
    oof: Annotated[Path, typer.Option(help="out-of-fold predictions: .csv, .parquet or .npy")],
    test: Annotated[Path, typer.Option(help="test predictions, of the same kinds")],
    folds: Annotated[Path | None, typer.Option(help="a CSV of id and fold: the folds of these predictions")] = None,
    oof_ids: Annotated[Path | None, typer.Option(help="for .npy: a file of the ids of its rows, one per line")] = None,
    test_ids: Annotated[Path | None, typer.Option(help="for .npy: a file of the ids of its rows, one per line")] = None,
    classes: Annotated[str | None, typer.Option(help="for .npy: classes of its columns, separated by commas")] = None,
) -> None:
    """Add predictions made elsewhere to the ensemble, after the same checks as our own."""
    from pipeline.ensemble.external import PredictionFiles
    from pipeline.stages import add_member

    columns = tuple(classes.split(",")) if classes else None
    files = PredictionFiles(oof, oof_ids, columns), PredictionFiles(test, test_ids, columns)
    add_member.run(find_root(), name, *files, folds)


_add_stage("ensemble", "Combine the predictions of all models.")
_add_stage("report", "Write a page about the models, their scores, errors and saliency maps: reports/report.html.")
_add_model_stage("submission", "Write a submission and check it.", "a model of params.yaml, or ensemble")
_add_stage("summary", "Say in a few lines what came of the run and what to try next: reports/summary.txt.")
_add_stage(
    "track", "Log the results in MLflow, where track.mlflow of params.yaml says; summary does it after each run."
)


_add_stage(
    "options", "Write docs/options.md, a page of all settings, and the schemas by which editors check YAML files."
)


@chain_commands.command("best")
def _best(
    hours: Annotated[float, typer.Option(min=0, help="in all, from now to the last page")],
    search: Annotated[bool, typer.Option("--search", help="a third of them for better settings of networks")] = False,
) -> None:
    """Spend hours on the best ensemble: try models, keep those that help, submission ready at any moment."""
    from pipeline.core.processes import seconds_since_start
    from pipeline.stages import best

    best.run(find_root(), hours, seconds_since_start(), search)


@chain_commands.command("scores")
def _scores() -> None:
    """Print the scores of all models and of the ensemble, and the paths of the submissions."""
    from pipeline.reports import score_table

    score_table.print_score_table(find_root())


@chain_commands.command("compare")
def _compare(
    name: Annotated[str, typer.Argument(help="a model that is trained, or ensemble")],
    other: Annotated[str, typer.Argument(help="the one that it is compared with")],
) -> None:
    """Print what one model gains over another on the same rows, out-of-fold, with its interval."""
    from pipeline.reports import comparison

    typer.echo(comparison.compare_models(find_root(), name, other).sentence)
