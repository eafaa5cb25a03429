"""The state of a fold between epochs, as one file that is whole or absent."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import DAMAGE
from pipeline.core.files import atomic_path
from pipeline.core.memory import is_out_of_memory

Arrays = list[NDArray[Any]]


@dataclass
class TrainingProgress:
    """How far a training is, and its history.

    Attributes:
        epoch: whole epochs done.
        seconds: that they took.
        stopped: the recipe's patience is over.
        best: lowest validation loss so far.
        waited: epochs since then.
        level: epochs since then or since the rate was lowered, whichever is later.
        history: one row per epoch.
        hardware: on which it runs.
        kept: validation losses of the epochs whose weights are kept to be averaged, as they stand in `State.best`.
    """

    epoch: int = 0
    seconds: float = 0.0
    stopped: bool = False
    best: float = float("inf")
    waited: int = 0
    level: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    hardware: str = ""
    kept: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class State:
    """A training between two epochs.

    Attributes:
        progress: how far it is.
        model: every variable of the model.
        optimizer: every variable of the optimizer.
        best: the model's variables at the best epoch, or the mean of its trained ones over the last epochs, or the
            trained ones of the best epochs, one after another; empty where the last are kept.
    """

    progress: TrainingProgress
    model: Arrays
    optimizer: Arrays
    best: Arrays


def name_state(hardware: str) -> str:
    """Names the file of a fold's state: other hardware keeps another, as it would not continue to the same bits."""
    return f"state-{hashlib.sha256(hardware.encode()).hexdigest()[:8]}.npz"


def list_states(folder: Path) -> list[Path]:
    """Lists the states of a fold that is under way, one for each kind of hardware."""
    return sorted(folder.glob("state-*.npz"))


def read_progress(path: Path) -> TrainingProgress | None:
    """Reads how far a training is without its arrays; None where the file is gone or cannot be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            return TrainingProgress(**json.loads(str(saved["about"]))["progress"])
    except DAMAGE:
        return None


def write_state(path: Path, state: State) -> None:
    """Writes a state atomically: a crash leaves the one of the epoch before."""
    groups = {"model": state.model, "optimizer": state.optimizer, "best": state.best}
    named = {f"{group}{i}": array for group, arrays in groups.items() for i, array in enumerate(arrays)}
    sizes = {group: len(arrays) for group, arrays in groups.items()}
    about = np.array(json.dumps({"progress": vars(state.progress), "sizes": sizes}))
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, about=about, **named)


def read_state(path: Path, name: str) -> State | None:
    """Reads a state; None where there is none, or where it cannot be read, which a message with ``name`` says."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            about = json.loads(str(saved["about"]))
            groups = {
                group: [np.asarray(saved[f"{group}{i}"]) for i in range(size)] for group, size in about["sizes"].items()
            }
        return State(TrainingProgress(**about["progress"]), **groups)
    except DAMAGE as error:
        if is_out_of_memory(error):
            raise  # of a state that is whole
        print(f"{name}: {path} cannot be read ({error}); this fold starts again", flush=True)
        return None
