"""Lists what ``params.yaml`` asks for, each fold of each model, and how far it is: a table, or JSON for schedulers."""

import dataclasses
import json
from pathlib import Path

from pipeline.core.active import active_models
from pipeline.training.task_list import ListedTask, list_tasks


def run(root: Path, as_json: bool = False) -> None:
    """Prints the list.

    Args:
        root: the repository folder.
        as_json: prints an array of objects instead of a table.

    Raises:
        InputError: a model's file or a setting does not fit.
    """
    tasks = list_tasks(root, active_models(root))
    if as_json:
        print(json.dumps([dataclasses.asdict(task) for task in tasks], indent=2))
        return
    print(render_tasks(tasks))


def render_tasks(tasks: list[ListedTask]) -> str:
    """Renders tasks as a table of text, with the number of those that are done."""
    rows = [("model", "fold", "seed", "status", "epoch", "seconds", "hardware")]
    for task in tasks:
        status = task.status + (" (running)" if task.running else "")
        epoch = f"{task.epoch}/{task.epochs}" if task.epoch else ""
        seconds = f"{task.seconds:.0f}" if task.seconds else ""
        rows.append(
            (task.model, str(task.fold), str(task.seed), status, epoch, seconds, task.hardware or task.reason[:80])
        )
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    done = sum(task.status == "done" for task in tasks)
    return "\n".join([*lines, f"{done} of {len(tasks)} tasks done"])
