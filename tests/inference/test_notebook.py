"""The packed notebook: its run without internet, its metadata and its wheels."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from support import tiny
from support.packs import hash_files, make_pack, read_submission

from pipeline.core.errors import InputError
from pipeline.inference.notebook import make_notebook
from pipeline.kaggle.notebook_files import make_slug

# In every process that Python starts: nothing but this machine can be reached.
NO_NETWORK = """\
import socket

_connect = socket.socket.connect

def connect(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
        raise OSError("there is no network")
    return _connect(self, address)

def getaddrinfo(host, *rest, **more):
    raise OSError("there is no network")

socket.socket.connect, socket.getaddrinfo = connect, getaddrinfo
"""


RUN = """\
import sys, nbclient, nbformat
book = nbformat.read(sys.argv[1], as_version=4)
nbformat.validate(book)
try:
    nbclient.NotebookClient(book, timeout=250, kernel_name="python3").execute()
finally:
    nbformat.write(book, sys.argv[2])
"""


@pytest.mark.slow
def test_the_notebook_runs_offline_on_read_only_inputs_and_writes_the_pipelines_submission(
    root: Path, tmp_path: Path
) -> None:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    kaggle = tmp_path / "kaggle"
    inputs, working, home = kaggle / "input", kaggle / "working", kaggle / "home"
    for folder in (inputs, working, home, kaggle / "site"):
        folder.mkdir(parents=True)
    book = make_pack(root) / "notebook" / "predict.ipynb"
    text = book.read_text().replace('\\"/kaggle/input\\"', f"'{inputs}'")  # the one thing that is not as at Kaggle
    (kaggle / "book.ipynb").write_text(text)
    (root / "pack" / "ensemble").rename(inputs / "tiny-ensemble")
    (root / "download" / "tiny").rename(inputs / "tiny-packed")
    (kaggle / "site" / "sitecustomize.py").write_text(NO_NETWORK)
    (kaggle / "run.py").write_text(RUN)
    for path in (inputs, *inputs.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = hash_files(inputs)
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(kaggle / "site"),
        "PYTHONDONTWRITEBYTECODE": "1",  # root may write into a folder that is read-only
        "NO_PROXY": "*",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=working, env=environment, capture_output=True, text=True, check=False)

    assert (
        "there is no network"
        in run("-c", "import urllib.request as r; r.urlopen('http://192.0.2.1', timeout=9)").stderr
    )
    ran = run(str(kaggle / "run.py"), str(kaggle / "book.ipynb"), str(kaggle / "ran.ipynb"))
    for path in (inputs, *inputs.rglob("*")):
        path.chmod(0o755)  # so that the folder can be removed
    assert ran.returncode == 0, ran.stderr
    assert (working / "submission.csv").read_bytes() == read_submission(root, "ensemble")
    assert [path.name for path in working.iterdir()] == ["submission.csv"]
    assert hash_files(inputs) == before
    assert "probabilities differ by 0 at most" in (kaggle / "ran.ipynb").read_text()


def test_of_several_packs_among_the_inputs_the_notebook_takes_its_own(tmp_path: Path) -> None:
    for name in ("a-other", "datasets/me/mine", "z-other"):
        (tmp_path / name / "pipeline" / "inference").mkdir(parents=True)
        (tmp_path / name / "pipeline" / "inference" / "kernel.py").touch()
    (tmp_path / "tiny").mkdir()

    def found(slug: str) -> Path:
        cell = "".join(json.loads(make_notebook("ensemble", slug, "tiny", False))["cells"][1]["source"])
        place = {"sys": SimpleNamespace(path=[])}
        exec(cell.replace("import sys\n", "").replace("/kaggle/input", str(tmp_path)), place)
        return Path(str(place["PACK"]))

    assert found("mine") == tmp_path / "datasets" / "me" / "mine"
    with pytest.raises(AssertionError, match="none of several packs among the inputs is called theirs"):
        found("theirs")


def test_the_metadata_is_what_kaggle_wants(root: Path) -> None:
    tiny_yaml = root / "configs" / "competitions" / "tiny.yaml"
    tiny.write_yaml(tiny_yaml, {**tiny.read_yaml(tiny_yaml), "kaggle": "tiny-pets"})
    folder = make_pack(root, user="someone")
    about = json.loads((folder / "dataset-metadata.json").read_text())
    kernel = json.loads((folder / "notebook" / "kernel-metadata.json").read_text())
    assert about == {
        "title": "tiny-pets-ensemble",
        "id": "someone/tiny-pets-ensemble",
        "licenses": [{"name": "other"}],
    }
    assert kernel["id"] == "someone/tiny-pets-ensemble-predict"
    assert (kernel["dataset_sources"], kernel["competition_sources"]) == ([about["id"]], ["tiny-pets"])
    assert (kernel["enable_internet"], kernel["is_private"]) == (False, True)


@pytest.mark.parametrize("words", [("a",), ("Cassava_Leaf", "b--c"), ("x" * 49, "yy")])
def test_a_slug_is_one_that_kaggle_takes(words: tuple[str, ...]) -> None:
    assert re.fullmatch(r"[a-z0-9](-?[a-z0-9]+)*", make_slug(*words))
    assert 6 <= len(make_slug(*words)) <= 50


def test_wheels_come_in_the_versions_of_home_and_are_installed_by_the_notebook(root: Path) -> None:
    fake = root / ".tools" / "bin" / "python"
    fake.parent.mkdir(parents=True)
    fake.write_text('#!/bin/sh\nwhile [ "$1" != -d ]; do shift; done\nmkdir "$2"\ntouch "$2/$3.whl"\n')
    fake.chmod(0o755)
    folder = make_pack(root, "tiny_hog", wheels=True)
    (wheel,) = (folder / "wheels").iterdir()
    assert re.fullmatch(r"imagehash==[\d.]+\.whl", wheel.name)
    assert "--no-index" in (folder / "notebook" / "predict.ipynb").read_text()


def test_wheels_that_cannot_be_had_stop_it_with_what_pip_said(root: Path) -> None:
    fake = root / ".tools" / "bin" / "python"
    fake.parent.mkdir(parents=True)
    fake.write_text("#!/bin/sh\necho ERROR: no matching distribution >&2\nexit 1\n")
    fake.chmod(0o755)
    with pytest.raises(InputError, match="pip reports ERROR: no matching distribution; check the network, or drop --w"):
        make_pack(root, "tiny_hog", wheels=True)
    assert not (root / "pack" / "tiny_hog").exists()
