"""Settings written into YAML files: comments and all other lines stay."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from support.project_imports import ROOT
from support.tiny import write_yaml

from pipeline.core.config import read_yaml
from pipeline.core.errors import InputError
from pipeline.core.params_file import write_settings
from pipeline.training.recipes.model_yaml import overlay_settings

TEXT = """\
# A paper.
network:
  name: plain_cnn # the smallest
  units: [25]
training:
  epochs: 40 # enough
  phases: # two
    - {epochs: 3}
    - {epochs: 9}
  seed: null
"""


def written(path: Path, full: dict[str, Any], **changes: object) -> str:
    path.write_text(TEXT, encoding="utf-8")
    write_settings(path, {key.replace("__", "."): value for key, value in changes.items()}, full)
    return path.read_text(encoding="utf-8")


def test_a_setting_changes_and_nothing_else_does(tmp_path: Path) -> None:
    full = {"training": {"epochs": 60, "phases": [{"epochs": 3}, {"epochs": 5}]}, "network": {"units": [8, 9]}}
    found = written(tmp_path / "one.yaml", full, training__epochs=60, training__phases__1__epochs=5, network__units=[8])
    wanted = TEXT.replace("40 # enough", "60 # enough").replace("{epochs: 9}", "{epochs: 5}")
    assert found == wanted.replace("[25]", "[8, 9]")


def test_a_section_that_the_file_does_not_spell_is_written_whole(tmp_path: Path) -> None:
    full = {"training": {"schedule": {"name": "cosine", "warmup_epochs": 2}}}
    found = written(tmp_path / "one.yaml", full, training__schedule__warmup_epochs=2)
    assert found == TEXT + "  schedule: {name: cosine, warmup_epochs: 2}\n"


def test_a_comment_that_would_be_lost_stops_it(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text("views:\n  - plain # as it is\n  - mirrored # and turned\nseed: 1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"the comment '# as it is' would be lost; write views by hand"):
        write_settings(path, {"views": ["plain"]}, {"views": ["plain"]})
    assert "# and turned" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "change"),
    [("params.yaml", "train.seed=1"), ("configs/models/small_cnn.yaml", "training.epochs=60")],
)
def test_an_experiment_of_dvc_leaves_comments_and_values(tmp_path: Path, file: str, change: str) -> None:
    path = tmp_path / "copy.yaml"
    path.write_bytes((ROOT / file).read_bytes())
    before, key = path.read_text(encoding="utf-8"), change.partition("=")[0]
    apply_overrides(path, [change])  # what `dvc exp run -S` does to the file
    after = path.read_text(encoding="utf-8")
    wanted = overlay_settings(read_yaml(ROOT / file), {key: int(change.partition("=")[2])})
    assert read_yaml(path) == wanted
    assert sorted(re.findall(r"#.*", after)) == sorted(re.findall(r"#.*", before))


@pytest.mark.slow
def test_an_experiment_that_dvc_runs_leaves_comments_and_nulls(tmp_path: Path) -> None:
    """The whole of `dvc exp run -S`, not the function alone that it is thought to call."""
    before = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(before, encoding="utf-8")
    stage = {"cmd": "echo done > out.txt", "params": ["train", "tune"], "outs": ["out.txt"]}
    write_yaml(tmp_path / "dvc.yaml", {"stages": {"make": stage}})
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    names = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for command in (
        "git init -q",
        "dvc init -q",
        "git add -A",
        "git commit -qm start",
        "dvc exp run -q -S train.folds=[0] -S tune.n_trials=null -S train.seed=7",
    ):
        subprocess.run(command.split(), cwd=tmp_path, check=True, env={**os.environ, **names, "PATH": path})
    assert (tmp_path / "out.txt").is_file()
    after = (tmp_path / "params.yaml").read_text(encoding="utf-8")
    changes = {"train.folds": [0], "tune.n_trials": None, "train.seed": 7}
    assert read_yaml(tmp_path / "params.yaml") == overlay_settings(read_yaml(ROOT / "params.yaml"), changes)
    assert sorted(re.findall(r"#.*", after)) == sorted(re.findall(r"#.*", before))
    lost = Counter(before.splitlines()) - Counter(after.splitlines())
    rewritten = [line for line in lost if line and not re.search(r"^ *- |: \[", line)]  # it writes lists in its own way
    assert sorted(line.strip().partition(":")[0] for line in rewritten) == ["folds", "n_trials", "seed"]
