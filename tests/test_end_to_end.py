"""The whole chain through DVC on a tiny competition, in a repository of its own with an empty home."""

import hashlib
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.cloned import MODELS, Repository, lay, run

from pipeline.core import cards, paths, predictions, tables
from pipeline.core.competition import load_competition
from pipeline.core.csvs import read_table
from pipeline.images.store import open_store
from pipeline.kaggle.answers.sheets import read_sheet
from pipeline.kaggle.submission_checks import check_submission

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def clone(folder: Path) -> Repository:
    """Runs everything from nothing."""
    laid = lay(folder)
    laid.dvc("repro")
    return laid


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return clone(tmp_path_factory.mktemp("first"))


def digests(root: Path) -> dict[str, str]:
    """SHA-256 of what a run is for: folds, predictions, weights, submissions."""
    kinds = ("folds/folds.csv", "folds/**/*.parquet", "folds/*/checkpoints/*.h5", "submissions/*.csv")
    files = sorted(file for kind in kinds for file in root.glob(kind))
    return {file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_every_model_and_the_ensemble_beat_chance(repository: Repository) -> None:
    model_cards = [cards.read_card(paths.card_path(repository.root, name), cards.ModelCard) for name in MODELS]
    ensemble = cards.read_card(paths.card_path(repository.root, paths.ENSEMBLE), cards.EnsembleCard)
    assert ensemble.members == MODELS
    assert min(ensemble.pooled, *(card.pooled for card in model_cards)) > 0.6  # three classes: chance is 1/3


def test_each_training_image_was_predicted_once(repository: Repository) -> None:
    classes = tables.read_classes(repository.root / "data" / "prepared" / "classes.json")
    folds = tables.read_folds(paths.folds_path(repository.root))
    for name in (*MODELS, paths.ENSEMBLE):
        oof = predictions.read_predictions(paths.oof_path(repository.root, name), classes)
        assert sorted(oof.ids) == sorted(folds["id"])


@pytest.mark.parametrize("name", [*MODELS, "ensemble"])
def test_every_submission_fits_the_sample(repository: Repository, name: str) -> None:
    competition = load_competition(repository.root)
    sheet = read_sheet(repository.root / "data" / "prepared", competition)
    check_submission(read_table(repository.root / "submissions" / f"{name}.csv"), sheet)


def test_the_submission_is_right_on_the_held_back_labels(repository: Repository) -> None:
    submission = read_table(repository.root / "submissions" / "ensemble.csv")
    solution = read_table(repository.root / "download" / "tiny" / "solution.csv")
    assert (submission["Label"] == solution["Label"]).mean() > 0.6


def test_a_second_run_does_nothing(repository: Repository) -> None:
    before = digests(repository.root)
    said = repository.dvc("repro")
    assert "Data and pipelines are up to date." in said
    assert "Running stage" not in said
    assert digests(repository.root) == before


def test_a_run_from_scratch_is_equal_bit_for_bit(repository: Repository, tmp_path: Path) -> None:
    again = clone(tmp_path)
    first = digests(repository.root)
    # Folds, predictions, checkpoints and test predictions by fold, OOF predictions by seed, submissions.
    assert len(first) == 1 + 2 * 3 + (2 * 3 + 1) * len(MODELS) + 3
    assert digests(again.root) == first


def test_going_back_to_an_earlier_recipe_trains_nothing_again(repository: Repository) -> None:
    before = digests(repository.root)
    path = repository.root / "configs" / "models" / f"{MODELS[1]}.yaml"
    recipe = path.read_text(encoding="utf-8")
    path.write_text(recipe.replace("epochs: 12", "epochs: 1"), encoding="utf-8")
    said = repository.dvc("repro", f"train@{MODELS[1]}")
    assert f"Running stage 'train@{MODELS[1]}'" in said
    assert digests(repository.root) != before
    path.write_text(recipe, encoding="utf-8")
    assert "Running stage" not in repository.dvc("repro")
    assert digests(repository.root) == before


def test_a_changed_size_is_not_answered_from_the_run_cache(repository: Repository) -> None:
    """DVC leaves parameters called ``size`` out of the keys of its run cache: docs/decisions/0023."""
    before = digests(repository.root)
    competition = repository.root / "configs" / "competitions" / "tiny.yaml"
    model = repository.root / "configs" / "models" / f"{MODELS[1]}.yaml"
    described, recipe = competition.read_text(encoding="utf-8"), model.read_text(encoding="utf-8")
    model.write_text(f"input: {{size: 8}}\n{recipe}", encoding="utf-8")
    assert f"Running stage 'train@{MODELS[1]}'" in repository.dvc("repro", f"train@{MODELS[1]}")
    card = cards.read_card(paths.card_path(repository.root, MODELS[1]), cards.ModelCard)
    assert card.config["input"]["size"] == 8
    stored = load_competition(repository.root).storage.size
    assert f"size: {stored}\n" in described
    competition.write_text(described.replace(f"size: {stored}\n", f"size: {stored + 4}\n"), encoding="utf-8")
    assert "Running stage 'prepare'" in repository.dvc("repro", "prepare")
    assert open_store(repository.root / "data" / "prepared" / "train_images.npy").shape[1] == stored + 4
    competition.write_text(described, encoding="utf-8")
    model.write_text(recipe, encoding="utf-8")
    assert "Running stage" not in repository.dvc("repro")
    assert open_store(repository.root / "data" / "prepared" / "train_images.npy").shape[1] == stored
    assert digests(repository.root) == before


def test_predictions_lost_from_the_folder_come_back_from_the_cache(repository: Repository) -> None:
    before = digests(repository.root)
    shutil.rmtree(repository.root / "folds" / "predictions" / MODELS[0])
    shutil.rmtree(repository.root / "folds" / MODELS[0])
    assert "Running stage" not in repository.dvc("repro")
    assert digests(repository.root) == before


def test_verbs_without_networks_work_where_keras_cannot_be_imported(repository: Repository) -> None:
    before = digests(repository.root)
    verbs = [["fetch"], ["split"], ["ensemble"], ["submission", paths.ENSEMBLE], ["scores"], ["init", "tiny"]]
    code = (
        "import sys; sys.modules.update(keras=None, tensorflow=None, jax=None); "
        f"from pipeline.cli import main; sys.exit(max(main(verb) for verb in {verbs}))"
    )
    run(repository.root, repository.home, sys.executable, "-c", code)
    assert digests(repository.root) == before


def test_scores_end_with_the_path_of_the_submission(repository: Repository) -> None:
    said = run(repository.root, repository.home, sys.executable, "-m", "pipeline", "scores")
    assert all(name in said for name in (*MODELS, "ensemble"))
    assert said.splitlines()[-1] == f"submission: {Path('submissions', 'ensemble.csv')}"


def test_plots_render_without_a_network(repository: Repository) -> None:
    repository.dvc("plots", "show")
    page = (repository.root / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    assert "<img" in page
    assert "<script" not in page


def test_metrics_are_a_number_for_each_model_and_the_ensemble(repository: Repository) -> None:
    header, _, row = repository.dvc("metrics", "show", "--md").splitlines()[:3]
    assert {cell.strip() for cell in header.split("|") if cell.strip()} == {"Path", *MODELS, "ensemble"}
    assert len(row) <= 100


def test_git_sees_nothing_large(repository: Repository) -> None:
    listed = run(repository.root, repository.home, "git", "status", "--short", "--untracked-files=all").split()
    assert not [
        name
        for name in listed
        if name.endswith((".npy", ".parquet", ".h5", ".png")) and not name.startswith("download/")
    ]


def test_the_prediction_table_is_plain_parquet(repository: Repository) -> None:
    frame = pd.read_parquet(paths.oof_path(repository.root, MODELS[0]))
    assert list(frame.columns) == ["id", "cat", "dog", "owl"]
