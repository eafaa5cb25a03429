"""The notebooks that train: run as notebooks on inputs laid out as at Kaggle, and kept as examples."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from support.cloned import lay
from support.project_imports import ROOT
from support.tiny import read_yaml, write_yaml
from support.trained import HOG

from pipeline.core.errors import InputError
from pipeline.kaggle.training_notebook import Evening, Place, make_training_notebook
from pipeline.stages import notebook as stage

EXAMPLE = Evening("plant-seedlings-classification", "macro_f1", 4.0)
PLACES: tuple[Place, ...] = ("kaggle", "colab")
TABLE = "recipe,competition,side,images,error,seconds,features\nmobilenet_v2_frozen,other,12,90,0.1,5,0\n"
RUN = """\
import sys, nbclient, nbformat
book = nbformat.read(sys.argv[1], as_version=4)
try:
    nbclient.NotebookClient(book, timeout=500, kernel_name="python3").execute()
finally:
    nbformat.write(book, sys.argv[2])
"""


@pytest.mark.parametrize("place", PLACES)
def test_the_examples_are_what_the_command_writes(place: Place) -> None:
    kept = (ROOT / "notebooks" / f"{place}.ipynb").read_text(encoding="utf-8")
    assert kept == make_training_notebook(place, EXAMPLE)


@pytest.mark.parametrize("place", PLACES)
def test_a_notebook_is_valid_and_every_cell_is_python(place: Place) -> None:
    book = json.loads(make_training_notebook(place, EXAMPLE))
    nbformat.validate(book)
    sources = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    assert all(ast.parse(source).body for source in sources)
    assert not any(name in "".join(sources) for name in ("{competition}", "{metric}", "{hours"))


def test_the_command_takes_the_active_competition_and_names_no_private_address(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = lay(tmp_path).root
    subprocess.run(["git", "-C", str(root), "remote", "add", "origin", "https://me:hunter2@host/x.git"], check=True)
    stage.run(root, tmp_path / "books", Evening("", hours=0.5))
    text = (tmp_path / "books" / "kaggle.ipynb").read_text(encoding="utf-8")
    assert 'COMPETITION = \\"tiny\\"' in text
    assert "hunter2" not in text
    assert "next: add the project as a data set" in capsys.readouterr().out


def test_a_described_competition_keeps_its_name_where_kaggle_calls_it_otherwise(tmp_path: Path) -> None:
    root = lay(tmp_path).root
    file = root / "configs" / "competitions" / "tiny.yaml"
    write_yaml(file, read_yaml(file) | {"kaggle": "tiny-challenge"})
    stage.run(root, tmp_path / "books", Evening("", hours=0.5))
    text = (tmp_path / "books" / "kaggle.ipynb").read_text(encoding="utf-8")
    assert 'COMPETITION = \\"tiny-challenge\\"' in text
    assert 'NAME = \\"tiny\\"' in text


@pytest.mark.parametrize(
    ("evening", "wanted"),
    [
        (Evening('x"; import os'), "--competition must be a slug"),
        (Evening("tiny", metric='"'), "--metric must be a metric's name"),
        (Evening("tiny", project="https://me:secret@host/x"), r"--project must be .* got 'https://\*\*\*@host/x'"),
    ],
)
def test_what_no_cell_may_hold_is_refused(tmp_path: Path, evening: Evening, wanted: str) -> None:
    with pytest.raises(InputError, match=wanted):
        stage.run(lay(tmp_path).root, tmp_path / "books", evening)
    assert not (tmp_path / "books").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_notebook_runs_from_read_only_inputs_to_a_submission(tmp_path: Path) -> None:
    """A project and a competition as inputs; only the folders are not as at Kaggle."""
    repository = lay(tmp_path)
    project, inputs, working = repository.root, tmp_path / "input", tmp_path / "working"
    working.mkdir()
    for name in ("mobilenet_v2_inner_logistic", "xception_160_logistic"):  # what `init` proposes for such images
        write_yaml(project / "configs" / "models" / f"{name}.yaml", HOG)
    (project / "configs" / "measured_recipes.csv").write_text(TABLE, encoding="utf-8")
    (project / "download" / "tiny").rename(tmp_path / "stripes")
    (project / ".venv").symlink_to(Path(sys.prefix))
    inputs.mkdir()
    project.rename(inputs / "project")
    (tmp_path / "stripes").rename(inputs / "stripes")
    for path in (inputs / "stripes").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    text = make_training_notebook("kaggle", Evening("stripes", "accuracy", 0.05))
    for name, folder in (("input", inputs), ("working", working)):
        text = text.replace(f'\\"/kaggle/{name}\\"', f"'{folder}'")
    text = text.replace('\\"/tmp/project\\"', f"'{tmp_path / 'copy'}'")
    (tmp_path / "book.ipynb").write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", RUN, str(tmp_path / "book.ipynb"), str(tmp_path / "ran.ipynb")]
    environment = os.environ | {"HOME": str(repository.home)}
    ran = subprocess.run(command, cwd=working, env=environment, capture_output=True, text=True, check=False)
    for path in (inputs / "stripes").rglob("*"):
        path.chmod(0o755)
    assert ran.returncode == 0, ran.stderr[-3000:]
    sample = (inputs / "stripes" / "sample_submission.csv").read_text().splitlines()
    written = (working / "submission.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in written] == [line.split(",")[0] for line in sample]
    assert (working / "report.html").is_file()
    outputs = (tmp_path / "ran.ipynb").read_text(encoding="utf-8")
    assert "iframe srcdoc" in outputs
    assert "12 rows of Id, Label" in outputs
