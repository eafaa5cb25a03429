"""One subcommand per verb; each imports what it needs when asked, so that no verb waits for another's libraries."""

import errno
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.core import processes
from pipeline.core.errors import InputError, printable
from pipeline.core.paths import params_path

# What the machine refuses whatever the code does, and what a person can do about it.
_REFUSED = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "make the folder writable",
    errno.EACCES: "change the permissions",
    errno.EPERM: "change the permissions",
}


class ExportFormat(StrEnum):
    """What a trained model can be written as."""

    LITERT = "litert"
    ONNX = "onnx"
    SAVEDMODEL = "savedmodel"


class ExportPrecision(StrEnum):
    """What an exported model's weights are kept in."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


class Answers(StrEnum):
    """How answers about pictures are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="From an image-classification competition to an honest score and a valid submission.",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb and returns its exit code; what a person can mend becomes one line on stderr and 1."""
    # Read at import time by libraries that would otherwise ask the network or fill the screen.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # DVC and make read us through a pipe: a line must arrive when it is printed. And no name of a file or a class is
    # worth a stop because a terminal cannot show it.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    processes.end_with_dvc()
    try:
        app(args=arguments, prog_name="python -m pipeline", standalone_mode=True)
    except InputError as error:
        print("error:", printable(" ".join(str(error).splitlines())), file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        print(f"error: {error} (in {Path.cwd()}); {_REFUSED[error.errno]}", file=sys.stderr)
        return 1
    except SystemExit as end:
        if end.code == processes.EXIT_ENDED:
            processes.end_dvc()
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


@app.command()
def fetch() -> None:
    """Bring the active competition's files and check that they are whole."""
    from pipeline.stages import fetch

    fetch.run(_root())


@app.command()
def prepare() -> None:
    """Join images and labels, decode every image once."""
    from pipeline.stages import prepare

    prepare.run(_root())


@app.command()
def split() -> None:
    """Assign every training image to a fold."""
    from pipeline.stages import split

    split.run(_root())


@app.command()
def explore() -> None:
    """Show what is in the data: reports/explore.html."""
    from pipeline.stages import explore

    explore.run(_root())


@app.command()
def train(model: Annotated[str, typer.Argument(help="a model of params.yaml")]) -> None:
    """Train one model on every fold."""
    from pipeline.stages import train

    train.run(_root(), model)


@app.command()
def tune(model: Annotated[str, typer.Argument(help="a model of params.yaml")]) -> None:
    """Search for better settings of one model, as params.yaml says; continues an earlier search."""
    from pipeline.stages import tune

    tune.run(_root(), model)


@app.command("lr-range")
def lr_range(
    model: Annotated[str, typer.Argument(help="a file under configs/models, without .yaml")],
    lowest: Annotated[float, typer.Option(help="the first rate")] = 1e-6,
    highest: Annotated[float, typer.Option(help="the last rate")] = 1.0,
    steps: Annotated[int, typer.Option(help="batches")] = 100,
    fold: Annotated[int, typer.Option(help="the fold whose training images are used")] = 0,
) -> None:
    """Look for a learning rate: train some batches while it rises, draw the loss."""
    from pipeline.stages import lr_range
    from pipeline.training.context import read_context
    from pipeline.training.lr_range import Sweep

    root = _root()
    lr_range.run(root, model, read_context(root), Sweep(lowest, highest, steps, fold))


@app.command("add-member")
def add_member(
    name: Annotated[str, typer.Argument(help="what to call it")],
    oof: Annotated[Path, typer.Option(help="out-of-fold predictions: .csv, .parquet or .npy")],
    test: Annotated[Path, typer.Option(help="test predictions, of the same kinds")],
    folds: Annotated[Path | None, typer.Option(help="a CSV of id and fold: the folds it was made on")] = None,
    oof_ids: Annotated[Path | None, typer.Option(help="for .npy: a file with the ids of its rows, one a line")] = None,
    test_ids: Annotated[Path | None, typer.Option(help="for .npy: a file with the ids of its rows, one a line")] = None,
    classes: Annotated[str | None, typer.Option(help="for .npy: the classes of its columns, with commas")] = None,
) -> None:
    """Take predictions made elsewhere into the ensemble, checked like our own."""
    from pipeline.ensemble.external import PredictionFiles
    from pipeline.stages import add_member

    columns = tuple(classes.split(",")) if classes else None
    add_member.run(
        _root(), name, PredictionFiles(oof, oof_ids, columns), PredictionFiles(test, test_ids, columns), folds
    )


