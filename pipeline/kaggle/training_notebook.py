"""Notebooks that train where Kagglers work: the whole evening in one file, for Kaggle's machines and for Colab.

A notebook gets the project (a data set among its inputs, or a clone), makes its environment from the project's lock,
describes the competition, runs `best`, shows scores and report, and leaves ``submission.csv``.
"""

from dataclasses import dataclass
from typing import Literal

from pipeline.kaggle.notebook_files import render_notebook

Place = Literal["kaggle", "colab"]


@dataclass(frozen=True)
class Evening:
    """What a training notebook does.

    Attributes:
        competition: its slug at Kaggle.
        metric: the competition's metric, as `init` takes it; empty for one that is described already.
        hours: for `best` in all.
        project: the address that the project is cloned from; empty: it is among the inputs.
        name: what this repository calls the competition; empty: as Kaggle does.
    """

    competition: str
    metric: str = ""
    hours: float = 4.0
    project: str = ""
    name: str = ""


def make_training_notebook(place: Place, evening: Evening) -> str:
    """Returns a notebook as JSON."""
    kaggle = place == "kaggle"
    settings = _SETTINGS.format(
        competition=evening.competition,
        name=evening.name or evening.competition,
        metric=evening.metric,
        hours=evening.hours,
        project=evening.project,
        folders=_KAGGLE_FOLDERS if kaggle else _COLAB_FOLDERS,
    )
    token = _KAGGLE_TOKEN if kaggle else _COLAB_TOKEN
    text = _INTRODUCTION + (_KAGGLE_HINT if kaggle else _COLAB_HINT)
    return render_notebook(text, [settings, _PROJECT, _ENVIRONMENT, token + _DESCRIBE, _TRAIN, _REPORT, _SUBMISSION])


@dataclass(frozen=True)
class SentBatch:
    """What one notebook trains.

    Attributes:
        dataset: the slug of the data set that holds the bundle.
        digest: the bundle's SHA-256.
        tasks: model, number and fingerprint of each fold, as JSON.
        seconds: after which the notebook ends what it trains.
    """

    dataset: str
    digest: str
    tasks: str
    seconds: int


BUNDLE, PARCEL = "bundle.bin", "folds.bin"  # a name that Kaggle unpacks would come apart


def make_folds_notebook(batch: SentBatch) -> str:
    """Returns the notebook that trains folds at Kaggle and leaves them as one parcel, as JSON."""
    settings = _BATCH_SETTINGS.format(
        dataset=batch.dataset, digest=batch.digest, tasks=batch.tasks, seconds=batch.seconds, bundle=BUNDLE
    )
    return render_notebook(
        "Trains folds of a cross-validation; `python -m pipeline kaggle-train` fetches them.",
        [settings, _UNBUNDLE, _ENVIRONMENT, _BATCH.format(parcel=PARCEL)],
    )


_BATCH_SETTINGS = """\
import time
from pathlib import Path

BEGAN = time.monotonic()
DATASET, DIGEST, SECONDS = "{dataset}", "{digest}", {seconds}
TASKS = '''{tasks}'''
INPUT, WORKING, PROJECT = Path("/kaggle/input"), Path("/kaggle/working"), Path("/tmp/project")
places = [INPUT / DATASET / "{bundle}", *INPUT.glob(f"datasets/*/{{DATASET}}/{bundle}")]"""

_UNBUNDLE = """\
import hashlib
import shutil
import subprocess
import tarfile

bundles = [path for path in places if path.is_file()]
assert bundles, f"the data set {DATASET} is no input of this notebook, or holds no bundle"
with bundles[0].open("rb") as file:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
assert digest == DIGEST, f"{bundles[0]} is not what was sent: its digest is {digest}, not {DIGEST}"
with tarfile.open(bundles[0]) as tar:
    tar.extractall(PROJECT, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
(PROJECT / "tasks.json").write_text(TASKS, encoding="utf-8")"""

_BATCH = """\
left = SECONDS - (time.monotonic() - BEGAN)
run(PYTHON, "-m", "pipeline", "batch", "tasks.json", "--out", WORKING / "{parcel}", "--seconds", int(left))"""

_INTRODUCTION = """\
Trains an image classifier for a Kaggle competition from its files to `submission.csv`: the best ensemble that the hours
give, with nested cross-validation scores and a report.
"""

_KAGGLE_HINT = """
Before it runs: add the competition as an input (and accept its rules), choose a GPU under *Session options*, switch the
internet on, and either add the project as a data set or write its address into `PROJECT_URL`."""

_COLAB_HINT = """
Before it runs: choose a GPU under *Runtime > Change runtime type*, write the project's address into `PROJECT_URL`, and
keep a Kaggle token under *Secrets* as `KAGGLE_API_TOKEN` (and accept the competition's rules)."""

_KAGGLE_FOLDERS = """\
INPUT, WORKING, PROJECT = Path("/kaggle/input"), Path("/kaggle/working"), Path("/tmp/project")"""

_COLAB_FOLDERS = """\
INPUT, WORKING, PROJECT = Path("/content/input"), Path("/content"), Path("/content/project")"""

