"""DVC followed: a line a stage, the rest in the log, and Ctrl-C that loses nothing."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.tiny import write_yaml

from pipeline.workspace.following import StageLines, follow_stages

SAID = """\
Stage 'fetch' didn't change, skipping
Stage 'split' is cached - skipping run, checking out outputs
Running stage 'train@small_cnn':
> python -m pipeline train small_cnn
small_cnn fold 0 epoch 1/40 loss 2.0 accuracy 0.5 1:05 left lr 1.0e-03 a line that is much longer than the terminal
note: half as many images a step
Updating lock file 'dvc.lock'

Running stage 'ensemble':
> python -m pipeline ensemble
error: x.yaml: no such key
ERROR: failed to reproduce 'ensemble': failed to run: python -m pipeline ensemble, exited with 1
Use `dvc push` to send your updates to remote storage.
"""


def test_a_stage_has_one_line_and_what_a_person_must_know_is_whole() -> None:
    out = io.StringIO()
    lines = StageLines(out, 60)
    for line in SAID.splitlines():
        lines.take(line)
    lines.finish()
    shown = [line for line in out.getvalue().splitlines() if line]
    assert shown == [
        "split                    made before: taken from the cache",
        "note: half as many images a step",
        "train@small_cnn              0 s small_cnn fold 0 epoch 1/4…",
        "error: x.yaml: no such key",
        "ERROR: failed to reproduce 'ensemble': failed to run: python -m pipeline ensemble, exited with 1",
        "ensemble                     0 s",
        "1 stage is as it was",
    ]


def test_a_long_stage_shows_that_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    out, now = io.StringIO(), [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    lines = StageLines(out, 80)
    lines.take("Running stage 'prepare':")
    for _ in range(300):
        now[0] += 1
        lines.tick()
    assert [line.split()[1] for line in out.getvalue().splitlines()] == ["61", "123", "247"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One stage, which makes its result once and then takes a minute to make it again."""
    (tmp_path / "make.py").write_text("import time; print('made', flush=True); open('out.txt', 'w').write('one')\n")
    write_yaml(
        tmp_path / "dvc.yaml",
        {"stages": {"make": {"cmd": "python make.py", "deps": ["make.py"], "outs": ["out.txt"]}}},
    )
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    return tmp_path


@pytest.mark.slow
def test_what_control_c_stops_keeps_its_last_whole_results(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    log = repository / "logs" / "run.log"
    assert follow_stages(repository, (), log) == 0
    (repository / "make.py").write_text("import time; print('slowly', flush=True); time.sleep(60)\n")
    code = (
        "import sys; from pathlib import Path; from pipeline.workspace.following import follow_stages; "
        f"sys.exit(follow_stages(Path({str(repository)!r}), (), Path({str(log)!r})))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    while process.poll() is None and not (log.is_file() and "slowly" in log.read_text()):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "stopped at make (slowly); what is done is kept, the same command goes on"
    assert (repository / "out.txt").read_text() == "one"
    assert "Running stage 'make'" in log.with_name("run.log.1").read_text()
