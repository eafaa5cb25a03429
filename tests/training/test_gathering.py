"""Gathering folds that are trained: without the backend that trained them."""

import subprocess
import sys
from pathlib import Path

from support import tiny
from support.trainings import repository, settings

from pipeline.core import paths

REPOSITORY = Path(__file__).parents[2]
GATHER = (
    "import sys\nfrom pathlib import Path\nfrom pipeline.stages import train\n"
    "train.run(Path(sys.argv[1]), 'one')\nprint(*({'keras', 'tensorflow', 'jax'} & set(sys.modules)))"
)


def test_folds_that_are_trained_are_gathered_without_keras(tmp_path: Path) -> None:
    root = repository(tmp_path)
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings(epochs=1))
    command = [sys.executable, "-c", GATHER, str(root)]  # twice: what tests before it set holds for neither
    subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    before = paths.oof_path(root, "one").read_bytes()
    paths.oof_path(root, "one").unlink()
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == ""
    assert paths.oof_path(root, "one").read_bytes() == before
