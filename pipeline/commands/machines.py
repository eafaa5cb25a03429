"""Commands for other machines: one fold, a batch of folds, the list of all, folds on Kaggle's GPUs."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.paths import find_root

machine_commands = typer.Typer()


@machine_commands.command("fold")
def _fold(
    model: Annotated[str, typer.Argument(help="a model of params.yaml")],
    fold: Annotated[int, typer.Argument(help="the number of the fold")],
    seed: Annotated[int | None, typer.Option(min=0, help="by default the first that the model is trained with")] = None,
    fingerprint: Annotated[str | None, typer.Option(help="end with 75 unless the fold has it here")] = None,
) -> None:
    """Train or continue one fold; ends with 0 (done), 65 (wrong input), 75 (try again elsewhere)."""
    from pipeline.stages import fold as stage

    stage.run(find_root(), model, fold, seed, fingerprint)


@machine_commands.command("train-all")
def _train_all(
    models: Annotated[list[str] | None, typer.Argument(help="by default those of params.yaml")] = None,
    following: Annotated[
        list[str] | None,
        typer.Option("--next", help="a model for cores that the others leave free, ended with them; several"),
    ] = None,
    address: Annotated[str | None, typer.Option(help="of a Ray cluster; by default train.ray.address")] = None,
) -> None:
    """Train all open folds of all models at once on Ray (train.executor: ray); `dvc repro` gathers them."""
    from pipeline.stages import train_all

    train_all.run(find_root(), address, train_all.ModelsToTrain(models or (), following or ()))


@machine_commands.command("tasks")
def _tasks(
    as_json: Annotated[bool, typer.Option("--json", help="as JSON, for schedulers")] = False,
    slurm: Annotated[Path | None, typer.Option(help="write an array script of the open folds")] = None,
    kubernetes: Annotated[Path | None, typer.Option(help="write the manifest of an Indexed Job")] = None,
    image: Annotated[str, typer.Option(help="of that job: the Containerfile's")] = "folds",
    claim: Annotated[str, typer.Option(help="of that job: the volume of the repository's folder")] = "repository",
) -> None:
    """List every fold of every model of params.yaml, and how far it is."""
    from pipeline.stages import tasks
    from pipeline.training.machines.job_files import ContainerPlace

    tasks.run(find_root(), tasks.TaskOutput(as_json, slurm, kubernetes, ContainerPlace(image, claim)))


@machine_commands.command("batch")
def _batch(
    tasks: Annotated[Path, typer.Argument(help="a JSON list of model, fold, seed and fingerprint")],
    out: Annotated[Path, typer.Option(help="the file that takes the folds")],
    seconds: Annotated[float, typer.Option(min=1, help="after which folds are ended, their last epoch kept")],
) -> None:
    """Train a list of folds for some seconds, and keep them, done or half done, as one file."""
    from pipeline.stages import batch

    batch.run(find_root(), tasks, out, seconds)


@machine_commands.command("bundle")
def _bundle(
    out: Annotated[Path, typer.Argument(help="a new tar file")],
    held: Annotated[
        Path | None, typer.Option(help="an earlier bundle, or parcel.json of the machine: what it lists stays out")
    ] = None,
    through_remote: Annotated[
        bool, typer.Option(help="push the stores to DVC's default remote, and leave them out")
    ] = False,
) -> None:
    """Pack what trains the open folds on a machine that does not see this folder, as one file."""
    from pipeline.stages import bundle

    bundle.run(find_root(), out, held, through_remote)


@machine_commands.command("take-folds")
def _take_folds(parcel: Annotated[Path, typer.Argument(help="the file that `batch --out` wrote")]) -> None:
    """Put folds of another machine where `train` finds them, once the file is verified."""
    from pipeline.stages import take_folds

    take_folds.run(find_root(), parcel)


@machine_commands.command("kaggle-train")
def _kaggle_train(
    user: Annotated[str | None, typer.Option(envvar="KAGGLE_USERNAME", help="your Kaggle user name")] = None,
    accelerator: Annotated[
        str, typer.Option(help="as `kaggle kernels push --accelerator` takes it; none: a processor")
    ] = "NvidiaTeslaT4",
    seconds: Annotated[int, typer.Option("-t", "--seconds", min=600, max=43_200, help="for each notebook")] = 30_000,
    kernels: Annotated[int, typer.Option(min=1, max=10, help="notebooks that share the folds")] = 1,
    wait: Annotated[bool, typer.Option(help="wait for the end; later the same command fetches what is done")] = True,
) -> None:
    """Train the open folds of params.yaml on Kaggle's machines, and put them where `train` finds them."""
    from pipeline.stages import kaggle_train

    chosen = None if accelerator == "none" else accelerator
    kaggle_train.run(find_root(), kaggle_train.Rental(user, chosen, seconds, kernels, wait))
