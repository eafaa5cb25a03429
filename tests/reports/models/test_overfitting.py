"""Overfitting: diagnoses of histories worked by hand."""

import numpy as np
import pandas as pd
import pytest

from pipeline.reports.models.overfitting import diagnose_fit, name_remedy


def history(train: list[float], valid: list[float | None], folds: int = 2) -> pd.DataFrame:
    epochs = range(1, len(train) + 1)
    rows = {"epoch": epochs, "loss": train, "valid_loss": valid}
    return pd.concat([pd.DataFrame(rows | {"fold": fold}) for fold in range(folds)])


@pytest.mark.parametrize(
    ("train", "valid", "verdict"),
    [
        ([2.0, 0.4], [2.0, 0.5], "fits"),
        ([2.0, 0.4], [2.0, 0.6], "overfits slightly"),
        ([2.0, 0.3], [2.0, 0.7], "overfits"),
        ([2.0, 0.1], [2.0, 1.0], "overfits strongly"),
        ([2.0, 0.5, 0.4], [1.0, 0.5, 0.7], "turned"),
        ([2.0, 1.9], [2.0, 1.95], "underfits"),
        ([2.0, 1.0, 0.4], [None, None, 0.5], "fits"),
    ],
)
def test_the_gap_is_named(train: list[float], valid: list[float | None], verdict: str) -> None:
    found = diagnose_fit(history(train, valid), 2.303)  # guessing costs 2.30: gap 0.23, turn 0.12, half 1.15
    assert found is not None
    assert found.verdict == verdict
    assert found.gap == pytest.approx((valid[-1] or 0) - train[-1])


def test_a_history_without_losses_is_not_judged() -> None:
    assert diagnose_fit(pd.DataFrame({"fold": [0], "epoch": [1]}), 1.0) is None
    assert diagnose_fit(history([1.0], [None]), 1.0) is None


@pytest.mark.parametrize(
    ("train", "valid", "config", "remedy"),
    [
        ([2.0, 0.5, 0.4], [1.0, 0.5, 0.7], {"training": {"before": []}}, "training.epochs=2"),
        ([2.0, 0.1], [2.0, 1.0], {"network": {"dropout": 0.1}}, "network.dropout=0.3"),
        (
            [2.0, 0.1],
            [2.0, 1.0],
            {"network": {"dropout": 0.6}, "augmentation": {"mixup": 0.0}, "training": {"unfreeze": "all"}},
            "augmentation.mixup=0.2",
        ),
        ([2.0, 0.1], [2.0, 1.0], {"backbones": []}, ""),
        ([2.0, 0.4], [2.0, 0.5], {"network": {"dropout": 0.0}}, ""),
    ],
)
def test_a_remedy_is_a_setting_that_the_model_has(
    train: list[float], valid: list[float | None], config: dict[str, object], remedy: str
) -> None:
    found = diagnose_fit(history(train, valid), float(np.log(10)))
    assert found is not None
    assert name_remedy(found, config) == remedy
