"""Lists what ``params.yaml`` asks for, each fold of each model, and how far it is: a table, JSON, or job files."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.active import active_models
from pipeline.core.files import require_file_place, write_text
from pipeline.training.context import read_train_params
from pipeline.training.machines.job_files import ContainerPlace, make_kubernetes_job, make_slurm_script
from pipeline.training.task_list import list_tasks, render_tasks

DEFAULT_PLACE = ContainerPlace("folds", "repository")


@dataclass(frozen=True)
class TaskOutput:
    """What is made of the list; a table where nothing is chosen.

    Attributes:
        as_json: prints an array of objects.
        slurm: a file for an array script.
        kubernetes: a file for the manifest of a job.
        place: image and volume of that job.
    """

    as_json: bool = False
    slurm: Path | None = None
    kubernetes: Path | None = None
    place: ContainerPlace = DEFAULT_PLACE


def run(root: Path, output: TaskOutput) -> None:
    """Prints the list, or writes job files of what is open in it.

    Args:
        root: the repository folder.
        output: what is wanted.

    Raises:
        InputError: a model's file or a setting does not fit, a file cannot be written, or no fold is open.
    """
    for path, option in ((output.slurm, "--slurm"), (output.kubernetes, "--kubernetes")):
        if path is not None:
            require_file_place(path, option)
    tasks, needs = list_tasks(root, active_models(root)), read_train_params(root).ray
    if output.slurm is not None:
        write_text(output.slurm, make_slurm_script(tasks, needs, output.slurm.name))
        print(f"{output.slurm}: run `sbatch {output.slurm}` here")
    if output.kubernetes is not None:
        write_text(output.kubernetes, make_kubernetes_job(tasks, needs, output.place))
        print(f"{output.kubernetes}: run `kubectl apply -f {output.kubernetes}`")
    if output.as_json:
        print(json.dumps([dataclasses.asdict(task) for task in tasks], indent=2))
    elif output.slurm is None and output.kubernetes is None:
        print(render_tasks(tasks))
