"""Packed folders predict, without the repository, what the pipeline predicted."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import tiny
from support.packs import change_params, make_pack, read_submission
from support.trained import TRAINING
from support.vit_files import hugging_face

from pipeline.inference.kernel import predict_folder
from pipeline.stages import ensemble, submission, train


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ensemble", "tiny_cnn", "tiny_hog"])
def test_a_pack_predicts_the_pipelines_submission_byte_for_byte(
    root: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_pack(root, name).rename(tmp_path / "elsewhere")
    target = tmp_path / "submission.csv"
    predict_folder(folder, root / "download" / "tiny", name, target)
    assert target.read_bytes() == read_submission(root, name)
    assert "the same test images as in the repository: probabilities differ by 0 at most" in capsys.readouterr().out


@pytest.mark.slow
def test_hidden_images_in_the_place_of_the_shown_ones_are_predicted(root: Path, tmp_path: Path) -> None:
    folder, data = make_pack(root), root / "download" / "tiny"
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
    frame = predict_folder(make_pack(root, "tiny_hog"), root / "download" / "tiny", "tiny_hog", tmp_path / "one.csv")
    assert "note: 1 images cannot be read and are replaced by black ones: 3" in capsys.readouterr().out
    assert len(frame) == 9


def test_a_member_without_weight_stays_at_home(root: Path, tmp_path: Path) -> None:
    change_params(root, ensemble={"combiners": ["best_single"]})
    ensemble.run(root)
    submission.run(root, "ensemble")
    folder = make_pack(root)
    assert len(list(folder.glob("folds/*/checkpoints"))) == 1
    predict_folder(folder, root / "download" / "tiny", "ensemble", tmp_path / "one.csv")
    assert (tmp_path / "one.csv").read_bytes() == read_submission(root, "ensemble")


@pytest.mark.slow
def test_a_vit_takes_the_preset_that_tells_its_shape_along(root: Path, tmp_path: Path) -> None:
    hugging_face(root / "data" / "weights" / "vit_tiny")
    recipe = {"input": {"size": 16}, "network": {"name": "vit", "preset": "vit_tiny"}, "training": TRAINING}
    tiny.write_yaml(root / "configs" / "models" / "tiny_cnn.yaml", recipe)
    train.run(root, "tiny_cnn")
    submission.run(root, "tiny_cnn")
    folder = make_pack(root, "tiny_cnn")
    shutil.rmtree(root / "data" / "weights")
    predict_folder(folder, root / "download" / "tiny", "tiny_cnn", tmp_path / "vit.csv")
    assert (tmp_path / "vit.csv").read_bytes() == read_submission(root, "tiny_cnn")
