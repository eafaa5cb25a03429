"""Job files: the script does what an exit code asks for, the manifest keeps the API's rules."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from pipeline.core.errors import InputError
from pipeline.training.context import RayParams
from pipeline.training.machines.job_files import ContainerPlace, make_kubernetes_job, make_slurm_script
from pipeline.training.task_list import ListedTask

SCHEMA = Path(__file__).with_name("job_schema.json")
TASKS = [
    ListedTask("one", 0, 0, "done", fingerprint="a" * 64),
    ListedTask("one", 1, 0, "open", fingerprint="a" * 64),
    ListedTask("two", 4, 0, "under way", fingerprint="b" * 64),
    ListedTask("three", 0, 0, "blocked"),
]


def write_program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text("#!/bin/bash\n" + text)
    path.chmod(0o755)


def start(tmp_path: Path, fold: str, restarts: int = 0) -> subprocess.Popen[bytes]:
    """Starts the second task of the script, with programs that write down how they are called."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    write_program(tmp_path / ".venv" / "bin", "python", f'echo "$@" > called\n{fold}\n')
    write_program(tmp_path / ".venv" / "bin", "scontrol", 'echo "$@" > requeued\n')
    script = tmp_path / "folds.sh"
    script.write_text(make_slurm_script(TASKS, RayParams(), "folds.sh"))
    number = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_JOB_ID": "77", "SLURM_RESTART_COUNT": str(restarts)}
    return subprocess.Popen(["bash", script], cwd=tmp_path, env=os.environ | number)


@pytest.mark.parametrize(
    ("code", "restarts", "requeued"), [(0, 0, False), (65, 0, False), (75, 0, True), (75, 5, False)]
)
def test_the_script_runs_its_task_and_requeues_what_another_machine_may_do(
    tmp_path: Path, code: int, restarts: int, requeued: bool
) -> None:
    assert start(tmp_path, f"exit {code}", restarts).wait(20) == code
    assert (tmp_path / "called").read_text() == f"-m pipeline fold two 4 --seed 0 --fingerprint {'b' * 64}\n"
    assert (tmp_path / "requeued").is_file() == requeued
    assert not requeued or (tmp_path / "requeued").read_text() == "requeue 77_1\n"


def test_the_script_passes_the_signal_of_a_preemption_on_and_waits_for_the_fold(tmp_path: Path) -> None:
    process = start(tmp_path, "trap 'sleep 0.2; exit 75' TERM\ntouch ready\nwhile true; do sleep 0.05; done")
    until = time.monotonic() + 20
    while not (tmp_path / "ready").is_file():
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 75
    assert (tmp_path / "requeued").read_text() == "requeue 77_1\n"


def test_the_script_asks_for_what_a_fold_needs() -> None:
    script = make_slurm_script(TASKS, RayParams(cpus_per_fold=4, gpus_per_fold=0.5, memory_gb=2.5), "x")
    lines = [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH ")]
    assert lines[1:6] == ["--array=0-1", "--ntasks=1", "--cpus-per-task=4", "--gpus-per-task=1", "--mem=2500M"]
    assert "--requeue" in lines


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="no shellcheck")
def test_the_script_is_clean_shell() -> None:
    script = make_slurm_script(TASKS, RayParams(), "folds.sh")
    subprocess.run(["shellcheck", "-s", "bash", "-"], input=script.encode(), check=True)


def test_the_manifest_keeps_the_rules_of_an_indexed_job(tmp_path: Path) -> None:
    needs, place = RayParams(cpus_per_fold=2, gpus_per_fold=1, memory_gb=8), ContainerPlace("registry/folds", "data")
    job = YAML(typ="safe", pure=True).load(make_kubernetes_job(TASKS, needs, place))
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"  # which backoffLimitPerIndex and FailIndex ask for
    assert spec["completions"] == spec["parallelism"] == 2
    assert spec["maxFailedIndexes"] <= spec["completions"]
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"  # which a podFailurePolicy asks for
    (container,) = pod["containers"]
    for rule in spec["podFailurePolicy"]["rules"]:
        assert rule["action"] in {"FailJob", "FailIndex", "Ignore", "Count"}
        assert len({"onExitCodes", "onPodConditions"} & rule.keys()) == 1
        codes = rule.get("onExitCodes", {"containerName": container["name"], "operator": "In", "values": [1]})
        assert codes["containerName"] == container["name"]
        assert 0 not in codes["values"]
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "8000M", "nvidia.com/gpu": 1}
    assert container["image"] == "registry/folds"
    (volume,) = pod["volumes"]
    assert volume["persistentVolumeClaim"] == {"claimName": "data"}
    write_program(tmp_path, "python", 'echo "$@" > called; exit 65\n')
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "JOB_COMPLETION_INDEX": "0"}
    assert subprocess.run(container["command"], cwd=tmp_path, env=environment, check=False).returncode == 65
    assert (tmp_path / "called").read_text() == f"-m pipeline fold one 1 --seed 0 --fingerprint {'a' * 64}\n"


@pytest.mark.parametrize("needs", [RayParams(), RayParams(cpus_per_fold=2, gpus_per_fold=0.25, memory_gb=0.5)])
def test_the_manifest_fits_the_schema_of_the_api(needs: RayParams) -> None:
    job = YAML(typ="safe", pure=True).load(make_kubernetes_job(TASKS, needs, ContainerPlace("folds", "repository")))
    schema = json.loads(SCHEMA.read_text())
    jsonschema.validate(job, schema)
    job["spec"]["backoffLimitPerIndexes"] = job["spec"].pop("backoffLimitPerIndex")
    with pytest.raises(jsonschema.ValidationError, match="backoffLimitPerIndexes"):
        jsonschema.validate(job, schema)


def test_without_an_open_fold_there_is_no_job() -> None:
    with pytest.raises(InputError, match="no fold is open"):
        make_slurm_script(TASKS[:1], RayParams(), "x")
