"""A Ray cluster: joined by its address, or started on this machine for one run; what it lacks is one line."""

import importlib.util
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.core.errors import InputError, one_line
from pipeline.training.context import RayParams

_CONNECT = 10.0  # seconds
_LOOKS = 3  # in a row at which the head of a cluster may be silent
_WAITING = 8  # folds at least that may wait in Ray's queue
_STORE = 100_000_000  # bytes; tasks pass paths, not data


@contextmanager
def open_cluster(params: RayParams) -> Iterator[Any]:
    """Yields the module `ray`, connected; ends what was started.

    Args:
        params: the section ``train.ray``.

    Raises:
        InputError: Ray is not installed, nothing answers at the address, its token is missing here, its version is
            another, Ray does not start, or no node is as large as a fold needs.
    """
    ray = _import_ray(alone=params.address is None)
    if params.address is not None:
        require_answer(params.address)
    try:
        if params.address is None:
            # Without "local" Ray would join what $RAY_ADDRESS, or the file that a killed cluster left behind, names.
            ray.init(address="local", include_dashboard=False, object_store_memory=_STORE, **_quiet())
        else:
            ray.init(address=params.address, **_quiet())
    except (ConnectionError, ValueError, TimeoutError) as error:
        raise InputError(
            f"train.ray.address: no Ray cluster answers at {params.address!r} ({one_line(error)}); where one runs "
            "there, have its token in ~/.ray/auth_token here, too; else start one with `ray start --head`, or set "
            "address: null for this machine alone"
        ) from error
    except RuntimeError as error:
        raise InputError(
            f"train.ray.address: {params.address!r}: {one_line(error)}; install the same versions of Ray and Python on "
            "all machines (requirements/ray.txt)"
        ) from error
    except Exception as error:  # Ray raises a bare one where its own start takes more than half a minute
        if type(error) is not Exception:
            raise
        raise InputError(
            f"train.ray: Ray did not start on this machine ({one_line(error)}); end other programs, then run the "
            "command again"
        ) from error
    try:
        require_resources(ray.nodes(), params)
        yield ray
    finally:
        ray.shutdown()


def require_cluster(params: RayParams) -> None:
    """Refuses early, and at no cost, what `open_cluster` would refuse later.

    Args:
        params: the section ``train.ray``.

    Raises:
        InputError: Ray is not installed, or nothing answers at the address.
    """
    _require_ray()
    if params.address is not None:
        require_answer(params.address)


def require_answer(address: str) -> None:
    """Refuses an address at which nothing listens; Ray itself would try for minutes.

    Args:
        address: host and port; ``auto`` and addresses with a scheme are left to Ray.

    Raises:
        InputError: it has no port, or nothing listens there.
    """
    if address == "auto" or "://" in address:
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(f"train.ray.address must be HOST:PORT, such as 10.0.0.1:6379, got {address!r}")
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"train.ray.address: no Ray cluster answers at {address} ({one_line(error)}); start one there with "
            "`ray start --head`, or set address: null for this machine alone"
        ) from error


def require_head(address: str | None, silent: int) -> int:
    """Looks whether the head of a cluster still listens; a minute without it, and Ray would end this process.

    Args:
        address: of the cluster; None for one on this machine alone.
        silent: looks before this one, in a row, at which it did not.

    Returns:
        That number, as it is now.

    Raises:
        InputError: it did not for the third time in a row.
    """
    try:
        if address is not None:
            require_answer(address)
    except InputError as error:
        if silent + 1 < _LOOKS:
            return silent + 1
        raise InputError(
            f"train.ray.address: the head of the cluster at {address} is gone; what is done is kept: start it again "
            "and run the same command, or `dvc repro`, which trains the rest here"
        ) from error
    return 0


def require_resources(nodes: list[dict[str, Any]], params: RayParams) -> None:
    """Refuses a fold that no node is large enough for, which would wait for ever.

    Args:
        nodes: as `ray.nodes` returns them.
        params: the section ``train.ray``.

    Raises:
        InputError: no node has as much; the largest is named.
    """
    wanted = _list_needs(params)
    names = {"CPU": "cpus_per_fold", "GPU": "gpus_per_fold", "memory": "memory_gb"}
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    for kind, amount in wanted.items():
        most = max((float(each.get(kind, 0.0)) for each in alive), default=0.0)
        if amount > most:
            unit = 1e9 if kind == "memory" else 1
            raise InputError(
                f"train.ray.{names[kind]} is {amount / unit:g}, and the largest of {len(alive)} nodes has "
                f"{most / unit:g}; lower it in params.yaml, or add a node"
            )
    if not any(all(each.get(kind, 0.0) >= amount for kind, amount in wanted.items()) for each in alive):
        raise InputError(
            f"train.ray: no node has {params.cpus_per_fold} cores, {params.gpus_per_fold:g} GPUs and "
            f"{params.memory_gb:g} GB at once; lower one of them in params.yaml, or add a node"
        )


def count_room(ray: Any, params: RayParams) -> int:
    """Counts the folds that may be under way or wait in Ray's queue: twice as many as the cluster computes at once.

    A fold that is tried again joins the end of that queue. What waits there all the same asks an autoscaler for nodes.

    Args:
        ray: the module, connected.
        params: the section ``train.ray``.
    """
    at_once = count_free([node["Resources"] for node in ray.nodes() if node["Alive"]], params)
    return at_once + max(at_once, _WAITING)


def list_free(ray: Any) -> list[Mapping[str, float]]:
    """Lists what is free on each node: what all nodes have free together may be too little on any one of them.

    Args:
        ray: the module, connected.
    """
    return list(ray._private.state.available_resources_per_node().values())  # no public call tells nodes apart


def count_free(nodes: Iterable[Mapping[str, float]], params: RayParams) -> int:
    """Counts the folds that would begin at once.

    Args:
        nodes: as `list_free` returns them.
        params: the section ``train.ray``.
    """
    needs = {kind: need for kind, need in _list_needs(params).items() if need}
    return sum(int(min(node.get(kind, 0.0) // need for kind, need in needs.items())) for node in nodes)


def _list_needs(params: RayParams) -> dict[str, float]:
    return {"CPU": params.cpus_per_fold, "GPU": params.gpus_per_fold, "memory": params.memory_gb * 1e9}


def _require_ray() -> None:
    if importlib.util.find_spec("ray") is None:
        raise InputError(
            "train.executor: ray needs Ray, which is not installed: run `.tools/bin/uv pip install --python "
            ".venv/bin/python --require-hashes --no-deps -r requirements/ray.txt`, or set train.executor: local"
        )


def _import_ray(alone: bool) -> Any:
    _require_ray()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    if not alone and _has_token():  # Ray takes the token of itself, but not where it is given an address
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    if alone:  # despite its name this binds the servers of Ray on a single machine to loopback, on Linux, too
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray

    return ray


def _has_token() -> bool:
    """Says whether Ray would find a token: https://docs.ray.io/en/latest/ray-security/token-auth.html."""
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"
    return bool(os.environ.get("RAY_AUTH_TOKEN")) or Path(path).is_file()


def _quiet() -> dict[str, Any]:
    return {"logging_level": "error", "log_to_driver": False}
