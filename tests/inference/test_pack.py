"""`pack`: a folder and a notebook that predict, without a network, what the pipeline predicted."""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import tiny, trained
from support.fabricated import write_model_card
from support.project_imports import ROOT
from support.trained import CNN, HOG, TRAINING
from support.vit_files import hugging_face

from pipeline.cli import main
from pipeline.core.errors import InputError
from pipeline.inference.kernel import predict_folder
from pipeline.inference.notebook import make_notebook, make_slug
from pipeline.inference.selection import select_models
from pipeline.stages import ensemble, pack, submission, train
from pipeline.stages.pack import PackOptions

RECIPES = {"tiny_cnn": CNN, "tiny_hog": HOG}
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


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained.run(tmp_path_factory.mktemp("pack"), RECIPES, submission="probabilities")


@pytest.fixture
def root(once: Path, tmp_path: Path) -> Path:
    """A repository whose two models and their ensemble are trained."""
    return Path(shutil.copytree(once, tmp_path / "repository"))


def packed(root: Path, name: str = "ensemble", **options: Any) -> Path:
    pack.run(root, name, root / "pack" / name, PackOptions(**options))
    return root / "pack" / name


def submitted(root: Path, name: str) -> bytes:
    return (root / "submissions" / f"{name}.csv").read_bytes()


def change_params(root: Path, **sections: Any) -> None:
    tiny.write_yaml(root / "params.yaml", {**tiny.read_yaml(root / "params.yaml"), **sections})


