"""CPU seconds of whole verbs, start included, in this checkout against those in another one, in turn.

Both folders hold the same competition, trained: `python -m benchmarks.starts --before ../older --pairs 5`.
"""

import argparse
import resource
import statistics
import subprocess
import sys
from pathlib import Path

VERBS = (
    "--help", "fetch", "split", "tune mlp_pixels", "scores", "submission mlp_pixels", "board",
)  # fmt: skip


def measure(folder: Path, verb: str) -> float:
    """Returns user and system seconds of one verb, its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pipeline", *verb.split()]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Prints medians and the ratio of each verb."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="the repository folder of another checkout")
    parser.add_argument("--after", type=Path, default=Path(), help="the repository folder of this one")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--verbs", nargs="+", default=VERBS)
    options = parser.parse_args()
    for verb in options.verbs:
        pairs = [(measure(options.before, verb), measure(options.after, verb)) for _ in range(options.pairs)]
        ratios = [old / new for old, new in pairs]
        old, new = (statistics.median(side) for side in zip(*pairs, strict=True))
        spread = f"{min(ratios):.2f} - {max(ratios):.2f}"
        print(f"{verb}: {old:.2f} -> {new:.2f} CPU s, {statistics.median(ratios):.2f} x ({spread}, {len(pairs)} pairs)")


if __name__ == "__main__":
    main()