@app.command()
def ensemble() -> None:
    """Combine the predictions of all models."""
    from pipeline.stages import ensemble

    ensemble.run(_root())


@app.command()
def report() -> None:
    """Write reports/report.html: what every model is worth, where it goes wrong, what it looks at."""
    from pipeline.stages import report

    report.run(_root())


@app.command()
def submission(name: Annotated[str, typer.Argument(help="a model of params.yaml, or ensemble")]) -> None:
    """Write a checked submission."""
    from pipeline.stages import submission

    submission.run(_root(), name)


@app.command()
def scores() -> None:
    """Print the score of every model and of the ensemble, and where the submissions are."""
    from pipeline.reports import score_table

    score_table.print_score_table(_root())


@app.command()
def init(
    name: Annotated[str | None, typer.Argument(help="a file under configs/competitions, without .yaml")] = None,
    source: Annotated[Path | None, typer.Option("--from", help="a folder or zip that nobody described yet")] = None,
    kaggle: Annotated[str | None, typer.Option("--kaggle", help="a Kaggle competition's slug")] = None,
    new_name: Annotated[str | None, typer.Option("--name", help="what to call it; the source's name if absent")] = None,
    metric: Annotated[str | None, typer.Option(help="the competition's metric")] = None,
    train: Annotated[str | None, typer.Option(help="a table, a folder, or TABLE:FOLDER")] = None,
    id: Annotated[str | None, typer.Option(help="the id column of the training table")] = None,
    label: Annotated[str | None, typer.Option(help="the label column of the training table")] = None,
    test: Annotated[str | None, typer.Option(help="the folder or table of test images")] = None,
    sample: Annotated[str | None, typer.Option(help="the sample submission")] = None,
    positive: Annotated[str | None, typer.Option(help="the class whose probability is submitted")] = None,
) -> None:
    """Make a competition the active one; or, with --from or --kaggle, look at a new one and describe it.

    --kaggle downloads it first and makes it the active one. The other options are for what the files leave open.
    """
    from pipeline.data.describe import from_kaggle, init
    from pipeline.data.describe.match import Choices

    root = _root()
    choices = Choices(train, id, label, test, sample, positive)
    if [name, source, kaggle].count(None) != 2:
        raise InputError("init takes one of: the NAME of a described competition, --from PATH, --kaggle SLUG")
    if kaggle is not None:
        _tell(from_kaggle.describe_kaggle(root, kaggle, new_name, choices, metric))
    elif source is not None:
        _tell(init.describe_local(root, source, new_name, choices, metric))
    elif name is not None and choices == Choices() and new_name is None and metric is None:
        print(init.activate_competition(root, name))
    else:
        raise InputError(
            f"init {name} takes no options: {name} is described already; they belong to --from and --kaggle"
        )


@app.command()
def submit(
    name: Annotated[str, typer.Argument(help="a model of params.yaml, or ensemble")] = "ensemble",
    message: Annotated[
        str | None, typer.Option("-m", "--message", help="what Kaggle shows beside it; else score, members and commit")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="submit a file that was submitted before")] = False,
    wait: Annotated[float, typer.Option(min=0, max=86_400, help="seconds to wait for the score")] = 600,
) -> None:
    """Hand a submission in at Kaggle, wait for its score, log both."""
    from pipeline.kaggle.submitting import Patience
    from pipeline.stages import submit

    submit.run(_root(), name, message, again, Patience(wait))


