"""Runs `dvc repro` with a line a stage on the terminal, then prints scores and summary. Run by hand or by `make run`.

Reads and writes: what the stages of dvc.yaml do. Writes: .work/logs/run.log, all that they print.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.core.active import active_models
from pipeline.core.competition import load_competition
from pipeline.core.paths import summary_path, work_folder
from pipeline.reports.score_table import print_score_table
from pipeline.workspace.following import follow_stages


def run(root: Path, targets: Sequence[str]) -> int:
    """Runs stages, or all; returns the exit code.

    Args:
        root: the repository.
        targets: stages of dvc.yaml; none is all of them.

    Raises:
        InputError: ``params.yaml`` names no competition or no model that there is.
    """
    load_competition(root)
    active_models(root)
    log = work_folder(root, "logs") / "run.log"
    code = follow_stages(root, targets, log)
    if code == 0:
        print_score_table(root)
        summary = summary_path(root)
        if summary.is_file() and not targets:
            print(summary.read_text(encoding="utf-8"), end="")
    print(f"log: {log.relative_to(root)}")
    return code
