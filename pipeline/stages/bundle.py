"""Packs what trains the open folds on a machine that does not see this folder, as one file. Run by hand.

Reads: what `train` reads, and its states. Writes: the bundle, with the list of its tasks in it
"""

import json
from pathlib import Path

from pipeline.core.active import active_models
from pipeline.core.errors import InputError
from pipeline.core.files import require_file_place, sha256
from pipeline.core.paths import prepared_folder
from pipeline.training.machines.parcels import read_listing, write_parcel
from pipeline.training.machines.remote import push_stores
from pipeline.training.machines.travelling import list_travelling_files
from pipeline.training.task_list import list_tasks

_TASKS = "tasks.json"


def run(root: Path, out: Path, held: Path | None = None, through_remote: bool = False) -> None:
    """Packs the open folds of ``params.yaml``.

    Args:
        root: the repository.
        out: the bundle, a tar.
        held: an earlier bundle, or the ``parcel.json`` of the machine that unpacked it: what it lists stays out.
        through_remote: whether the stores travel through the default remote of DVC.

    Raises:
        InputError: nothing is open, a setting does not fit, ``held`` is no listing, or the remote takes nothing.
    """
    require_file_place(out, "OUT")
    known = read_listing(held) if held is not None else {}
    tasks = list_tasks(root, active_models(root))
    for model in dict.fromkeys(task.model for task in tasks if task.status == "blocked"):
        reason = next(task.reason for task in tasks if task.model == model and task.status == "blocked")
        print(f"{model} cannot be trained yet: {reason}")
    wanted = [task for task in tasks if task.status in ("open", "under way") and not task.running]
    if not wanted:
        raise InputError("no fold is open: `python -m pipeline tasks` lists all; run `dvc repro` to gather them")
    models = tuple(dict.fromkeys(task.model for task in wanted))
    contents = list_travelling_files(root, models)
    sent = [
        {"model": task.model, "fold": task.fold, "seed": task.seed, "fingerprint": task.fingerprint} for task in wanted
    ]
    contents[_TASKS] = json.dumps(sent, indent=2).encode()
    if through_remote:
        contents |= push_stores(root)
        stores = f"{prepared_folder(root).relative_to(root).as_posix()}/"
        pushed = {
            place: path for place, path in contents.items() if place.startswith(stores) and isinstance(path, Path)
        }
        known |= {place: sha256(path) for place, path in pushed.items()}
    write_parcel(out, contents, held=known)
    print(f"{out}: {len(wanted)} folds of {len(models)} models, {out.stat().st_size / 1e6:,.1f} MB")
    print(f"there:  mkdir -p folds && tar -xf {out.name} -C folds && cd folds")
    print("        python3.11 -m venv .venv")
    print("        .venv/bin/pip install --require-hashes --no-deps -r requirements/cpu.txt")
    if through_remote:
        print("        .venv/bin/dvc pull prepare")
    print(f"        .venv/bin/python -m pipeline batch {_TASKS} --out folds.bin --seconds 36000")
    print("here:   python -m pipeline take-folds folds.bin")
