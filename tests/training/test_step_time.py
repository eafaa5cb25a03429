"""The time of a training step on this machine."""

import pytest

from pipeline.training.step_time import time_machine


def test_a_step_is_timed_by_what_it_costs_not_by_what_runs_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = {"perf_counter": 5.0, "process_time": 0.043 * 1.63}
    for name, seconds in clocks.items():
        ticks = iter(seconds * number for number in range(100))
        monkeypatch.setattr(f"time.{name}", lambda ticks=ticks: next(ticks))
    assert time_machine() == pytest.approx(1.0)
