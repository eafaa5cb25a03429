"""The campaign: kills, full disks, flipped bits, malformed inputs, signals, crowds and little memory.

    PYTHONPATH=tests python -m benchmarks.reliability --seed 0 --minutes 60
    PYTHONPATH=tests python -m benchmarks.reliability --part submissions --tries 500 --minutes 20

It prints one table: tried, held, and the seeds that did not, whose problems follow below; ``--part NAME --seed N
--tries 1`` plays one of them again. Parts run one after another, each for its share of the minutes at most; a part that
this machine does not allow is skipped with the reason.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from support.fabricated import LABELS
from support.submissions import make_submissions

from benchmarks.reliability.chain import Chain
from benchmarks.reliability.crowds import Crowd
from benchmarks.reliability.damage import KINDS, try_damage
from benchmarks.reliability.disks import SmallDisk
from benchmarks.reliability.malformed import Generator
from benchmarks.reliability.outcome import Outcome, try_seeds
from benchmarks.reliability.submitting import Interleaving
from benchmarks.reliability.writes import kill_write

Play = Callable[[Path, range, float], Outcome]


@dataclass(frozen=True)
class Part:
    """A part of the campaign.

    Attributes:
        play: runs seeds in an empty folder until a moment of `time.monotonic`.
        tries: seeds, where no number is given.
        share: of the minutes.
    """

    play: Play
    tries: int
    share: float


def play_submissions(folder: Path, seeds: range, end: float) -> Outcome:
    """Plays histories of submissions under faults."""
    root = make_submissions(folder, LABELS)
    return try_seeds("submissions", seeds, lambda seed: Interleaving(root, seed).play(), end)


def play_damage(folder: Path, seeds: range, end: float) -> Outcome:
    """Flips bits in, and cuts, every kind of kept file in turn."""
    kinds = list(KINDS)

    def check(seed: int) -> str | None:
        place = folder / str(seed % len(kinds))
        place.mkdir(exist_ok=True)
        return try_damage(kinds[seed % len(kinds)], place, seed)

    return try_seeds("damage", seeds, check, end)


def play_malformed(folder: Path, seeds: range, end: float) -> Outcome:
    """Reads malformed inputs."""
    return try_seeds("malformed", seeds, Generator(folder).try_once, end)


def play_writes(folder: Path, seeds: range, end: float) -> Outcome:
    """Kills processes inside writes."""

    def check(seed: int) -> str | None:
        with TemporaryDirectory(dir=folder) as place:
            return kill_write(Path(place), seed)

    return try_seeds("writes", seeds, check, end)


def play_chain(folder: Path, seeds: range, end: float) -> Outcome:
    """Kills and interrupts runs of the whole chain in turn, and lets the last one end."""
    chain = Chain(folder)
    outcome = try_seeds("chain", seeds, chain.break_off, end)
    if outcome.tried and (problem := chain.close()):
        outcome.failed.setdefault(seeds[outcome.tried - 1], problem)
    return outcome


def play_disks(folder: Path, seeds: range, end: float) -> Outcome:
    """Fills the disk of every stage in turn."""
    disk = SmallDisk(folder)
    if disk.refused:
        return Outcome("disks", skipped=disk.refused)
    try:
        return try_seeds("disks", seeds, disk.fill, end)
    finally:
        disk.close()


def play_pairs(folder: Path, seeds: range, end: float) -> Outcome:
    """Starts every stage twice."""
    return try_seeds("pairs", seeds, Crowd(folder).run_twice, end)


def play_memory(folder: Path, seeds: range, end: float) -> Outcome:
    """Runs `prepare` and `train` with little memory."""
    crowd = Crowd(folder)
    outcome = try_seeds("memory", seeds, crowd.limit_memory, end)
    outcome.remarks = [f"a library aborted the process in its own words: {words}" for words in crowd.aborts]
    return outcome


PARTS = {
    "submissions": Part(play_submissions, 500, 0.1),
    "damage": Part(play_damage, 1000, 0.05),
    "malformed": Part(play_malformed, 200, 0.05),
    "writes": Part(play_writes, 50, 0.03),
    "disks": Part(play_disks, 40, 0.12),
    "pairs": Part(play_pairs, 20, 0.1),
    "memory": Part(play_memory, 20, 0.1),
    "chain": Part(play_chain, 100, 0.45),
}


def main() -> int:
    """Prints a table; 1 where something did not hold."""
    # A shell without job control starts what runs in the background deaf to Ctrl-C, and its children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability")
    parser.add_argument("--part", action="append", choices=PARTS, help="of the campaign; all where none is named")
    parser.add_argument("--tries", type=int, help="of each part")
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--minutes", type=float, default=60.0, help="of all parts together")
    arguments = parser.parse_args()
    chosen = {name: PARTS[name] for name in arguments.part or PARTS}
    minutes = arguments.minutes / sum(part.share for part in chosen.values())
    print("| what | tried | held | seconds | seeds that did not |\n|---|---|---|---|---|", flush=True)
    outcomes = []
    for name, part in chosen.items():
        started = time.monotonic()
        seeds = range(arguments.seed, arguments.seed + (arguments.tries or part.tries))
        with TemporaryDirectory() as folder:
            outcome = part.play(Path(folder), seeds, started + 60 * minutes * part.share)
        outcomes.append(outcome)
        failed = outcome.skipped or ", ".join(map(str, outcome.failed)) or "-"
        print(
            f"| {name} | {outcome.tried} | {outcome.held} | {time.monotonic() - started:.0f} | {failed} |", flush=True
        )
    for outcome in outcomes:
        for seed, problem in outcome.failed.items():
            print(f"{outcome.name} {seed}: {problem}")
        for remark in outcome.remarks:
            print(f"{outcome.name}: {remark}")
    return int(any(outcome.failed for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
