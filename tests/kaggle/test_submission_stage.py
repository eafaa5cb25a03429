"""The submission stage: whole files that fit the sample, or none."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.fabricated import (
    CLASSES,
    LABELS,
    PROBABILITIES,
    shuffle_predictions,
    train_fake,
    write_params,
    write_repository,
)

from pipeline.core import cards, paths, tables
from pipeline.core.csvs import read_table
from pipeline.core.errors import InputError
from pipeline.stages import ensemble as ensemble_stage
from pipeline.stages import submission as stage


@pytest.fixture(scope="module", params=[LABELS, PROBABILITIES], ids=["labels", "probabilities"])
def trained_once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models and their ensemble, to copy."""
    submission: dict[str, Any] = request.param
    root = write_repository(tmp_path_factory.mktemp("trained"), submission)
    train_fake(root, "one", seed=1)
    train_fake(root, "two", seed=3)
    ensemble_stage.run(root)
    return root


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    """Two models and their ensemble, without any submission."""
    return Path(shutil.copytree(trained_once, tmp_path / "copy"))


@pytest.mark.parametrize("name", ["one", "two", "ensemble"])
def test_the_stage_writes_a_submission_that_has_the_samples_shape(trained: Path, name: str) -> None:
    stage.run(trained, name)
    given = read_table(trained / "data" / "prepared" / "sample_submission.csv")
    frame = read_table(trained / "submissions" / f"{name}.csv")
    assert frame.columns.tolist() == given.columns.tolist()
    assert frame["Id"].tolist() == given["Id"].tolist()


def test_the_card_says_where_a_submission_came_from(trained: Path) -> None:
    stage.run(trained, "ensemble")
    card = cards.read_card(trained / "submissions" / "ensemble.json", cards.SubmissionCard)
    ensemble = cards.read_card(paths.card_path(trained, "ensemble"), cards.EnsembleCard)
    written = (trained / "submissions" / "ensemble.csv").read_bytes()
    assert card.sha256 == hashlib.sha256(written).hexdigest()
    assert (card.members, card.competition, card.rows) == (("one", "two"), "tiny", 20)
    assert card.cv == pytest.approx(ensemble.pooled)


def test_a_models_card_names_itself_as_the_only_member(trained: Path) -> None:
    stage.run(trained, "two")
    assert cards.read_card(trained / "submissions" / "two.json", cards.SubmissionCard).members == ("two",)


def test_outside_a_repository_there_is_no_commit(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(trained.parent))
    stage.run(trained, "one")
    assert cards.read_card(trained / "submissions" / "one.json", cards.SubmissionCard).git_commit is None


def test_without_git_there_is_no_commit(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    stage.run(trained, "one")
    assert cards.read_card(trained / "submissions" / "one.json", cards.SubmissionCard).git_commit is None


def test_shuffled_test_rows_give_the_identical_submission(trained: Path) -> None:
    path = trained / "submissions" / "ensemble.csv"
    stage.run(trained, "ensemble")
    before = path.read_bytes()
    prepared = trained / "data" / "prepared" / "test.csv"
    tables.write_index(prepared, tables.read_index(prepared).sample(frac=1, random_state=0))
    for name in ("one", "two"):
        shuffle_predictions(paths.predicted_test_path(trained, name), CLASSES, seed=5)
    ensemble_stage.run(trained)
    stage.run(trained, "ensemble")
    assert path.read_bytes() == before


def test_a_sample_that_does_not_fit_leaves_nothing_behind(trained: Path) -> None:
    prepared = trained / "data" / "prepared" / "sample_submission.csv"
    read_table(prepared).iloc[1:].to_csv(prepared, index=False)
    with pytest.raises(InputError, match="1 images without an id"):
        stage.run(trained, "one")
    assert not (trained / "submissions").exists()


def test_a_name_that_params_do_not_list_is_refused(trained: Path) -> None:
    write_params(trained, ["one"])
    with pytest.raises(InputError, match=r"no model of params.yaml is called 'onne'; did you mean one"):
        stage.run(trained, "onne")


def test_folds_of_other_classes_are_refused(trained: Path) -> None:
    prepared, folds = trained / "data" / "prepared", trained / "folds" / "folds.csv"
    tables.note_split(folds, prepared)
    (prepared / "digests.json").unlink(missing_ok=True)
    tables.write_classes(prepared / "classes.json", tables.read_classes(prepared / "classes.json")[::-1])
    with pytest.raises(
        InputError, match=r"folds\.csv was made from another classes\.json than .*; run `dvc repro spli"
    ):
        stage.run(trained, "one")
    assert not (trained / "submissions").exists()
