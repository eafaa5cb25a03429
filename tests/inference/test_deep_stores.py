"""A competition whose store holds 16 bits, from its pictures to submissions, predictions and an exported graph."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import tiny, trained

from pipeline.images.store import open_store
from pipeline.inference.image_files import read_image_files
from pipeline.inference.trained_model import read_form
from pipeline.stages import ensemble, explore, export, report, split, submission, train

CNN: dict[str, Any] = trained.CNN | {
    "input": {"size": 16, "preprocess": [{"name": "gaussian_denoise", "sigma": 0.5}]},
    "augmentation": {"flip": "random", "transforms": [{"GaussNoise": {"p": 1.0}}], "mixup": 0.2},
}
PLAIN: dict[str, Any] = {"network": {"name": "mlp_pixels", "units": [6]}, "training": trained.TRAINING}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["uint16", "float16"])
def test_a_deep_store_goes_all_the_way(tmp_path: Path, dtype: str) -> None:
    recipes = {"cnn": CNN, "plain": PLAIN, "hog": trained.HOG}
    tiny.build(tmp_path, models=tuple(recipes), per_class=12, size=16, channels=1)
    for path in sorted((tmp_path / "download").rglob("*.png")):
        deep = np.asarray(Image.open(path).convert("L")).astype(np.uint16) * 16 + 7
        Image.fromarray(deep).save(path)
    described = tmp_path / "configs" / "competitions" / "tiny.yaml"
    competition = tiny.read_yaml(described)
    storage = competition["storage"] | {"dtype": dtype, "range": [0, 4095]}
    tiny.write_yaml(described, competition | {"storage": storage})
    for name, recipe in recipes.items():
        tiny.write_yaml(tmp_path / "configs" / "models" / f"{name}.yaml", recipe)
    tiny.prepare_tiny(tmp_path)
    images = open_store(tmp_path / "data" / "prepared" / "train_images.npy")
    assert (images[0] % 1 > 0).any()
    split.run(tmp_path)
    for name in recipes:
        train.run(tmp_path, name)
    ensemble.run(tmp_path)
    for name in (*recipes, "ensemble"):
        submission.run(tmp_path, name)
    explore.run(tmp_path)
    report.run(tmp_path)
    paths = sorted((tmp_path / "download" / "tiny" / "test").glob("*.png"))
    found, problems = read_image_files(paths, read_form(tmp_path))
    assert not problems
    assert np.array_equal(found, np.asarray(open_store(tmp_path / "data" / "prepared" / "test_images.npy")))
    export.run(tmp_path, "plain", "savedmodel", "float32", tmp_path / "out", None)
    card = json.loads((tmp_path / "out" / "export.json").read_text(encoding="utf-8"))
    assert card["input"].startswith("float32 (batch, 16, 16, 1)")
    assert card["max_probability_difference"] < 1e-4
