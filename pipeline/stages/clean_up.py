"""Removes half-written files that killed processes left. Run by hand: no stage of dvc.yaml.

Reads and writes: files and folders of the repository whose name begins with .tmp-, and DVC's lock file where it is cut
"""

from pathlib import Path

from pipeline.core.folders import sweep_temporary
from pipeline.core.processes import sweep_dvc_lock

_UNSWEPT = (".git", ".venv", ".venv-gpu", ".tools")


def run(root: Path) -> None:
    """Sweeps the whole repository but Git and the environments, and says what it freed."""
    swept = sweep_temporary(root, _UNSWEPT)
    if (cut := sweep_dvc_lock(root)) is not None:
        swept.append((cut, 0))
    for path, _ in swept:
        print(path.relative_to(root))
    print(f"{len(swept)} half-written files and folders removed, {sum(size for _, size in swept) / 1e6:,.1f} MB")
