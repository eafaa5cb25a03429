"""The pace of a training: what its folds' states say of the time that it takes."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.fabricated import write_params, write_repository

from pipeline.core.paths import work_folder
from pipeline.planning.pace import Pace, TooSlowError
from pipeline.planning.prior import TrainingLength
from pipeline.training.state import State, TrainingProgress, write_state

LENGTH = TrainingLength("net", 10, 3, 10)


def write_epoch(root: Path, fold: int, epoch: int, fingerprint: str = "a") -> None:
    folder = work_folder(root, "train") / f"net-{fingerprint * 16}" / f"fold{fold}"
    folder.mkdir(parents=True, exist_ok=True)
    write_state(folder / "state-00000000.npz", State(TrainingProgress(epoch=epoch), [np.zeros(epoch + 1)], [], []))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_repository(tmp_path)
    write_params(tmp_path, ["net"], train={"folds": [0, 1]})
    return tmp_path


def test_two_epochs_say_how_long_all_take(root: Path) -> None:
    write_epoch(root, 0, 13, "b")  # of other settings
    pace = Pace(root, "net", LENGTH)
    assert pace.project(5.0) is None
    write_epoch(root, 0, 2)  # the head alone, which is quick
    assert pace.project(10.0) is None
    write_epoch(root, 0, 4)
    assert pace.project(20.0) is None
    write_epoch(root, 0, 6)
    assert pace.project(40.0) == pytest.approx(40 + (20 - 3) * 20 / 2)
    with pytest.raises(TooSlowError) as caught:
        pace.check(40.0, 200.0)
    assert caught.value.gone == 40.0
    assert caught.value.projected == pytest.approx(210)


def test_one_long_epoch_says_how_long_all_take(root: Path) -> None:
    pace = Pace(root, "net", TrainingLength("net", 6, 3, 2))
    write_epoch(root, 0, 4)
    assert pace.project(100.0) is None
    write_epoch(root, 0, 5)
    assert pace.project(129.0) is None  # a whole epoch in 29 s
    pace = Pace(root, "net", TrainingLength("net", 6, 3, 2))
    write_epoch(root, 0, 4)
    assert pace.project(100.0) is None
    write_epoch(root, 0, 5)
    assert pace.project(200.0) == pytest.approx(200 + 2 * 100)


def test_one_long_epoch_counts_for_one_fold_alone(root: Path) -> None:
    continued = Pace(root, "net", TrainingLength("net", 6, 3, 3))
    write_epoch(root, 0, 6)  # its last one: predictions follow
    assert continued.project(10.0) is None
    write_epoch(root, 1, 4)
    assert continued.project(80.0) is None
    side_by_side = Pace(root, "net", TrainingLength("net", 6, 3, 2))
    for fold in (0, 1):
        write_epoch(root, fold, 4)
    assert side_by_side.project(100.0) is None
    write_epoch(root, 0, 5)
    assert side_by_side.project(170.0) is None  # the other's comes in a moment


def test_between_two_epochs_a_steady_training_is_no_slower(root: Path) -> None:
    pace = Pace(root, "net", LENGTH)
    for gone in range(1, 200):
        write_epoch(root, 0, 3 + gone // 20)
        projected = pace.project(float(gone))
        assert projected is None or projected <= 1.05 * (20 * 20)
    assert projected == pytest.approx(400, rel=0.05)


def test_seeds_that_are_done_are_not_waited_for(root: Path) -> None:
    for fold in (0, 1):
        write_epoch(root, fold, 13, "s")
    pace = Pace(root, "net", LENGTH)
    for gone, epoch in ((10.0, 4), (20.0, 5), (30.0, 6)):
        write_epoch(root, 0, epoch)
        projected = pace.project(gone)
    assert projected == pytest.approx(30 + 10 * 17)
    for fold in (0, 1):
        write_epoch(root, fold, 13)
    assert pace.project(500.0) is None


def test_folds_that_are_done_count_whole(root: Path) -> None:
    pace = Pace(root, "net", LENGTH)
    write_epoch(root, 0, 13)
    pace.check(50.0, 100.0)
    (work_folder(root, "train") / f"net-{'a' * 16}" / "fold0" / "done.json").write_text(json.dumps({}))
    write_epoch(root, 1, 8)
    assert pace.project(60.0) == pytest.approx(60 + 5 * 10 / 5)
    pace.check(60.0, 200.0)
    pace.check(60.5, 1.0)  # looked at a moment ago: nothing is read
    pace.check(70.0, 200.0)