def state(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("name", ["ensemble", "tiny_cnn", "tiny_hog"])
def test_a_pack_predicts_the_pipelines_submission_byte_for_byte(
    root: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = packed(root, name).rename(tmp_path / "elsewhere")
    target = tmp_path / "submission.csv"
    predict_folder(folder, root / "download" / "tiny", name, target)
    assert target.read_bytes() == submitted(root, name)
    assert "the same test images as in the repository: probabilities differ by 0 at most" in capsys.readouterr().out


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
    book = packed(root) / "notebook" / "predict.ipynb"
    text = book.read_text().replace('\\"/kaggle/input\\"', f"'{inputs}'")  # the one thing that is not as at Kaggle
    (kaggle / "book.ipynb").write_text(text)
    (root / "pack" / "ensemble").rename(inputs / "tiny-ensemble")
    (root / "download" / "tiny").rename(inputs / "tiny-packed")
    (kaggle / "site" / "sitecustomize.py").write_text(NO_NETWORK)
    (kaggle / "run.py").write_text(RUN)
    for path in (inputs, *inputs.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = state(inputs)
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
    assert (working / "submission.csv").read_bytes() == submitted(root, "ensemble")
    assert [path.name for path in working.iterdir()] == ["submission.csv"]
    assert state(inputs) == before
    assert "probabilities differ by 0 at most" in (kaggle / "ran.ipynb").read_text()


def test_hidden_images_in_the_place_of_the_shown_ones_are_predicted(root: Path, tmp_path: Path) -> None:
    folder, data = packed(root), root / "download" / "tiny"
    for path in sorted((data / "test").iterdir()):
        if int(path.stem) % 2:
            path.unlink()
        else:
            path.rename(path.with_stem(f"hidden{path.stem}"))
    frame = predict_folder(folder, data, "ensemble", tmp_path / "hidden.csv")
    shown = pd.read_csv(root / "submissions" / "ensemble.csv", dtype={"Id": str}).set_index("Id")
    assert frame["Id"].tolist() == [f"hidden{number}" for number in (0, 2, 4, 6, 8)]
    found = frame[list(tiny.CLASSES)].astype(float).to_numpy()
    assert np.allclose(found, shown.loc[["0", "2", "4", "6", "8"], list(tiny.CLASSES)].to_numpy(), atol=1e-6)


def test_an_unreadable_hidden_image_counts_as_black_and_is_named(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "download" / "tiny" / "test" / "3.png").write_bytes(b"no image")
    frame = predict_folder(packed(root, "tiny_hog"), root / "download" / "tiny", "tiny_hog", tmp_path / "one.csv")
    assert "note: 1 images cannot be read and are replaced by black ones: 3" in capsys.readouterr().out
    assert len(frame) == 9


def test_a_pack_holds_what_predicts_and_no_training_image(root: Path) -> None:
    names = [name for name in state(packed(root)) if not name.startswith("pipeline/") and "." in name]
    folds = [f"folds/{model}/checkpoints/fold{fold}" for model in RECIPES for fold in range(3)]
    checkpoints = {f"{path}.{'npz' if 'hog' in path else 'weights.h5'}" for path in folds}
    assert set(names) == checkpoints | {
        "configs/competitions/tiny.yaml",
        "configs/models/tiny_cnn.yaml",
        "configs/models/tiny_hog.yaml",
        "data/prepared/classes.json",
        "dataset-metadata.json",
        "folds/ensemble/test.parquet",
        "folds/folds.csv",
        "folds/predictions/tiny_cnn/oof.parquet",
        "folds/predictions/tiny_hog/oof.parquet",
        "folds/tiny_cnn/card.json",
        "folds/tiny_hog/card.json",
        "notebook/kernel-metadata.json",
        "notebook/predict.ipynb",
        "params.yaml",
        "reports/ensemble.json",
    }


def test_a_member_without_weight_stays_at_home(root: Path, tmp_path: Path) -> None:
    change_params(root, ensemble={"combiners": ["best_single"]})
    ensemble.run(root)
    submission.run(root, "ensemble")
    folder = packed(root)
    assert len(list(folder.glob("folds/*/checkpoints"))) == 1
    predict_folder(folder, root / "download" / "tiny", "ensemble", tmp_path / "one.csv")
    assert (tmp_path / "one.csv").read_bytes() == submitted(root, "ensemble")


@pytest.mark.slow
def test_a_vit_takes_the_preset_that_tells_its_shape_along(root: Path, tmp_path: Path) -> None:
    hugging_face(root / "data" / "weights" / "vit_tiny")
    recipe = {"input": {"size": 16}, "network": {"name": "vit", "preset": "vit_tiny"}, "training": TRAINING}
    tiny.write_yaml(root / "configs" / "models" / "tiny_cnn.yaml", recipe)
    train.run(root, "tiny_cnn")
    submission.run(root, "tiny_cnn")
    folder = packed(root, "tiny_cnn")
    shutil.rmtree(root / "data" / "weights")
    predict_folder(folder, root / "download" / "tiny", "tiny_cnn", tmp_path / "vit.csv")
    assert (tmp_path / "vit.csv").read_bytes() == submitted(root, "tiny_cnn")


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
    folder = packed(root, user="someone")
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


def test_before_anything_is_trained_it_names_the_command(tmp_path: Path) -> None:
    tiny.build(tmp_path)
    for name in ("ensemble", "small_cnn"):
        (tmp_path / "configs" / "models").mkdir(parents=True, exist_ok=True)
        (tmp_path / "configs" / "models" / "small_cnn.yaml").touch()
        with pytest.raises(InputError, match=r"\.json does not exist; run `dvc repro`"):
            packed(tmp_path, name)
        assert not (tmp_path / "pack" / name).exists()


def test_an_unknown_name_lists_the_near_ones(root: Path) -> None:
    with pytest.raises(InputError, match=r"params.yaml has no model 'tiny_cmm'; did you mean tiny_cnn"):
        packed(root, "tiny_cmm")


def test_an_external_member_cannot_be_packed(root: Path) -> None:
    change_params(root, models=["tiny_cnn"], ensemble={"external": ["tiny_hog"]})
    with pytest.raises(InputError, match="tiny_hog is an external member: it has predictions, but no checkpoints"):
        select_models(root, "tiny_hog")
    with pytest.raises(
        InputError,
        match=r"members without checkpoints: tiny_hog; .* pack a single model: python -m pipeline pack tiny_cnn",
    ):
        select_models(root, "ensemble")


def test_what_was_trained_for_another_competition_is_refused(root: Path) -> None:
    write_model_card(root, "tiny_cnn", competition="former")
    with pytest.raises(InputError, match="tiny_cnn was trained for former, the active competition is tiny; run `dvc"):
        packed(root, "tiny_cnn")


def test_an_earlier_pack_is_replaced_only_by_force(root: Path) -> None:
    folder = packed(root, "tiny_hog")
    (folder / "left.txt").touch()
    with pytest.raises(InputError, match="tiny_hog exists already; add --force to replace it"):
        packed(root, "tiny_hog")
    assert not (packed(root, "tiny_hog", force=True) / "left.txt").exists()


def test_a_folder_of_something_else_is_never_replaced(root: Path) -> None:
    with pytest.raises(InputError, match="download exists already; it is not a pack: give another folder"):
        pack.run(root, "tiny_hog", root / "download", PackOptions(force=True))
    assert (root / "download" / "tiny" / "train.csv").is_file()


def test_a_link_is_never_replaced(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(packed(root, "tiny_hog"))
    with pytest.raises(InputError, match="link is a symbolic link, which a pack cannot replace"):
        pack.run(root, "tiny_hog", tmp_path / "link", PackOptions(force=True))


def test_a_competition_that_is_not_at_kaggle_is_noted_and_commands_fit_a_shell(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack.run(root, "tiny_hog", tmp_path / "a pack", PackOptions(user="me"))
    out = capsys.readouterr().out
    assert "note: tiny names no competition at Kaggle: the notebook expects one called tiny-packed" in out
    assert f"kaggle kernels push -p '{tmp_path / 'a pack' / 'notebook'}'" in out


def test_a_user_name_that_kaggle_cannot_have_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match="--user must be a user name at Kaggle, got 'Jane Doe'"):
        packed(root, user="Jane Doe")


def test_a_stop_leaves_nothing_behind(root: Path) -> None:
    (root / "folds" / "tiny_hog" / "checkpoints" / "fold2.npz").unlink()
    with pytest.raises(InputError, match=r"checkpoints lacks fold2.npz"):
        packed(root)
    assert not list((root / "pack").iterdir())


def test_wheels_come_in_the_versions_of_home_and_are_installed_by_the_notebook(root: Path) -> None:
    fake = root / ".tools" / "bin" / "python"
    fake.parent.mkdir(parents=True)
    fake.write_text('#!/bin/sh\nwhile [ "$1" != -d ]; do shift; done\nmkdir "$2"\ntouch "$2/$3.whl"\n')
    fake.chmod(0o755)
    folder = packed(root, "tiny_hog", wheels=True)
    (wheel,) = (folder / "wheels").iterdir()
    assert re.fullmatch(r"imagehash==[\d.]+\.whl", wheel.name)
    assert "--no-index" in (folder / "notebook" / "predict.ipynb").read_text()


def test_wheels_that_cannot_be_had_stop_it_with_what_pip_said(root: Path) -> None:
    fake = root / ".tools" / "bin" / "python"
    fake.parent.mkdir(parents=True)
    fake.write_text("#!/bin/sh\necho ERROR: no matching distribution >&2\nexit 1\n")
    fake.chmod(0o755)
    with pytest.raises(InputError, match="pip reports ERROR: no matching distribution; check the network, or drop --w"):
        packed(root, "tiny_hog", wheels=True)
    assert not (root / "pack" / "tiny_hog").exists()


def test_the_commands_of_the_guide_run_as_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (ROOT / "docs" / "kaggle.md").read_text(encoding="utf-8")
    section = guide.partition("\n## Code competitions")[2].partition("\n## ")[0]
    commands = re.findall(r"^python -m (pipeline pack.*)$", section, re.MULTILINE)
    assert len(commands) >= 3
    monkeypatch.chdir(root)
    for command in commands:
        if "--wheels" not in command:
            words = [word.replace("xception", "tiny_cnn") for word in shlex.split(command, comments=True)]
            assert main(words[1:]) == 0, command


def test_a_place_below_a_file_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"--to: .*file is no folder; give another place"):
        pack.run(root, "tiny_hog", tmp_path / "file" / "pack", PackOptions(user="me"))
