"""Makespan of tasks that sleep on a cluster of Ray nodes of this machine, of which some are killed half way.

The tasks go through what `train-all` uses. Ideal is the sum of all lengths by the number of workers at first, so that
the loss of nodes, starts of workers and what they must do twice all count against it. With `--known` tasks come in the
order of what they are expected to take, which is wrong by up to that share, as `train-all` sorts folds:
`python -m benchmarks.cluster --tasks 1000 --nodes 16 --cores 4 --lose 1 --mean 30` (64 workers, 9 minutes).
"""

import argparse
import os
import random
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.training.context import RayParams
from pipeline.training.machines.ray_training import train_on_ray
from pipeline.training.machines.ray_worker import RemoteFold, RemoteResult
from pipeline.training.task_list import ListedTask


def choose_seconds(number: int, mean: float) -> float:
    """Returns the length of a task: between a fifth and nine fifths of the mean, the same on every machine."""
    return mean * random.Random(number).uniform(0.2, 1.8)


def expect_seconds(number: int, mean: float, wrong: float) -> float:
    """Returns what a task is expected to take: its length, wrong by up to a share of it."""
    return choose_seconds(number, mean) * random.Random(f"expected {number}").uniform(1 - wrong, 1 + wrong)


def sleep_fold(wanted: RemoteFold) -> RemoteResult:
    """Sleeps as long as a task takes, then adds its number to a file."""
    began = time.perf_counter()
    with (Path(wanted.root) / "begun").open("a") as file:
        file.write(f"{time.time()}\n")
    time.sleep(choose_seconds(wanted.fold, float(wanted.model)))
    with (Path(wanted.root) / "done").open("a") as file:
        file.write(f"{wanted.fold}\n")
    return RemoteResult(str(os.getpid()), time.perf_counter() - began)


def main() -> None:
    """Prints makespan, ideal, and how often tasks began and ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--nodes", type=int, default=16)
    parser.add_argument("--cores", type=int, default=4, help="logical workers of a node")
    parser.add_argument("--lose", type=int, default=1, help="nodes that are killed after half of the ideal time")
    parser.add_argument("--mean", type=float, default=30.0, help="seconds of a task")
    parser.add_argument("--known", type=float, metavar="WRONG", help="share by which expected lengths are wrong")
    options = parser.parse_args()
    os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"})
    from ray.cluster_utils import Cluster

    workers = options.nodes * options.cores
    ideal = sum(choose_seconds(number, options.mean) for number in range(options.tasks)) / workers
    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=options.cores) for _ in range(options.nodes)]

    def kill_nodes() -> None:
        for node in nodes[: options.lose]:
            cluster.remove_node(node, allow_graceful=False)

    killer = threading.Timer(ideal / 2, kill_nodes)
    tasks = [ListedTask(str(options.mean), number, 0, "open", fingerprint="0") for number in range(options.tasks)]
    if options.known is not None:
        tasks.sort(key=lambda task: -expect_seconds(task.fold, options.mean, options.known))
    with TemporaryDirectory() as name:
        began, clock = time.perf_counter(), time.time()
        killer.start()
        results = train_on_ray(Path(name), tasks, RayParams(address=cluster.address), lambda *_: None, train=sleep_fold)
        seconds = time.perf_counter() - began
        begun, done = ((Path(name) / each).read_text().split() for each in ("begun", "done"))
    killer.join()
    cluster.shutdown()
    print(
        f"{options.tasks} tasks, {workers} workers on {options.nodes} nodes, {options.lose} lost at {ideal / 2:.0f} s"
    )
    print(f"makespan {seconds:.1f} s, ideal {ideal:.1f} s: {ideal / seconds:.3f} of it")
    print(f"the first began after {float(begun[0]) - clock:.1f} s")
    print(f"began {len(begun)} times, ended {len(done)} times, {len(set(done))} of them different")
    print(
        f"failed: {sum(bool(result.error) for result in results.values())}; processes: "
        f"{len({result.machine for result in results.values()})}"
    )


if __name__ == "__main__":
    main()
