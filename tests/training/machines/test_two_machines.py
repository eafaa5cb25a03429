"""Two machines: namespaces with a network of their own each, joined by a cable, with a Ray node each."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from support.on_ray import MODELS, make_root

from pipeline.training.task_list import list_tasks

ROOT = Path(__file__).parents[3]
HEAD, OTHER = "10.213.77.1", "10.213.77.2"
PORT = 6379
PLACES = (f"pipeline-first-{os.getpid()}", f"pipeline-second-{os.getpid()}")

# The namespace of a worker says on which machine it was; both must be there before the first task is given out.
DRIVER = """
import json, os, pathlib, sys, time
from support.on_ray import MODELS
from pipeline.training.context import RayParams
from pipeline.training.machines.ray_cluster import open_cluster
from pipeline.training.machines.ray_training import train_on_ray
from pipeline.training.machines.ray_worker import RemoteResult, train_remote_fold
from pipeline.training.task_list import list_tasks

def train(wanted):
    result = train_remote_fold(wanted)
    return RemoteResult(os.readlink("/proc/self/ns/net"), result.seconds, result.error)

root, params = pathlib.Path(sys.argv[1]), RayParams(address=sys.argv[2])
until = time.monotonic() + 120
with open_cluster(params) as ray:
    while sum(node["Alive"] for node in ray.nodes()) < 2:
        assert time.monotonic() < until
        time.sleep(0.2)
results = train_on_ray(root, list_tasks(root, MODELS), params, lambda *_: None, train)
print(json.dumps({task.name: result.machine for task, result in results.items()}))
"""


def run_ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def cable() -> Iterator[None]:
    """Lays a cable between two namespaces; what runs in them at the end is ended."""
    if shutil.which("ip") is None:
        pytest.skip("no iproute2 (the command ip)")
    try:
        for place in PLACES:
            run_ip("netns", "add", place)
        run_ip("link", "add", "eth0", "netns", PLACES[0], "type", "veth", "peer", "name", "eth0", "netns", PLACES[1])
        for place, address in zip(PLACES, (HEAD, OTHER), strict=True):
            run_ip("-n", place, "address", "add", f"{address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                run_ip("-n", place, "link", "set", device, "up")
            run_ip("-n", place, "route", "add", "default", "dev", "eth0")  # by which Ray finds its own address
        yield
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
    finally:
        for place in PLACES:
            listed = subprocess.run(["ip", "netns", "pids", place], capture_output=True, text=True, check=False)
            for number in listed.stdout.split():
                with suppress(psutil.NoSuchProcess):
                    psutil.Process(int(number)).kill()
            subprocess.run(["ip", "netns", "delete", place], capture_output=True, check=False)


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Yields environment variables with a home that holds a token, and Ray's sockets, whose paths must be short."""
    pytest.importorskip("ray")
    # What binds Ray to loopback alone; another cluster; what the driver takes from the token.
    for name in ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "RAY_ADDRESS", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        (Path(home) / ".ray").mkdir()
        (Path(home) / ".ray" / "auth_token").write_text(secrets.token_hex(32))
        yield {
            **os.environ,
            "HOME": home,
            "RAY_TMPDIR": home,
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
        }


def start(place: str, environment: dict[str, str], log: Path, *words: str) -> "subprocess.Popen[bytes]":
    """Starts Ray in a namespace, in the foreground."""
    program = str(Path(sys.executable).with_name("ray"))
    command = ["ip", "netns", "exec", place, program, "start", *words, "--num-cpus=1", "--block"]
    with log.open("a") as file:
        environment = environment | {"RAY_AUTH_MODE": "token"}
        return subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)


def wait_for_head(head: "subprocess.Popen[bytes]") -> None:
    """Waits until the second machine reaches the head over the cable."""
    look = f"import socket; socket.create_connection(({HEAD!r}, {PORT}), 1)"
    until = time.monotonic() + 120
    while subprocess.run(
        ["ip", "netns", "exec", PLACES[1], sys.executable, "-c", look], capture_output=True, check=False
    ).returncode:
        assert time.monotonic() < until
        assert head.poll() is None
        time.sleep(0.5)


@pytest.mark.usefixtures("cable")
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_folds_of_three_models_train_on_two_machines(tmp_path: Path, surroundings: dict[str, str]) -> None:
    root, log = make_root(tmp_path / "root"), tmp_path / "log"
    options = ["--head", f"--port={PORT}", f"--node-ip-address={HEAD}", "--include-dashboard=false"]
    started = [start(PLACES[0], surroundings, log, *options)]
    try:
        wait_for_head(started[0])
        options = [f"--address={HEAD}:{PORT}", f"--node-ip-address={OTHER}"]
        started.append(start(PLACES[1], surroundings, log, *options))
        command = [sys.executable, "-c", DRIVER, str(root), f"{HEAD}:{PORT}"]
        ran = subprocess.run(
            ["ip", "netns", "exec", PLACES[0], *command],
            env=surroundings,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        for process in started[::-1]:
            process.terminate()
            process.wait(60)
    assert ran.returncode == 0, ran.stderr + log.read_text()
    machines = json.loads(ran.stdout.splitlines()[-1])
    assert len(machines) == 3 * len(MODELS)
    assert len(set(machines.values())) == 2
    assert {task.status for task in list_tasks(root, MODELS)} == {"done"}
