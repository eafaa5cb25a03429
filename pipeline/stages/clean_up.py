"""Removes half-written files that killed processes left. Run by hand: no stage of dvc.yaml.

Reads and writes: files and folders of the repository whose name begins with .tmp-, and DVC's lock files where they are
cut
"""

from pathlib import Path

from pipeline.core.folders import sweep_temporary
from pipeline.core.lock_file import mend_lock_file
from pipeline.core.processes import sweep_dvc_lock

_UNSWEPT = (".git", ".venv", ".venv-gpu", ".tools")


def run(root: Path) -> None:
    """Sweeps the whole repository but Git and the environments, and says what it freed."""
    swept = sweep_temporary(root, _UNSWEPT)
    if (cut := sweep_dvc_lock(root)) is not None:
        swept.append((cut, 0))
    if mend_lock_file(root) is not None:
        print("dvc.lock was cut by a kill: its whole stages are kept, and DVC takes the others from its run cache")
    for path, _ in swept:
        print(path.relative_to(root))
    print(f"{len(swept)} half-written files and folders removed, {sum(size for _, size in swept) / 1e6:,.1f} MB")
