"""Job files for schedulers, made from the list of tasks: a Slurm array script and a Kubernetes Indexed Job.

Sources: https://slurm.schedmd.com/sbatch.html and
https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy
"""

import io
import shlex
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from pipeline.core.errors import InputError
from pipeline.training.context import RayParams
from pipeline.training.task_list import ListedTask

_TRIES = 5  # of a task that ends with 75, or whose machine is lost
_SLURM = """\
#!/bin/bash
# Written by `python -m pipeline tasks --slurm`; run `sbatch {name}` in the repository's folder, which all nodes share.
#SBATCH --job-name=folds
#SBATCH --array=0-{last}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={cpus}
{more}#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=folds-%A_%a.log
#SBATCH --signal=B:TERM@120
set -euo pipefail
cd "${{SLURM_SUBMIT_DIR:-.}}"
tasks=(
{tasks}
)
read -r model fold seed fingerprint <<< "${{tasks[$SLURM_ARRAY_TASK_ID]}}"
export PATH="$PWD/.venv/bin:$PATH"
python -m pipeline fold "$model" "$fold" --seed "$seed" --fingerprint "$fingerprint" &
child=$!
trap 'kill -TERM "$child"' TERM
code=0
wait "$child" || code=$?
while kill -0 "$child" 2> /dev/null; do # the trap ends a wait before the fold has ended
  code=0
  wait "$child" || code=$?
done
if [ "$code" -eq 75 ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {tries} ]; then
  scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
fi
exit "$code"
"""


@dataclass(frozen=True)
class ContainerPlace:
    """Where the pods of a Kubernetes job find the environment and the repository.

    Attributes:
        image: of the Containerfile.
        claim: name of the PersistentVolumeClaim that holds the repository's folder.
    """

    image: str
    claim: str


def make_slurm_script(tasks: list[ListedTask], needs: RayParams, name: str) -> str:
    """Makes a Slurm array script that trains open folds, is requeued on preemption and on exit code 75, and resumes.

    Args:
        tasks: all; those that are not open are left out.
        needs: what a fold takes.
        name: of the file, for the line that says how to run it.

    Raises:
        InputError: no fold is open.
    """
    wanted = _choose_open(tasks)
    more = f"#SBATCH --gpus-per-task={max(1, round(needs.gpus_per_fold))}\n" if needs.gpus_per_fold else ""
    more += f"#SBATCH --mem={round(1000 * needs.memory_gb)}M\n" if needs.memory_gb else ""
    return _SLURM.format(
        name=shlex.quote(name),
        last=len(wanted) - 1,
        cpus=needs.cpus_per_fold,
        more=more,
        tasks="\n".join(f'  "{_name_task(task)}"' for task in wanted),
        tries=_TRIES,
    )


def make_kubernetes_job(tasks: list[ListedTask], needs: RayParams, place: ContainerPlace) -> str:
    """Makes the manifest of an Indexed Job (Kubernetes 1.29 or later) with a policy by exit code, as YAML.

    A fold that ends with 65 fails at once and alone; a pod that its node gives up does not count; all else is tried
    again a few times.

    Args:
        tasks: all; those that are not open are left out.
        needs: what a fold takes.
        place: image and volume.

    Raises:
        InputError: no fold is open.
    """
    wanted = _choose_open(tasks)
    lines = "\n".join(f'  "{_name_task(task)}"' for task in wanted)
    script = (
        f"set -euo pipefail\ntasks=(\n{lines}\n)\n"
        'read -r model fold seed fingerprint <<< "${tasks[$JOB_COMPLETION_INDEX]}"\n'
        'exec python -m pipeline fold "$model" "$fold" --seed "$seed" --fingerprint "$fingerprint"\n'
    )
    limits: dict[str, object] = {"cpu": str(needs.cpus_per_fold)}
    if needs.memory_gb:
        limits["memory"] = f"{round(1000 * needs.memory_gb)}M"
    if needs.gpus_per_fold:
        limits["nvidia.com/gpu"] = max(1, round(needs.gpus_per_fold))
    container = {
        "name": "fold",
        "image": place.image,
        "workingDir": "/repository",
        "command": ["/bin/bash", "-c", LiteralScalarString(script)],
        "resources": {"requests": dict(limits), "limits": dict(limits)},
        "volumeMounts": [{"name": "repository", "mountPath": "/repository"}],
    }
    policy = [
        {"action": "FailIndex", "onExitCodes": {"containerName": "fold", "operator": "In", "values": [65]}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "folds"},
        "spec": {
            "completions": len(wanted),
            "parallelism": len(wanted),
            "completionMode": "Indexed",
            "backoffLimitPerIndex": _TRIES,
            "maxFailedIndexes": len(wanted),
            "podFailurePolicy": {"rules": policy},
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [container],
                    "volumes": [{"name": "repository", "persistentVolumeClaim": {"claimName": place.claim}}],
                }
            },
        },
    }
    text = io.StringIO()
    yaml = YAML()
    yaml.width = 200
    yaml.dump(job, text)
    return text.getvalue()


def _name_task(task: ListedTask) -> str:
    return f"{task.model} {task.fold} {task.seed} {task.fingerprint}"


def _choose_open(tasks: list[ListedTask]) -> list[ListedTask]:
    wanted = [task for task in tasks if task.status in ("open", "under way")]
    if not wanted:
        raise InputError("no fold is open: `python -m pipeline tasks` lists all; run `dvc repro` to gather them")
    return wanted
