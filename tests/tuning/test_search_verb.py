"""The verb search: what it finds is a model of its own, and nothing that DVC keeps of tuning changes."""

import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest
from support import tiny
from support.studies import make_spec, write_repository
from support.trainings import settings

from pipeline.core import cards
from pipeline.core.errors import InputError
from pipeline.core.paired import Gain
from pipeline.core.paths import model_path, tuned_path
from pipeline.stages import search
from pipeline.training.model_file import load_model
from pipeline.tuning import study, trial_states
from pipeline.tuning.confirmation import Confirmation

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def _add_best(root: Path) -> None:
    opened = make_spec(root).open_study()
    best = {"training.optimizer.learning_rate": 0.1, "network.units": "[32]"}
    attrs = {trial_states.LOG_LOSS: 0.0, trial_states.SETTINGS: {"network.units": [32]}}
    distributions = opened.get_trials()[1].distributions
    opened.add_trial(optuna.create_trial(value=2.0, params=best, distributions=distributions, user_attrs=attrs))


@pytest.mark.slow
@pytest.mark.parametrize("gain", [0.1, -0.1])
def test_what_is_found_is_a_model_of_its_own(
    studied_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gain: float
) -> None:
    root = tmp_path / "root"
    shutil.copytree(studied_root, root)
    _add_best(root)
    kept = {path: path.read_bytes() for path in (model_path(root, "one"), root / "params.yaml")}

    def confirm(*_: Any) -> Any:
        return Confirmation((1, 2), 5, 20, 0.5, 0.5 + gain, Gain(gain, gain - 0.01, gain + 0.01))

    monkeypatch.setattr(study, "confirm_best", confirm)
    search.run(root, "one", 1e-9)
    card = cards.read_card(root / "reports" / "search" / "one.json", cards.TuningCard)
    assert (root / "reports" / "search" / "one.html").is_file()
    assert card.adopted is (gain > 0)
    assert model_path(root, "one_tuned_tiny").is_file() is (gain > 0)
    if gain > 0:
        assert load_model(root, "one_tuned_tiny", True) == load_model(root, "one", True, {"network.units": [32]})
        assert model_path(root, "one_tuned_tiny").read_text().startswith("# Trial 4 of study one-")
        search.run(root, "one", 1e-9)  # its own file is written again
    assert not tuned_path(root, "one").exists()
    assert not (root / "reports" / "tuning").exists()
    assert {path: path.read_bytes() for path in kept} == kept


def test_what_cannot_be_searched_is_said_before_anything_starts(tmp_path: Path) -> None:
    root = write_repository(tmp_path)
    mine = model_path(root, "one_tuned_tiny")
    tiny.write_yaml(mine, settings())
    before = mine.read_bytes()
    with pytest.raises(
        InputError, match=r"one_tuned_tiny\.yaml was not written by a search and would be lost; rename it"
    ):
        search.run(root, "one", 1.0)
    with pytest.raises(InputError, match=r"configs/models/one_tuned_tiny\.yaml has no section search"):
        search.run(root, "one_tuned_tiny", 1.0)
    assert mine.read_bytes() == before
    assert not (root / ".work").exists()
