"""The command line: one command per verb, which imports its libraries only when it is called."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from pipeline.core import processes
from pipeline.core.errors import InputError, find_fix, printable
from pipeline.core.formats import GraphFormat, ResultFormat, WeightPrecision
from pipeline.core.paths import find_root

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,  # Rich's frames around the help would take as long to import as all the rest
    context_settings={"max_content_width": 120},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Image classification competitions: cross-validated scores and valid submissions.",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb and returns its exit code; an error that the user can fix becomes one line on stderr and 1."""
    # Libraries read these at import; they would access the network or fill the screen without them.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # DVC and make read through a pipe: a line must arrive when it is printed. A name no terminal shows stops nothing.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    processes.end_with_dvc()
    try:
        app(args=arguments, prog_name="python -m pipeline", standalone_mode=True)
    except InputError as error:
        print("error:", printable(" ".join(str(error).splitlines())), file=sys.stderr)
        return 1
    except OSError as error:
        if (fix := find_fix(error)) is None:
            raise
        print(f"error: {error} (in {Path.cwd()}); {fix}", file=sys.stderr)
        return 1
    except SystemExit as end:
        if end.code == processes.EXIT_ENDED:
            processes.end_dvc()
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _add_stage(verb: str, text: str) -> None:
    """Adds the verb of a stage that takes no arguments; ``text`` is its help."""

    @app.command(verb, help=text)
    def command() -> None:
        import_module(f"pipeline.stages.{verb}").run(find_root())


def _add_model_stage(verb: str, text: str, kind: str = "a model of params.yaml") -> None:
    """Adds the verb of a stage that takes a model of ``params.yaml``; ``kind`` is what its help calls it."""

    @app.command(verb, help=text)
    def command(model: Annotated[str, typer.Argument(help=kind)]) -> None:
        import_module(f"pipeline.stages.{verb}").run(find_root(), model)


_add_stage("fetch", "Fetch the active competition's files and check that they are complete.")
_add_stage("prepare", "Join images and labels, and decode every image once.")
_add_stage("split", "Assign every training image to a fold.")
_add_stage("explore", "Write a page about the data: reports/explore.html.")
_add_model_stage("train", "Train one model on every fold.")
_add_model_stage("tune", "Search for better settings of one model, as set in params.yaml; continues an earlier search.")


@app.command("lr-range")
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


@app.command("add-member")
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


@app.command("best")
def _best(hours: Annotated[float, typer.Option(min=0, help="in all, from now to the last page")]) -> None:
    """Spend hours on the best ensemble: try models, keep those that help, submission ready at any moment."""
    from pipeline.stages import best

    best.run(find_root(), hours)


@app.command("scores")
def _scores() -> None:
    """Print the scores of all models and of the ensemble, and the paths of the submissions."""
    from pipeline.reports import score_table

    score_table.print_score_table(find_root())


@app.command("init")
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
    group: Annotated[str | None, typer.Option(help="a column, a pattern over ids with brackets, or none")] = None,
    target: Annotated[str | None, typer.Option(help="the kind of what is predicted, such as several_labels")] = None,
    order: Annotated[str | None, typer.Option(help="ordered grades, the lowest first: mild,moderate,severe")] = None,
) -> None:
    """Make a competition the active one, or describe a new one; options decide what its files leave open."""
    from pipeline.data.describe.match import Choices
    from pipeline.stages import init

    choices = Choices(train, id, label, test, sample, positive, encoding, group, target, order)
    init.run(find_root(), init.InitSubject(name, source, kaggle), new_name, metric, choices)


@app.command("submit")
def _submit(
    name: Annotated[str, typer.Argument(help="a model of params.yaml, or ensemble")] = "ensemble",
    message: Annotated[
        str | None, typer.Option("-m", "--message", help="its description at Kaggle; by default score, members, commit")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="submit a file that was submitted before")] = False,
    wait: Annotated[float, typer.Option(min=0, max=86_400, help="seconds to wait for the score")] = 600,
) -> None:
    """Submit to Kaggle, wait for the score, and log both."""
    from pipeline.kaggle.submitting import ScoreWait
    from pipeline.stages import submit

    submit.run(find_root(), name, message, again, ScoreWait(wait))


