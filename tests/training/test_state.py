"""The state between epochs: what goes in comes out, to the last bit."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.training.state import State, TrainingProgress, read_state, write_state

PROGRESS = TrainingProgress(
    epoch=3, seconds=1.5, stopped=True, best=0.1 + 0.2, waited=2, level=1, history=[{"epoch": 1, "loss": 0.3}]
)


def state(progress: TrainingProgress) -> State:
    rng = np.random.default_rng(0)
    model = [rng.normal(size=(3, 2)).astype(np.float32), np.array([7, 2**32 - 1], dtype=np.uint32)]
    return State(progress, model, [np.array(12, dtype=np.int64)], [])


@pytest.mark.parametrize("progress", [TrainingProgress(), PROGRESS])
def test_a_state_survives_its_file(tmp_path: Path, progress: TrainingProgress) -> None:
    path, before = tmp_path / "state.npz", state(progress)
    write_state(path, before)
    after = read_state(path, "m fold 0")
    assert after is not None
    assert after.progress == progress
    for group in ("model", "optimizer", "best"):
        arrays, wanted = getattr(after, group), getattr(before, group)
        assert [(array.dtype, array.shape, array.tobytes()) for array in arrays] == [
            (array.dtype, array.shape, array.tobytes()) for array in wanted
        ]


def test_no_file_is_no_state_and_no_news(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_state(tmp_path / "state.npz", "m fold 0") is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("keep", [0, 10, 500, -1])
def test_a_damaged_file_is_no_state_and_is_named(tmp_path: Path, keep: int, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "state.npz"
    write_state(path, state(PROGRESS))
    path.write_bytes(path.read_bytes()[:keep])
    assert read_state(path, "m fold 0") is None
    said = capsys.readouterr().out
    assert said.startswith(f"m fold 0: {path} cannot be read (")
    assert said.endswith("; this fold starts again\n")


def test_a_file_of_another_shape_is_no_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "state.npz"
    np.savez(path, model0=np.zeros(3))
    assert read_state(path, "m fold 0") is None
    assert "cannot be read" in capsys.readouterr().out
