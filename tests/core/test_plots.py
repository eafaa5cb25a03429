"""Pictures: whole, small, and the same bytes each time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.fabricated import random_probs

from pipeline.core import plots
from pipeline.core.errors import InputError

pytestmark = pytest.mark.usefixtures("real_pictures")
HISTORY = pd.DataFrame(
    {
        "fold": [0, 0, 1, 1],
        "epoch": [1, 2, 1, 2],
        "loss": [1.0, 0.5, 1.1, 0.6],
        "valid_loss": [1.2, 0.7, 1.3, 0.8],
        "accuracy": [0.3, 0.6, 0.2, 0.5],
        "valid_accuracy": [0.25, 0.5, 0.2, 0.4],
    }
)


def draw_confusion(path: Path, n_classes: int = 3, seed: int = 0, names: tuple[str, ...] | None = None) -> bytes:
    labels = np.arange(60) % n_classes
    classes = names or tuple(f"class {number}" for number in range(n_classes))
    plots.draw_confusion(labels, random_probs(60, n_classes, seed), classes, path)
    return path.read_bytes()


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_numbers_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    assert draw_confusion(tmp_path / f"a.{suffix}") == draw_confusion(tmp_path / f"b.{suffix}")
    for name in ("c", "d"):
        plots.draw_learning_curves(HISTORY, tmp_path / f"{name}.{suffix}")
    assert (tmp_path / f"c.{suffix}").read_bytes() == (tmp_path / f"d.{suffix}").read_bytes()


def test_other_numbers_give_another_picture(tmp_path: Path) -> None:
    assert draw_confusion(tmp_path / "a.png", seed=0) != draw_confusion(tmp_path / "a.png", seed=1)


@pytest.mark.parametrize("n_classes", [2, 15, 120])
def test_a_confusion_matrix_stays_small_however_many_classes(tmp_path: Path, n_classes: int) -> None:
    data = draw_confusion(tmp_path / "a.png", n_classes)
    assert len(data) < 150_000
    with Image.open(tmp_path / "a.png") as image:
        assert max(image.size) < 1500


def test_class_names_of_any_text_are_drawn(tmp_path: Path) -> None:
    draw_confusion(tmp_path / "a.png", 3, names=("$x_1", "a^$b$", "n" * 200))


def test_learning_curves_draw_what_the_history_has(tmp_path: Path) -> None:
    plots.draw_learning_curves(HISTORY, tmp_path / "both.png")
    plots.draw_learning_curves(HISTORY[["fold", "epoch", "loss"]], tmp_path / "loss.png")
    with Image.open(tmp_path / "both.png") as both, Image.open(tmp_path / "loss.png") as loss:
        assert both.width == 2 * loss.width


@pytest.mark.parametrize("column", ["fold", "epoch"])
def test_a_history_without_its_columns_is_refused_and_nothing_is_left(tmp_path: Path, column: str) -> None:
    with pytest.raises(InputError, match=f"history lacks the columns {column}; it has"):
        plots.draw_learning_curves(HISTORY.drop(columns=column), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_a_history_without_curves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="history lacks the columns loss"):
        plots.draw_learning_curves(HISTORY[["fold", "epoch"]], tmp_path / "a.png")


def test_epochs_that_did_not_look_at_the_valid_rows_leave_no_gap(tmp_path: Path) -> None:
    looked = pd.concat([HISTORY, HISTORY.assign(epoch=HISTORY["epoch"] + 2)], ignore_index=True)
    looked.loc[looked["epoch"] % 2 == 0, ["valid_loss", "valid_accuracy"]] = np.nan
    never = looked.assign(valid_loss=np.nan, valid_accuracy=np.nan)
    for name, history in (("looked", looked), ("never", never)):
        plots.draw_learning_curves(history, tmp_path / f"{name}.png")
    assert (tmp_path / "looked.png").read_bytes() != (tmp_path / "never.png").read_bytes()
