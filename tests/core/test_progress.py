"""The live line of a training."""

import sys
import time

import pytest

from pipeline.core.progress import EpochLine


class Clock:
    """Stands in for the wall clock."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(time, "perf_counter", found)
    return found


def test_a_finished_epoch_says_fold_loss_score_speed_and_time_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    line = EpochLine("small_cnn fold 2", epochs=30, steps=10, batch_size=64)
    line.start(4)
    clock.now += 5
    assert line.finish(0.51234, "accuracy", 0.9876, 0.001) == 5
    assert capsys.readouterr().out == ("small_cnn fold 2 epoch 5/30 loss 0.5123 accuracy 0.9876 2:05 left lr 1.0e-03\n")


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("m fold 0", "0:00 left lr 1.0e-01 1 images/s"),
        ("mobilenet_v2_frozen_pseudo fold 0", "accuracy 0.9876 0:00 left"),
    ],
)
def test_the_line_of_an_epoch_fits_80_columns(
    clock: Clock, capsys: pytest.CaptureFixture[str], name: str, end: str
) -> None:
    line = EpochLine(name, epochs=40, steps=1, batch_size=1)
    line.start(39)
    clock.now += 1
    line.finish(1.0, "accuracy", 0.9876, 0.1)
    shown = capsys.readouterr().out.rstrip("\n")
    assert len(shown) <= 80
    assert shown.endswith(end)


def test_an_epoch_that_did_not_look_shows_no_score(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    line = EpochLine("m fold 0", epochs=1, steps=1, batch_size=1)
    line.start(0)
    clock.now += 1
    line.finish(1.0, "accuracy", None, 0.1)
    assert "accuracy" not in capsys.readouterr().out


def test_time_left_goes_by_the_mean_of_the_epochs_so_far(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    line = EpochLine("m fold 0", epochs=1002, steps=1, batch_size=1)
    for epoch, seconds in enumerate((10, 20)):
        line.start(epoch)
        clock.now += seconds
        line.finish(1.0, "accuracy", None, 0.1)
    assert "4:10:00 left" in capsys.readouterr().out


def test_without_a_terminal_steps_print_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    line = EpochLine("m fold 0", epochs=1, steps=10, batch_size=1)
    line.start(0)
    clock.now += 1
    line.step(0)
    assert capsys.readouterr().out == ""


def test_on_a_terminal_steps_rewrite_one_line_a_few_times_a_second(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    line = EpochLine("m fold 0", epochs=2, steps=4, batch_size=10)
    line.start(0)
    for step in range(4):
        clock.now += 0.15
        line.step(step)
    shown = capsys.readouterr().out
    assert shown.count("\r") == 2  # steps 0 and 2: the others come too soon
    assert "\n" not in shown
    assert shown.endswith("m fold 0 epoch 1/2  75% 67 images/s")
