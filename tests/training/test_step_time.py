"""The times of a step and of a pass on this machine."""

import pytest

from pipeline.networks import runtime
from pipeline.training import step_time
from pipeline.training.step_time import time_machine


def test_a_step_is_timed_by_what_it_costs_not_by_what_runs_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = {"perf_counter": 5.0, "process_time": 0.043 * 1.63}
    for name, seconds in clocks.items():
        ticks = iter(seconds * number for number in range(100))
        monkeypatch.setattr(f"time.{name}", lambda ticks=ticks: next(ticks))
    monkeypatch.setattr(step_time, "count_cores", lambda: 2)
    monkeypatch.setattr(step_time, "_PASS", 0.0215)
    times = time_machine("float32")
    assert (times.step, times.frozen) == pytest.approx((1.0, 2.0))


def test_networks_train_in_the_precision_asked_for_and_rest_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []

    def look(work: object) -> float:
        found.append(runtime.name_policy())
        return 1.0

    monkeypatch.setattr(step_time, "_time_quickest", look)
    time_machine("bfloat16")
    assert found == ["float32", "mixed_bfloat16"]
