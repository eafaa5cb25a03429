"""Activating a shipped competition, and the file that describing a new one leaves behind."""

import difflib
from pathlib import Path

import pytest

from pipeline.core.active import active_name
from pipeline.core.competition import load_competition
from pipeline.core.config import read_yaml
from pipeline.core.errors import InputError
from pipeline.data.describe.init import activate_competition, describe_local

REPOSITORY = Path(__file__).parents[3]
PARAMS = """\
# What runs.
competition: digits # a file

models: # trained on every fold
  - mlp_pixels
  - small_cnn # cheap
  - deep_elu_cnn

# Folds.
split:
  n_splits: 5
  seed: 0 # another seed
train:
  folds: null # all
  rate: 1e-4
  name: 'quoted'
"""
COMPETITION = """\
title: Toy
source: {kind: local, path: toy.zip}
train: {layout: folders, images: train}
test: {layout: images, images: test}
storage: {size: 32}
mirror: true
metric: {name: accuracy}
submission: {kind: label, sample: sample_submission.csv, id: Id, label: Label}
models: [MODELS]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("competitions", "models"):
        (tmp_path / "configs" / folder).mkdir(parents=True)
    for model in ("mlp_pixels", "small_cnn", "deep_elu_cnn", "mobilenet_v2_inner_logistic"):
        (tmp_path / "configs" / "models" / f"{model}.yaml").write_text("")
    (tmp_path / "params.yaml").write_text(PARAMS)
    ship(tmp_path, "toy", "small_cnn, deep_elu_cnn")
    return tmp_path


def ship(root: Path, name: str, models: str) -> None:
    (root / "configs" / "competitions" / f"{name}.yaml").write_text(COMPETITION.replace("MODELS", models))


def changed(root: Path) -> list[str]:
    new = (root / "params.yaml").read_text()
    lines = difflib.unified_diff(PARAMS.splitlines(), new.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def test_activating_sets_competition_and_models(root: Path) -> None:
    activate_competition(root, "toy")
    assert active_name(root) == "toy"
    assert read_yaml(root / "params.yaml")["models"] == ["small_cnn", "deep_elu_cnn"]


def test_activating_touches_nothing_else(root: Path) -> None:
    activate_competition(root, "toy")
    assert changed(root) == [
        "-competition: digits # a file",
        "+competition: toy # a file",
        "-  - mlp_pixels",
    ]


def test_comments_of_models_that_stay_survive_another_order(root: Path) -> None:
    ship(root, "other", "deep_elu_cnn, small_cnn")
    activate_competition(root, "other")
    text = (root / "params.yaml").read_text()
    assert "  - deep_elu_cnn\n  - small_cnn # cheap\n\n# Folds.\n" in text


def test_activating_twice_changes_nothing_more(root: Path) -> None:
    activate_competition(root, "toy")
    once = (root / "params.yaml").read_bytes()
    activate_competition(root, "toy")
    assert (root / "params.yaml").read_bytes() == once


def test_activating_says_what_it_did(root: Path) -> None:
    assert (
        activate_competition(root, "toy")
        == "params.yaml: competition toy, models small_cnn, deep_elu_cnn; run `dvc repro`"
    )


def test_models_in_one_line_stay_in_one_line(root: Path) -> None:
    (root / "params.yaml").write_text("competition: digits\nmodels: [mlp_pixels]\n")
    activate_competition(root, "toy")
    assert (root / "params.yaml").read_text() == "competition: toy\nmodels: [small_cnn, deep_elu_cnn]\n"


def test_an_unknown_competition_lists_near_names(root: Path) -> None:
    with pytest.raises(InputError, match="did you mean toy"):
        activate_competition(root, "toys")


def test_a_recommended_model_without_a_file_is_refused(root: Path) -> None:
    ship(root, "toy", "smal_cnn")
    with pytest.raises(InputError, match="smal_cnn has no file under configs/models; did you mean small_cnn"):
        activate_competition(root, "toy")


@pytest.mark.parametrize("name", ["toys", "broken", "lost"])
def test_a_refusal_leaves_params_alone(root: Path, name: str) -> None:
    ship(root, "lost", "nowhere")
    (root / "configs" / "competitions" / "broken.yaml").write_text("title: 1\n")
    with pytest.raises(InputError):
        activate_competition(root, name)
    assert (root / "params.yaml").read_text() == PARAMS


@pytest.mark.parametrize(
    "file", sorted((REPOSITORY / "configs" / "competitions").glob("*.yaml")), ids=lambda file: file.stem
)
def test_every_shipped_competition_recommends_models_that_exist(file: Path) -> None:
    models = {path.stem for path in (REPOSITORY / "configs" / "models").glob("*.yaml")}
    assert set(load_competition(REPOSITORY, file.stem).models) <= models


def lay_out(folder: Path) -> Path:
    """A folder per class, smallest possible: one GIF of one pixel in several places."""
    gif = bytes.fromhex("47494638396101000100800000000000ffffff2c00000000010001000002024401003b")
    for name in ("train/ant/1.gif", "train/ant/2.gif", "train/bee/3.gif", "train/bee/4.gif", "test/9.gif"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gif)
    (folder / "sample_submission.csv").write_text("id,label\n9,ant\n")
    return folder


def test_a_described_competition_can_be_activated(root: Path) -> None:
    text = describe_local(root, lay_out(root / "data" / "Insects-2"))
    assert "next: read the file, then run `python -m pipeline init insects_2`" in text
    activate_competition(root, "insects_2")
    assert active_name(root) == "insects_2"


def test_describing_does_not_activate(root: Path) -> None:
    describe_local(root, lay_out(root / "data" / "insects"))
    assert (root / "params.yaml").read_text() == PARAMS


def test_a_source_inside_the_repository_is_written_relative_to_it(root: Path) -> None:
    describe_local(root, lay_out(root / "data" / "insects"))
    assert read_yaml(root / "configs/competitions/insects.yaml")["source"]["path"] == "data/insects"


def test_a_source_elsewhere_is_written_whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    source = lay_out(tmp_path_factory.mktemp("elsewhere") / "insects")
    describe_local(root, source)
    assert read_yaml(root / "configs/competitions/insects.yaml")["source"]["path"] == str(source)


def test_a_source_through_a_variable_keeps_the_variable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSECTS", str(lay_out(root / "data" / "insects")))
    describe_local(root, Path("${INSECTS}"))
    assert read_yaml(root / "configs/competitions/insects.yaml")["source"]["path"] == "${INSECTS}"


def test_the_comments_say_what_was_seen_and_guessed(root: Path) -> None:
    describe_local(root, lay_out(root / "data" / "insects"))
    text = (root / "configs/competitions/insects.yaml").read_text()
    assert "# train: 4 images in one folder per class; 2 classes (ant, bee), 2 images each" in text
    assert "# CHECK: metric accuracy is a guess" in text


def test_an_existing_description_is_not_overwritten(root: Path) -> None:
    before = (root / "configs/competitions/toy.yaml").read_bytes()
    with pytest.raises(InputError, match=r"configs/competitions/toy\.yaml exists and is not overwritten"):
        describe_local(root, lay_out(root / "data" / "insects"), "toy")
    assert (root / "configs/competitions/toy.yaml").read_bytes() == before


def test_a_name_that_leaves_the_folder_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match=r"'\.\./x' cannot be the name of a competition"):
        describe_local(root, lay_out(root / "data" / "insects"), "../x")


def test_a_source_that_is_not_there_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match="does not exist; give the path of a folder or archive"):
        describe_local(root, root / "nowhere.zip")


def test_a_source_that_is_no_zip_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match="neither a folder nor a whole, readable archive"):
        describe_local(root, root / "params.yaml")


def test_a_stop_leaves_no_file_behind(root: Path) -> None:
    source = lay_out(root / "data" / "insects")
    (source / "sample_submission.csv").unlink()
    with pytest.raises(InputError, match="neither test images nor a sample submission"):
        describe_local(root, source)
    assert sorted(path.name for path in (root / "configs/competitions").iterdir()) == ["toy.yaml"]
