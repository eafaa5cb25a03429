"""A tiny competition whose stages have all run once, laid anew for every trial as it was before a stage."""

import shutil
from pathlib import Path

from support.cloned import list_shared_configs
from support.project_imports import ROOT
from support.tiny import build, write_yaml

from benchmarks.reliability.verbs import call_verbs, list_files

SECONDS = 300.0  # that stages may take, imports included
STAGES: tuple[tuple[str, ...], ...] = (
    ("fetch",),
    ("prepare",),
    ("split",),
    ("explore",),
    ("tune", "small_cnn"),
    ("train", "small_cnn"),
    ("ensemble",),
    ("submission", "small_cnn"),
    ("submission", "ensemble"),
    ("report",),
    ("summary",),
)
_MODEL = {
    "network": {"name": "mlp_pixels", "units": [8]},
    "training": {"epochs": 2, "batch_size": 8, "optimizer": {"name": "adam", "learning_rate": 0.01}},
}
_RESULTS = ("data/prepared", "configs/tuned", "folds", "submissions")
_SUFFIXES = {".csv", ".parquet", ".h5", ".npy", ".yaml"}


class TinyRuns:
    """The repository and what its stages make.

    Attributes:
        root: where trials run.
        wanted: the results of an unbroken run, by path.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        """Runs all stages once.

        Args:
            folder: an empty one, for the copy that trials begin with.
            root: a folder that is not there yet.
        """
        self.root, self._whole = root, folder / "whole"
        root.mkdir()
        build(root, per_class=12, n_test=9)
        write_yaml(root / "configs" / "models" / "small_cnn.yaml", _MODEL)
        for name in list_shared_configs():
            if (ROOT / name).is_file():
                shutil.copy(ROOT / name, root / name)
        problem = self.run_from(0)
        if problem:
            raise SystemExit(f"an unbroken run fails: {problem}")
        shutil.copytree(root, self._whole)
        self.wanted = self.read_results()

    def lay(self, place: int) -> None:
        """Lays the repository as after a whole run, but for what the training of ``STAGES[place]`` would find done."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self._whole, self.root)
        if STAGES[place][0] == "train":
            shutil.rmtree(self.root / ".work")

    def run_from(self, place: int) -> str | None:
        """Runs a stage and all that follow; returns what went wrong."""
        ending = call_verbs(self.root, *STAGES[place:], seconds=SECONDS)
        return ending.problem or (ending.text if ending.code else None)

    def check_results(self, alike: bool = True) -> str | None:
        """Compares the results with those of the unbroken run, and looks for half-written files.

        Args:
            alike: whether they must have the same bits; else the same files suffice.
        """
        there = self.read_results()
        names = there.keys() | self.wanted
        other = [name for name in names if (there.get(name) != self.wanted.get(name) if alike else name not in there)]
        rests = [path.name for path in self.root.rglob(".tmp-*")]
        return (f"other bits: {other}" if other else None) or (f"left: {rests}" if rests else None)

    def read_results(self) -> dict[str, bytes]:
        """Reads all results that have the same bits in every run, by path."""
        return {
            f"{name}/{path}": content
            for name in _RESULTS
            for path, content in list_files(self.root / name).items()
            if Path(path).suffix in _SUFFIXES and Path(path).name != "history.csv"
        }
