"""`best` on a tiny competition: killed, continued, and in the end what `dvc repro` makes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.cloned import MODELS, lay

from pipeline.core.active import active_models

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TABLE = """recipe,competition,side,images,error,seconds,features
tiny_mlp,tiny,12,90,0.1,5,0
tiny_cnn,tiny,12,90,0.05,60,0
"""


def test_a_budget_that_is_killed_goes_on_and_ends_in_what_dvc_makes(tmp_path: Path) -> None:
    repository = lay(tmp_path)
    (repository.root / "configs" / "measured_recipes.csv").write_text(TABLE, encoding="utf-8")
    command = [sys.executable, "-m", "pipeline", "best", "--hours", "0.5"]
    environment = os.environ | {"HOME": str(repository.home)}
    begun = subprocess.Popen(command, cwd=repository.root, env=environment, stdout=subprocess.DEVNULL)
    submission = repository.root / "submissions" / "ensemble.csv"
    deadline = time.monotonic() + 400
    while not submission.exists() and time.monotonic() < deadline:
        time.sleep(0.5)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    while not submission.exists() and time.monotonic() < deadline:  # DVC, moving it to its cache, copies it back
        time.sleep(0.1)
    assert submission.exists()

    printed = repository.pipeline("best", "--hours", "0.5")
    plan = json.loads((repository.root / "reports" / "best.json").read_text(encoding="utf-8"))
    assert plan["finished"]
    again = re.compile(r"(.+?)(_\d+_epochs)?_seed_\d_tiny")
    tried = [step["model"] for step in plan["steps"]]
    assert "tiny_cnn" in tried
    assert any(map(again.fullmatch, tried))  # a network stayed, and then half an hour is enough for another seed
    assert {step["outcome"] for step in plan["steps"]} <= {"kept", "dropped"}
    assert tuple(plan["models"]) == active_models(repository.root)
    assert {again.sub(r"\1", model) for model in plan["models"]} <= set(MODELS)
    files = {path.stem for path in (repository.root / "configs" / "models").glob("*_tiny.yaml")}
    assert files == set(plan["models"]) - set(MODELS)
    assert f"{plan['score']:.4f}" in printed
    assert (repository.root / "reports" / "best.html").is_file()
    assert "Running stage" not in repository.dvc("repro")
