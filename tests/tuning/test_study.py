"""Studies of one model: what the stage writes without a search, and when a training fails after it."""

import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest
from support import tiny
from support.studies import make_spec, write_repository
from support.trainings import settings

from pipeline.core import cards
from pipeline.core.errors import DivergedError, InputError, NoRoomError
from pipeline.core.paths import tuned_path
from pipeline.stages import tune
from pipeline.tuning import (
    confirmation,
    page,
    results,
    trial_states,
)

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def test_without_a_budget_the_stage_leaves_every_recipe_unchanged(tmp_path: Path) -> None:
    root = write_repository(tmp_path, n_trials=0)
    tune.run(root, "one")
    assert tuned_path(root, "one").read_text().startswith("# Not tuned")
    card = cards.read_card(root / "reports" / "tuning" / "one.json", cards.TuningCard)
    assert (card.study, card.adopted) == ("", False)
    assert "python -m pipeline search one" in results.study_page_path(root, "one").read_text()
    assert not (root / ".work").exists()


def test_the_file_of_the_stage_tells_recipes_apart_by_what_they_say(tmp_path: Path) -> None:
    root = write_repository(tmp_path, n_trials=0)
    path, written = root / "configs" / "models" / "one.yaml", []
    recipe = path.read_text()
    for text in (recipe, f"# a comment\n{recipe}", f"{recipe}\nviews: {{size: 12, 3: 2024-01-01}}\n"):
        path.write_text(text)
        tune.run(root, "one")
        written.append(tuned_path(root, "one").read_text())
    assert written[0] == written[1] != written[2]


def test_a_model_without_a_space_is_not_tuned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_repository(tmp_path)
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings())
    tune.run(root, "one")
    assert "not tuned (configs/models/one.yaml has no section search)" in capsys.readouterr().out


def test_folds_that_are_not_there_are_refused(tmp_path: Path) -> None:
    root = write_repository(tmp_path, folds=[0, 3])
    with pytest.raises(InputError, match=r"tune.folds must name folds in 0..2, got \[0, 3\]"):
        tune.run(root, "one")


@pytest.mark.slow
def test_a_default_that_cannot_be_trained_gives_way_to_the_best_trial(
    studied_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    shutil.copytree(studied_root, root)
    study = make_spec(root).open_study()
    attrs = {trial_states.LOG_LOSS: 0.0, trial_states.SETTINGS: {"network.units": [32]}}
    best = {"training.optimizer.learning_rate": 0.1, "network.units": "[32]"}
    distributions = study.get_trials()[1].distributions
    study.add_trial(optuna.create_trial(value=2.0, params=best, distributions=distributions, user_attrs=attrs))
    scorer = confirmation.make_fold_scorer

    errors: list[InputError] = [DivergedError("the loss became NaN"), NoRoomError("memory ran out")]

    def fail(spec: Any, settings: Any, seed: int) -> Any:
        if not settings:
            raise errors[-1]
        return scorer(spec, settings, seed)

    monkeypatch.setattr(
        confirmation, "run_side_by_side", lambda opened, given, folds, _: [fail(*given)(one) for one in folds]
    )
    with pytest.raises(NoRoomError):  # which says nothing about the recipe
        tune.run(root, "one")
    errors.pop()
    tune.run(root, "one")
    card = cards.read_card(root / "reports" / "tuning" / "one.json", cards.TuningCard)
    assert (card.adopted, card.verdict) == (True, None)
    assert list(card.reasons) == [f"{page.DEFAULT_FAILED} the loss became NaN"]
    assert "which could not be trained for comparison" in results.study_page_path(root, "one").read_text()
    assert "- 32" in tuned_path(root, "one").read_text()


@pytest.mark.slow
def test_a_best_trial_that_fails_on_unseen_folds_leaves_the_recipe_and_the_stage(
    studied_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    shutil.copytree(studied_root, root)
    spec = make_spec(root)
    study = spec.open_study()
    best = {"training.optimizer.learning_rate": 0.1, "network.units": "[32]"}
    distributions = study.get_trials()[1].distributions
    attrs = {trial_states.LOG_LOSS: 0.0, trial_states.SETTINGS: {"network.units": [32]}}
    study.add_trial(optuna.create_trial(value=2.0, params=best, distributions=distributions, user_attrs=attrs))

    def fail(*_: Any) -> Any:
        raise confirmation.BestFailedError("the loss became NaN")

    monkeypatch.setattr("pipeline.tuning.study.confirm_best", fail)
    tune.run(root, "one")
    card = cards.read_card(root / "reports" / "tuning" / "one.json", cards.TuningCard)
    assert (card.reasons, card.adopted, card.verdict) == ({f"{page.BEST_FAILED} the loss became NaN": 1}, False, None)
    assert "the loss became NaN" in results.study_page_path(root, "one").read_text()
    assert "settings" not in tuned_path(root, "one").read_text()
