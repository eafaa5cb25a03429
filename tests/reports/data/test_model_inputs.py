"""Model inputs: the same transforms as in training, read without the networks."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support import tiny
from support.project_imports import ROOT

from pipeline.images.augmentation import Augmentation
from pipeline.reports.data.model_inputs import ModelInput, read_model_input
from pipeline.training.classic.recipe import ClassicRecipe
from pipeline.training.heads.recipe import HeadRecipe
from pipeline.training.model_file import load_model
from pipeline.training.recipes.recipe import Recipe


def test_draws_are_those_of_the_training_in_the_order_asked_for() -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(6, dtype=np.int64) % 2
    before, draws = ModelInput(augmentation=Augmentation(flip="alternating")).draw_batches(
        images, labels, ("a", "b"), 4
    )
    assert (before == images).all()
    for first, second in pairwise(draws):
        assert (first == second[:, :, ::-1]).all()
    assert all(
        (draw[row] == images[row]).all() or (draw[row] == images[row][:, ::-1]).all()
        for draw in draws
        for row in range(6)
    )


@pytest.mark.parametrize("model", sorted(path.stem for path in (ROOT / "configs" / "models").glob("*.yaml")))
@pytest.mark.parametrize("mirror", [True, False])
def test_what_a_model_sees_is_what_its_recipe_says(model: str, mirror: bool) -> None:
    found, recipe = read_model_input(ROOT, model, mirror), load_model(ROOT, model, mirror)
    if isinstance(recipe, Recipe):
        assert found.augmentation == recipe.augmentation
        assert found.steps == recipe.input.preprocess
        assert found.size == (recipe.training.size or recipe.input.size)
    elif isinstance(recipe, HeadRecipe):
        assert found.remarks == ("It reads features of frozen backbones, which see each image as it is.",)
    else:
        assert isinstance(recipe, ClassicRecipe)
        assert found == ModelInput(size=recipe.features.size, remarks=found.remarks)


def test_a_classic_model_is_shown_what_its_images_go_through(tmp_path: Path) -> None:
    classic = {"features": {"name": "hog"}, "classifier": {}, "input": {"preprocess": [{"name": "clahe", "grid": 2}]}}
    tiny.write_yaml(tmp_path / "configs" / "models" / "one.yaml", classic)
    assert [step.name for step in read_model_input(tmp_path, "one", mirror=True).steps] == ["clahe"]
