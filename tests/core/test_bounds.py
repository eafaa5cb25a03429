"""Bounds of counts: a slip of the hand is one line that names the setting."""

import os
from typing import Any

import pytest
from support.project_imports import ROOT

from pipeline.core.active import weights_folder
from pipeline.core.config import Section, parse
from pipeline.core.errors import InputError
from pipeline.data.prepared.preparing import PrepareParams
from pipeline.data.prepared.stratification import SplitParams
from pipeline.ensemble.fitting import EnsembleParams
from pipeline.networks.architectures.cnn import PlainCnn
from pipeline.networks.architectures.mlp import MlpPixels
from pipeline.training.context import TrainParams
from pipeline.training.recipes.recipe import Training
from pipeline.tuning.params import TuneParams

_OPTIMIZER = {"name": "adam", "learning_rate": 0.1}


@pytest.mark.parametrize(
    ("section", "values", "where"),
    [
        (TrainParams, {"workers": 10**9}, "workers"),
        (TrainParams, {"seed": 10**30}, "seed"),
        (TuneParams, {"workers": 10**9}, "workers"),
        (PrepareParams, {"workers": 10**9}, "workers"),
        (SplitParams, {"n_splits": 10**400}, "n_splits"),
        (MlpPixels, {"name": "mlp_pixels", "units": [300, 10**9]}, r"units\.1"),
        (PlainCnn, {"name": "plain_cnn", "filters": [10**9], "kernels": [3]}, r"filters\.0"),
        (PlainCnn, {"name": "plain_cnn", "filters": [8], "kernels": [10**9]}, r"kernels\.0"),
        (Training, {"epochs": 10**9, "batch_size": 8, "optimizer": _OPTIMIZER}, "epochs"),
        (Training, {"epochs": 2, "batch_size": 10**9, "optimizer": _OPTIMIZER}, "batch_size"),
    ],
)
def test_a_count_beyond_reason_is_refused(section: type[Section], values: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError, match=rf"file: {where}.*: Input should be less than") as caught:
        parse(values, section, "file")
    assert len(str(caught.value)) < 600


def test_auto_and_all_say_that_nothing_is_set_as_null_does() -> None:
    words = {"workers": "auto", "folds": "all", "weights": "auto"}
    assert parse(words, TrainParams, "file") == TrainParams() == parse(dict.fromkeys(words), TrainParams, "file")
    assert parse({"hours": "auto", "storage": "auto"}, TuneParams, "file") == TuneParams()
    assert parse({"combiners": "all"}, EnsembleParams, "file") == EnsembleParams()
    assert parse({"folds": [0, 2], "workers": 2}, TrainParams, "file").folds == (0, 2)
    assert parse({"hours": 8, "n_trials": None}, TuneParams, "file").hours == 8
    for wrong in ({"workers": "all"}, {"folds": "auto"}, {"folds": "0"}):
        with pytest.raises(InputError, match=f"file: {next(iter(wrong))}"):
            parse(wrong, TrainParams, "file")
    assert weights_folder(ROOT) == ROOT / (os.environ.get("WEIGHTS_DIR") or "data/weights")
