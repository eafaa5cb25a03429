"""Commands that use trained models: predict, export, pack for a notebook, show a page."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.formats import GraphFormat, ResultFormat, WeightPrecision
from pipeline.core.paths import find_root

use_commands = typer.Typer()


@use_commands.command("predict")
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


@use_commands.command("export")
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


@use_commands.command("pack")
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


@use_commands.command("notebook")
def _notebook(
    competition: Annotated[str, typer.Option(help="its slug at Kaggle; by default the active competition's")] = "",
    metric: Annotated[str, typer.Option(help="its metric, where no file here describes the competition")] = "",
    hours: Annotated[float, typer.Option(min=0.01, max=24, help="for `best`, in all")] = 4.0,
    project: Annotated[str, typer.Option(help="https address to clone from; by default that of this clone")] = "",
    to: Annotated[Path, typer.Option("--to", help="a folder")] = Path("notebooks"),
) -> None:
    """Write notebooks that train at Kaggle and on Colab: from the competition's files to submission.csv."""
    from pipeline.kaggle.training_notebook import Evening
    from pipeline.stages import notebook

    notebook.run(find_root(), to, Evening(competition, metric, hours, project))


@use_commands.command("demo")
def _demo(
    name: Annotated[str, typer.Argument(help="a model of params.yaml, or ensemble")] = "ensemble",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 selects a free port")] = 8765,
) -> None:
    """Serve a local page: drop an image or use the camera, and see its prediction and saliency map."""
    from pipeline.stages import demo

    demo.run(find_root(), name, port)