@app.command("pack")
def _pack(
    name: Annotated[str, typer.Argument(help="a model of params.yaml, or ensemble")] = "ensemble",
    to: Annotated[Path | None, typer.Option("--to", help="a new folder; by default pack/NAME")] = None,
    user: Annotated[str, typer.Option(envvar="KAGGLE_USERNAME", help="your Kaggle user name")] = "USERNAME",
    wheels: Annotated[bool, typer.Option("--wheels", help="add packages missing or different at Kaggle")] = False,
    force: Annotated[bool, typer.Option("--force", help="replace an earlier pack")] = False,
) -> None:
    """Make a Kaggle data set and a notebook that predicts without internet access, for code competitions."""
    from pipeline.stages import pack

    pack.run(find_root(), name, to or Path("pack") / name, pack.PackOptions(user, wheels, force))


@app.command("predict")
def _predict(
    paths: Annotated[list[str], typer.Argument(help="images, folders of images, patterns")],
    model: Annotated[str, typer.Option("--model", help="a model of params.yaml, or ensemble")] = "ensemble",
    format: Annotated[ResultFormat, typer.Option("--format", help="the format of the results")] = "table",
    out: Annotated[Path | None, typer.Option("--out", help="a file for the results")] = None,
    gradcam: Annotated[Path | None, typer.Option("--gradcam", help="a folder for images with Grad-CAM maps")] = None,
    false_alarms: Annotated[float, typer.Option(min=0, max=0.5, help="share of known images called unknown")] = 0.05,
) -> None:
    """Predict the classes of any images; one that shows none of the classes is reported as unknown."""
    from pipeline.stages import predict

    predict.run(find_root(), paths, model, predict.PredictOptions(format, out, gradcam, false_alarms))


@app.command("export")
def _export(
    name: Annotated[str | None, typer.Argument(help="a model of params.yaml; by default the best network")] = None,
    format: Annotated[GraphFormat, typer.Option("--format", help="the file format")] = "onnx",
    precision: Annotated[WeightPrecision, typer.Option(help="the precision of the weights")] = "float32",
    to: Annotated[Path | None, typer.Option("--to", help="a new folder; by default export/NAME-FORMAT")] = None,
    fold: Annotated[int | None, typer.Option(help="one fold alone: smaller and faster, slightly less accurate")] = None,
) -> None:
    """Export a model as one file for phones, servers and browsers, and compare its predictions with the pipeline's."""
    from pipeline.stages import export

    export.run(find_root(), name, format, precision, to, fold)


@app.command("demo")
def _demo(
    name: Annotated[str, typer.Argument(help="a model of params.yaml, or ensemble")] = "ensemble",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 selects a free port")] = 8765,
) -> None:
    """Serve a local page: drop an image or use the camera, and see its prediction and saliency map."""
    from pipeline.stages import demo

    demo.run(find_root(), name, port)


@app.command("board")
def _board(
    refresh: Annotated[bool, typer.Option("--refresh", help="fetch new scores from Kaggle first")] = False,
) -> None:
    """Print every submission's own score beside the leaderboard's, and how well the two agree."""
    from pipeline.stages import board

    board.run(find_root(), refresh)


@app.command("score")
def _score(
    csv: Annotated[Path, typer.Argument(help="a submission")],
    solution: Annotated[Path, typer.Option(help="true labels: ids, classes and optionally Usage")],
    log: Annotated[bool, typer.Option("--log", help="also add the score to submissions/log.csv")] = False,
    message: Annotated[str | None, typer.Option("-m", "--message", help="the message of that row")] = None,
) -> None:
    """Score a submission locally, against true test labels."""
    from pipeline.stages import score

    score.run(find_root(), csv, solution, log, message)
