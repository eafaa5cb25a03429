"""The ``tune`` section: settings that do not agree are refused."""

from typing import Any

import pytest

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.tuning.params import TuneParams

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def params(**changes: Any) -> TuneParams:
    return parse(changes, TuneParams, "params.yaml: tune")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_trials": 0, "hours": 8}, "n_trials: 0 means no tuning, but hours is 8"),
        ({"n_trials": None}, "a study needs a limit"),
        ({"n_trials": None, "hours": 0}, "greater than 0"),
        ({"n_trials": -1}, "greater than or equal to 0"),
        ({"folds": []}, "at least 1 item"),
        ({"folds": [0, 0]}, "folds must differ"),
        ({"sampler": "tpee"}, "'tpe'"),
        ({"objectives": ["seconds"]}, r"objectives must be \[score\]"),
        ({"objectives": ["score", "seconds"], "sampler": "cmaes"}, "cmaes supports one objective"),
        ({"terminator": True}, "needs one objective and two folds"),
        ({"workers": 0}, "greater than or equal to 1"),
    ],
)
def test_a_budget_or_a_setting_that_makes_no_sense_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        params(**changes)
