"""`pack`: the content of the folder, its target and its messages."""

import re
import shlex
from pathlib import Path

import pytest
from support.packs import RECIPES, hash_files, make_pack
from support.project_imports import ROOT

from pipeline.cli import main
from pipeline.core.errors import InputError
from pipeline.stages import pack
from pipeline.stages.pack import PackOptions


def test_a_pack_holds_what_predicts_and_no_training_image(root: Path) -> None:
    names = [name for name in hash_files(make_pack(root)) if not name.startswith("pipeline/") and "." in name]
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


def test_an_earlier_pack_is_replaced_only_by_force(root: Path) -> None:
    folder = make_pack(root, "tiny_hog")
    (folder / "left.txt").touch()
    with pytest.raises(InputError, match="tiny_hog exists already; add --force to replace it"):
        make_pack(root, "tiny_hog")
    assert not (make_pack(root, "tiny_hog", force=True) / "left.txt").exists()


def test_a_folder_of_something_else_is_never_replaced(root: Path) -> None:
    with pytest.raises(InputError, match="download exists already; it is not a pack: give another folder"):
        pack.run(root, "tiny_hog", root / "download", PackOptions(force=True))
    assert (root / "download" / "tiny" / "train.csv").is_file()


def test_a_link_is_never_replaced(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(make_pack(root, "tiny_hog"))
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
        make_pack(root, user="Jane Doe")


def test_a_stop_leaves_nothing_behind(root: Path) -> None:
    (root / "folds" / "tiny_hog" / "checkpoints" / "fold2.npz").unlink()
    with pytest.raises(InputError, match=r"checkpoints lacks fold2.npz"):
        make_pack(root)
    assert not list((root / "pack").iterdir())


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