@app.command()
def pack(
    name: Annotated[str, typer.Argument(help="a model of params.yaml, or ensemble")] = "ensemble",
    to: Annotated[Path | None, typer.Option("--to", help="a new folder; pack/NAME if absent")] = None,
    user: Annotated[str, typer.Option(envvar="KAGGLE_USERNAME", help="your name at Kaggle")] = "USERNAME",
    wheels: Annotated[
        bool, typer.Option("--wheels", help="add the packages that Kaggle may lack or have other")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="replace an earlier pack")] = False,
) -> None:
    """Make a Kaggle data set and a notebook that predicts without internet, for code competitions."""
    from pipeline.stages import pack

    root = _root()
    pack.run(root, name, to or Path("pack") / name, pack.PackOptions(user, wheels, force))


@app.command()
def predict(
    paths: Annotated[list[str], typer.Argument(help="pictures, folders of pictures, patterns")],
    model: Annotated[str, typer.Option("--model", help="a model of params.yaml, or ensemble")] = "ensemble",
    format: Annotated[Answers, typer.Option("--format", help="how the answers are written")] = Answers.TABLE,
    out: Annotated[Path | None, typer.Option("--out", help="a file for them")] = None,
    gradcam: Annotated[Path | None, typer.Option("--gradcam", help="a folder: where the network looked")] = None,
    false_alarms: Annotated[
        float, typer.Option(min=0, max=0.5, help="share of known pictures that may be called unknown")
    ] = 0.05,
) -> None:
    """Say what any pictures show, or that they show none of the classes."""
    from pipeline.stages import predict

    predict.run(_root(), paths, model, predict.PredictOptions(format.value, out, gradcam, false_alarms))


@app.command()
def export(
    name: Annotated[str | None, typer.Argument(help="a model of params.yaml; the best network if absent")] = None,
    format: Annotated[ExportFormat, typer.Option("--format", help="what to write")] = ExportFormat.ONNX,
    precision: Annotated[ExportPrecision, typer.Option(help="of the weights")] = ExportPrecision.FLOAT32,
    to: Annotated[Path | None, typer.Option("--to", help="a new folder; export/NAME-FORMAT if absent")] = None,
    fold: Annotated[int | None, typer.Option(help="one fold alone: smaller and faster, a little worse")] = None,
) -> None:
    """Write a model as one file for phones, servers and browsers, and say how near it is to the pipeline."""
    from pipeline.stages import export

    export.run(_root(), name, format.value, precision.value, to, fold)


@app.command()
def demo(
    name: Annotated[str, typer.Argument(help="a model of params.yaml, or ensemble")] = "ensemble",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free")] = 8765,
) -> None:
    """Serve a page on this machine: drop a picture or use the camera, see what it shows and where the model looks."""
    from pipeline.stages import demo

    demo.run(_root(), name, port)


@app.command()
def board(
    refresh: Annotated[bool, typer.Option("--refresh", help="first ask Kaggle for the scores that came since")] = False,
) -> None:
    """Print every submission's own score beside the leaderboard's, and whether the two agree."""
    from pipeline.stages import board

    board.run(_root(), refresh)


@app.command()
def score(
    csv: Annotated[Path, typer.Argument(help="a submission")],
    solution: Annotated[Path, typer.Option(help="true labels: ids and classes, maybe Usage")],
    log: Annotated[bool, typer.Option("--log", help="also write it into submissions/log.csv")] = False,
    message: Annotated[str | None, typer.Option("-m", "--message", help="of that line")] = None,
) -> None:
    """Grade a submission here, against true test labels."""
    from pipeline.stages import score

    score.run(_root(), csv, solution, log, message)


def _tell(text: str) -> None:
    print("\n".join(map(printable, text.split("\n"))))


def _root() -> Path:
    """The repository folder, where everything is read and written.

    Raises:
        InputError: the command was called elsewhere.
    """
    root = Path.cwd()
    if not (params_path(root)).is_file():
        raise InputError(f"{root} has no params.yaml; run the command in the repository's folder")
    return root
