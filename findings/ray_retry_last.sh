#!/usr/bin/env bash
# A Ray task whose node is lost begins again behind everything that waits, though it was submitted before all of it.
#
# Guess, written down before the run: Ray begins waiting tasks of one kind in the order of their submission, so that a
#   task of a node that is lost, the oldest of all that have not ended, takes the next worker that is free.
# Seen: ten tasks of one kind on two nodes of one worker each; the node of task 1 is lost while it runs. The other node
#   begins tasks 2 to 9 in their order, and task 1 after the last of them: its second try is the last to begin of ten.
#   Where long tasks are submitted first, so that short ones fill the gaps at the end, those of a lost node so begin when
#   all others end.
# Why: the process that submits keeps one queue for each kind of task (function, resources); a retry is submitted to it
#   anew, at its end. The documentation of retries says how many there are and when, and nothing of their order.
# Versions: ray 2.60.0, CPython 3.11, Linux. Source: src/ray/core_worker (`RetryTaskIfPossible` of the task manager,
#   which submits the task again; the `task_queue` of a scheduling key in the submitter of normal tasks).
# Output: begun 0 1 2 3 4 5 6 7 8 9 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ray==2.60.0
export HOME="$folder" RAY_USAGE_STATS_ENABLED=0
"$folder/venv/bin/python" - "$folder" >"$folder/log" 2>&1 <<'PYTHON' || { cat "$folder/log"; exit 1; }
import logging
import sys
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

TASKS, SECONDS = 10, 2.0
begun = Path(sys.argv[1]) / "begun"
begun.touch()
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)


@ray.remote(num_cpus=1, max_retries=3)
def sleep(number):
    node = ray.get_runtime_context().get_node_id()
    with begun.open("a") as file:
        file.write(f"{number} {node}\n")
    time.sleep(SECONDS if number > 1 else 4 * SECONDS)
    return number


def read():
    return [line.split() for line in begun.read_text().splitlines()]


waiting = [sleep.remote(number) for number in range(TASKS)]
while len(read()) < 2:  # tasks 0 and 1 are under way, one on each node
    time.sleep(0.05)
lost = dict(read())["1"]
cluster.remove_node(next(node for node in nodes if node.node_id == lost), allow_graceful=False)
assert ray.get(waiting) == list(range(TASKS))
order = [number for number, _ in read()]
(begun.parent / "said").write_text(" ".join(["begun", *order]) + "\n")
ray.shutdown()
cluster.shutdown()
sys.exit(order[2:] != [*map(str, range(2, TASKS)), "1"])
PYTHON
cat "$folder/said"
