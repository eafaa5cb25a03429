"""Full disks: a stage on a small disk ends in one line, leaves what was there as it was, and goes on with room again.

The disk is a mount of its own in memory, which needs the right to mount.
"""

import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.reliability.tiny_runs import SECONDS, STAGES, TinyRuns
from benchmarks.reliability.verbs import call_verbs

_MEGABYTES, _BLOCK = 64, 4096


class SmallDisk:
    """A repository on a disk that can be filled.

    Attributes:
        refused: the reason where no disk can be mounted here, else empty.
    """

    def __init__(self, folder: Path) -> None:
        """Mounts a disk; `fill` needs one that is not refused."""
        self._folder, self._mounted = folder, folder / "disk"
        self._mounted.mkdir()
        self._runs: TinyRuns | None = None
        command = ["mount", "-t", "tmpfs", "-o", f"size={_MEGABYTES}m", "tmpfs", str(self._mounted)]
        try:
            subprocess.run(command, capture_output=True, check=True, text=True)
            self.refused = ""
        except (OSError, subprocess.CalledProcessError) as error:
            self.refused = f"no disk can be mounted here ({error})"

    def fill(self, seed: int) -> str | None:
        """Runs a stage with a few bytes of room, then with enough; returns what does not hold."""
        self._runs = self._runs or TinyRuns(self._folder, self._mounted / "root")
        rng = random.Random(f"disk {seed}")
        place = seed % len(STAGES)
        self._runs.lay(place)
        free = rng.choice([0, 1, rng.randrange(16), rng.randrange(150)]) * _BLOCK
        problem = self._run_filled(self._runs, place, free) or self._runs.run_from(place) or self._runs.check_results()
        return problem and f"{' '.join(STAGES[place])} with {free:,} bytes of room: {problem}"

    def _run_filled(self, runs: TinyRuns, place: int, free: int) -> str | None:
        before = runs.read_results()
        with self._filled(free):
            ending = call_verbs(runs.root, STAGES[place], seconds=SECONDS)
        changed = [name for name, content in runs.read_results().items() if content != before.get(name)]
        rests = [path.name for path in runs.root.rglob(".tmp-*")]
        if ending.problem or (ending.code and "space" not in ending.text):
            return ending.problem or f"{ending.text[-300:]!r} names no space"
        if ending.code and changed:
            return f"refused, but changed {changed}"
        return f"left {rests}" if rests else None

    def close(self) -> None:
        """Unmounts the disk."""
        if not self.refused:
            subprocess.run(["umount", "--lazy", str(self._mounted)], check=True)

    @contextmanager
    def _filled(self, free: int) -> Iterator[None]:
        filler = self._mounted / "filler"
        room = shutil.disk_usage(self._mounted).free - free
        filler.write_bytes(bytes(max(0, room)))
        try:
            yield
        finally:
            filler.unlink()
