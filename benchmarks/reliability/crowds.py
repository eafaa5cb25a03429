"""Two of everything at once, and too little memory: the results of one run, or one line that says what to do."""

import contextlib
import random
import signal
import subprocess
import sys
from pathlib import Path

from support.cloned import make_environment
from support.project_imports import ROOT

from benchmarks.reliability.tiny_runs import SECONDS, STAGES, TinyRuns

# Imports come first: what they need is no part of the limit.
_LIMITED = """
import resource, sys
from importlib import import_module
from pathlib import Path
from pipeline.cli import main
verb, room = sys.argv[1], int(sys.argv[2])
import_module(f"pipeline.stages.{verb}")
if verb == "train":
    import numpy
    from pipeline.networks.runtime import keras
    keras.Sequential([keras.layers.Dense(2)]).predict(numpy.zeros((1, 1)), verbose=0)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + room, used + room))
sys.argv[1:] = [verb, *sys.argv[3:]]
sys.exit(main())
"""
_WRONG = ("cannot be read", "broken", "damaged", "Input should", "is not whole")
_LACK = ("memory", "bad_alloc")  # in the words of a library that aborts the process for want of it


class Crowd:
    """A repository in which a stage is not alone, or has little memory.

    Attributes:
        aborts: the last words of libraries that aborted a process and named memory.
    """

    def __init__(self, folder: Path) -> None:
        """Runs everything once."""
        self._runs, self.aborts = TinyRuns(folder, folder / "root"), list[str]()
        home = folder / "home"
        home.mkdir()
        self._environment = make_environment(home) | {"PYTHONPATH": str(ROOT)}

    def run_twice(self, seed: int) -> str | None:
        """Starts a stage twice, a moment apart; returns what does not hold."""
        rng = random.Random(f"pair {seed}")
        place = seed % len(STAGES)
        self._runs.lay(place)
        first = self._start("-m", "pipeline", *STAGES[place])
        with contextlib.suppress(subprocess.TimeoutExpired):
            first.wait(rng.uniform(0.0, 3.0))
        second = self._start("-m", "pipeline", *STAGES[place])
        problems = [self._judge(process) for process in (first, second)]
        problem = next(filter(None, problems), None) or self._runs.run_from(place) or self._runs.check_results()
        return problem and f"two of {' '.join(STAGES[place])}: {problem}"

    def limit_memory(self, seed: int) -> str | None:
        """Runs `prepare` or `train` with little memory, then with enough; returns what does not hold.

        A library that aborts the process leaves nobody to write a line of ours: its own words must name memory.
        """
        rng = random.Random(f"memory {seed}")
        place = STAGES.index(rng.choice([("prepare",), ("train", "small_cnn")]))
        self._runs.lay(place)
        room = round(10 ** rng.uniform(5, 9))
        verb, *arguments = STAGES[place]
        process = self._start("-c", _LIMITED, verb, str(room), *arguments)
        problem = self._judge(process, memory=True) or self._runs.run_from(place) or self._check_halved()
        return problem and f"{verb} with {room / 1e6:.1f} MB: {problem}"

    def _check_halved(self) -> str | None:
        """Compares results; where memory ran out, a model may train with half as many images a step."""
        halved = any((self._runs.root / ".work" / "probing").rglob("*.json"))
        return self._runs.check_results(alike=not halved)

    def _start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self._runs.root,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _judge(self, process: "subprocess.Popen[str]", memory: bool = False) -> str | None:
        try:
            _, text = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return f"not ended after {SECONDS:g} s"
        errors = [line for line in text.splitlines() if line.startswith("error:")]
        if memory and process.returncode == -signal.SIGABRT and any(word in text.lower() for word in _LACK):
            self.aborts.append(" | ".join(text.strip().splitlines()[-3:])[-300:])
        elif process.returncode and (len(errors) != 1 or "Traceback" in text):
            return f"exit code {process.returncode}: {' | '.join(text.strip().splitlines()[-3:])[-600:]}"
        elif process.returncode and memory and "memory" not in errors[0]:
            return f"memory is not named: {errors[0]}"
        if memory and any(words in text for words in _WRONG):
            return f"memory is taken for something else: {text[-400:]}"
        return None
