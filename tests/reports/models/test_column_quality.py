import numpy as np
import pytest

from pipeline.core.targets.contract import CELL_SEPARATOR
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.reports.models.column_quality import format_cell, measure_columns
from pipeline.reports.models.heat_maps import find_one_label


def test_a_label_is_measured_by_order_and_decision() -> None:
    truth = np.array([[1, 1], [1, 1], [0, 1], [0, 1]], dtype=np.float32)
    values = np.array([[0.9, 0.5], [0.4, 0.5], [0.3, 0.5], [0.6, 0.5]], dtype=np.float32)
    one, every = measure_columns(SeveralLabels(columns=("one", "every")), "", truth, values)
    assert one["ROC AUC"] == 0.75
    assert one["F1"] == 0.5
    assert every["ROC AUC"] is None  # every image has it
    assert every["F1"] == 1


def test_a_number_is_measured_in_its_own_unit() -> None:
    target = Numbers(columns=("x",), means=(0.0,), scales=(1.0,))
    [row] = measure_columns(target, "", np.array([[0.0], [4.0]]), np.array([[1.0], [7.0]], dtype=np.float32))
    assert (row["MAE"], row["bias"]) == (2, 2)
    assert row["RMSE"] == pytest.approx(5**0.5)


def test_cells_are_written_for_people() -> None:
    assert format_cell(f"wet{CELL_SEPARATOR}1.23456") == "wet, 1.235"
    assert format_cell("") == "none"


def test_a_heat_map_is_of_the_likeliest_label_that_is_true() -> None:
    truth = np.array([[1, 1], [0, 0], [0, 1]], dtype=np.float32)
    values = np.array([[0.9, 0.5], [0.4, 0.5], [0.8, 0.5]], dtype=np.float32)
    labels, _ = find_one_label(SeveralLabels(columns=("a", "b")), truth, values)
    assert labels.tolist() == [0, -1, 1]