_SETTINGS = """\
from pathlib import Path

COMPETITION = "{competition}"  # the last part of its address
NAME = "{name}"  # what the project calls it, or will
METRIC = "{metric}"  # see its page, Overview > Evaluation; empty for a competition that the project describes
OPTIONS = []  # more for `init`, where it cannot tell, such as ["--positive", "dog"]
HOURS = {hours:g}  # in all; less than the session lasts
PROJECT_URL = "{project}"  # to clone from, where the project is not among the inputs
{folders}"""

_PROJECT = """\
import shutil
import subprocess

# A data set is in INPUT/SLUG or INPUT/datasets/USER/SLUG; a zip of a repository has one folder more.
patterns = [level + "pipeline/cli.py" for level in ("*/", "*/*/", "datasets/*/*/", "datasets/*/*/*/")]
attached = [path.parents[1] for pattern in patterns for path in INPUT.glob(pattern)]
attached = [folder for folder in attached if (folder / "dvc.yaml").is_file()]
if not PROJECT.exists():
    assert attached or PROJECT_URL, "add the project as a data set, or write its address into PROJECT_URL"
    copy = PROJECT.with_name("project-unfinished")
    shutil.rmtree(copy, ignore_errors=True)
    if attached:
        shutil.copytree(attached[0], copy, symlinks=True)
        for path in (copy, *copy.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o200)  # inputs are read-only
    else:
        subprocess.run(["git", "clone", "-q", "--depth", "1", PROJECT_URL, copy], check=True)
    copy.rename(PROJECT)
if not (PROJECT / ".git").exists():
    subprocess.run(["git", "init", "-q", PROJECT], check=True)  # DVC needs a repository
if not (PROJECT / ".dvc" / "config").is_file():
    (PROJECT / ".dvc").mkdir(exist_ok=True)  # uploads leave out what begins with a dot
    (PROJECT / ".dvc" / "config").write_text("[core]\\n    analytics = false\\n    check_update = false\\n")
print(PROJECT)"""

_ENVIRONMENT = """\
import os
import sys

PYTHON = PROJECT / ".venv" / "bin" / "python"


def run(*command):
    \"\"\"Runs a command in the project's folder, its lines shown as they come.\"\"\"
    environment = {**os.environ, "PATH": f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}", "MPLBACKEND": "agg"}
    kept = {name: value for name, value in environment.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    words = [str(word) for word in command]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(words, cwd=PROJECT, env=kept, text=True, errors="replace", **pipes) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
    if process.returncode:
        raise SystemExit(f"{' '.join(words[:5])} ended with {process.returncode}: see the lines above")


if not PYTHON.is_file():
    lock = PROJECT / "requirements" / ("gpu.txt" if shutil.which("nvidia-smi") else "cpu.txt")
    run(sys.executable, "-m", "pip", "install", "-q", "uv")
    run(sys.executable, "-m", "uv", "venv", "-q", "--python", "3.11", PYTHON.parents[1])
    install = ["pip", "install", "-q", "--python", PYTHON, "--require-hashes", "--no-deps", "-r", lock]
    run(sys.executable, "-m", "uv", *install)
run(PYTHON, "--version")"""

_KAGGLE_TOKEN = """\
places = [place for place in (INPUT / "competitions" / COMPETITION, INPUT / COMPETITION) if place.is_dir()]
if not places:  # downloaded, which needs a token: Add-ons > Secrets, KAGGLE_API_TOKEN
    from kaggle_secrets import UserSecretsClient

    os.environ["KAGGLE_API_TOKEN"] = UserSecretsClient().get_secret("KAGGLE_API_TOKEN")
"""

_COLAB_TOKEN = """\
places = [place for place in (INPUT / COMPETITION,) if place.is_dir()]
if not places:
    from google.colab import userdata

    os.environ["KAGGLE_API_TOKEN"] = userdata.get("KAGGLE_API_TOKEN")
"""

_DESCRIBE = """
known = PROJECT / "configs" / "competitions" / f"{NAME}.yaml"
metric = ["--metric", METRIC] if METRIC else []
if not known.is_file() and places:
    run(PYTHON, "-m", "pipeline", "init", "--from", places[0], "--name", NAME, *metric, *OPTIONS)
if known.is_file():
    run(PYTHON, "-m", "pipeline", "init", NAME)
else:
    run(PYTHON, "-m", "pipeline", "init", "--kaggle", COMPETITION, *metric, *OPTIONS)"""

_TRAIN = """\
run(PYTHON, "-m", "pipeline", "best", "--hours", HOURS)"""

_REPORT = """\
import html

from IPython.display import HTML, display

run(PYTHON, "-m", "pipeline", "scores")
page = (PROJECT / "reports" / "report.html").read_text(encoding="utf-8")
shutil.copy(PROJECT / "reports" / "report.html", WORKING / "report.html")
display(HTML(f'<iframe srcdoc="{html.escape(page)}" width="100%" height="900"></iframe>'))"""

_SUBMISSION = """\
import csv

shutil.copy(PROJECT / "submissions" / "ensemble.csv", WORKING / "submission.csv")
with (WORKING / "submission.csv").open(newline="", encoding="utf-8") as file:
    rows = list(csv.reader(file))
print(f"{WORKING / 'submission.csv'}: {len(rows) - 1:,} rows of {', '.join(rows[0][:5])}")"""
