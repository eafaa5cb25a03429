from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from pipeline.core.errors import InputError
from pipeline.core.layouts import CsvPixels
from pipeline.data.prepared import pixel_rows
from pipeline.images.fitting import StorageForm
from pipeline.images.store import create_store, open_store

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 4, 4), dtype=np.uint8)


def _write(folder: Path, images: NDArray[np.uint8] = IMAGES) -> pd.DataFrame:
    flat = images.reshape(len(images), -1)
    table = pd.DataFrame(flat, columns=[f"pixel{number}" for number in range(flat.shape[1])])
    table.insert(0, "label", "a")
    table.to_csv(folder / "train.csv", index=False)
    return table


def _layout(**changes: object) -> CsvPixels:
    return CsvPixels.model_validate({"layout": "csv_pixels", "table": "train.csv", "label": "label", **changes})


def _read(folder: Path, layout: CsvPixels, channels: int = 1, rows: int = 7) -> NDArray[np.uint8]:
    form = StorageForm(4, channels, "stretch")
    store = create_store(folder / "images.npy", rows, form)
    pixel_rows.fill_from_table(store, folder, layout, list(range(rows)), form)
    return np.array(open_store(folder / "images.npy"))


@pytest.mark.parametrize("cells", [1, 40, 10_000])
def test_rows_become_images_in_pieces_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    monkeypatch.setattr(pixel_rows, "_CELLS", cells)
    _write(tmp_path)
    assert np.array_equal(_read(tmp_path, _layout())[:, :, :, 0], IMAGES)


def test_rows_go_where_the_order_says(tmp_path: Path) -> None:
    _write(tmp_path)
    form = StorageForm(size=4, channels=1, resize="stretch")
    order = [3, 0, 6, 1, 2, 5, 4]
    seen = pixel_rows.fill_from_table(create_store(tmp_path / "a.npy", 7, form), tmp_path, _layout(), order, form)
    assert np.array_equal(open_store(tmp_path / "a.npy")[:, :, :, 0], IMAGES[order])
    assert len({image.hash for image in seen}) == 7


def test_numbered_pixels_are_sorted_by_number(tmp_path: Path) -> None:
    table = _write(tmp_path)
    table[sorted(table.columns)].to_csv(tmp_path / "train.csv", index=False)
    assert np.array_equal(_read(tmp_path, _layout())[:, :, :, 0], IMAGES)


def test_a_colour_image_is_read_channel_by_channel_within_a_pixel(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 4, 4, 3), dtype=np.uint8)
    _write(tmp_path, images)
    assert np.array_equal(_read(tmp_path, _layout(), channels=3), images)


def test_planes_are_one_channel_after_the_other(tmp_path: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (7, 4, 4, 3), dtype=np.uint8)
    _write(tmp_path, images.transpose(0, 3, 1, 2))
    assert np.array_equal(_read(tmp_path, _layout(planes=True), channels=3), images)


def test_a_shape_may_be_stated(tmp_path: Path) -> None:
    _write(tmp_path, np.repeat(np.arange(7, dtype=np.uint8), 8).reshape(7, 2, 4))
    assert _read(tmp_path, _layout(shape=(2, 4)))[:, 0, 0, 0].tolist() == list(range(7))


def test_a_shape_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    _write(tmp_path)
    with pytest.raises(InputError, match=r"16 pixel columns do not make the shape \[5, 5\]"):
        _read(tmp_path, _layout(shape=(5, 5)))


def test_a_count_that_is_no_square_needs_a_shape(tmp_path: Path) -> None:
    _write(tmp_path, np.zeros((7, 2, 4), dtype=np.uint8))
    with pytest.raises(InputError, match="8 pixel columns make no square image; state shape"):
        _read(tmp_path, _layout())


def test_no_pixel_column_is_refused(tmp_path: Path) -> None:
    _write(tmp_path)
    with pytest.raises(InputError, match="no column fits pixels: 'px"):
        _read(tmp_path, _layout(pixels=r"px\d+"))


@pytest.mark.parametrize(
    ("value", "shown"), [("256", "256"), ("-1", "-1"), ("0.5", "0.5"), ("", "no value"), ("x", "'x'"), ("nan", ".*")]
)
@pytest.mark.parametrize("cells", [32, 10_000])
def test_values_that_are_no_pixels_are_refused_with_their_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, shown: str, cells: int
) -> None:
    monkeypatch.setattr(pixel_rows, "_CELLS", cells)
    table = _write(tmp_path).astype("str")
    table.loc[5, "pixel7"] = value
    table.to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(InputError, match=rf"train.csv, row 6 \(line 7\), column pixel7: {shown} is no whole number"):
        _read(tmp_path, _layout())


def test_a_row_with_a_cell_too_many_is_refused(tmp_path: Path) -> None:
    _write(tmp_path)
    path = tmp_path / "train.csv"
    lines = path.read_text().splitlines()
    lines[4] += ",1"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="Expected 17 fields in line 5, saw 18"):
        _read(tmp_path, _layout())


def test_a_row_with_a_cell_too_many_is_named_by_its_line(tmp_path: Path) -> None:
    _write(tmp_path)
    path = tmp_path / "train.csv"
    path.write_text(path.read_text() + "a" + ",1" * 17 + "\n")
    with pytest.raises(
        InputError, match=r"train\.csv: Expected 17 fields in line 9, saw 18; every row needs the cells"
    ):
        _read(tmp_path, _layout(), rows=8)


def _write_cells(folder: Path, cells: list[str]) -> None:
    pd.DataFrame({"label": "a", "pixels": cells}).to_csv(folder / "train.csv", index=False)


@pytest.mark.parametrize("cells", [1, 40, 10_000])
def test_a_cell_may_hold_all_pixels_of_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    monkeypatch.setattr(pixel_rows, "_CELLS", cells)
    _write_cells(tmp_path, [" ".join(map(str, image.ravel())) for image in IMAGES])
    assert np.array_equal(_read(tmp_path, _layout(pixels="pixels"))[:, :, :, 0], IMAGES)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("1 2 3", r"row 3 \(line 4\), column pixels: 3 pixels, the first row has 16; correct it"),
        (" ".join(["7"] * 15 + ["seven"]), r"row 3 \(line 4\), column pixels, pixel 16: no value is no whole number"),
        (" ".join(["256"] * 16), r"row 3 \(line 4\), column pixels, pixel 1: 256 is no whole number in 0\.\.255"),
    ],
)
def test_a_cell_with_other_pixels_is_named(tmp_path: Path, cell: str, words: str) -> None:
    _write_cells(tmp_path, [" ".join(["7"] * 16)] * 2 + [cell])
    with pytest.raises(InputError, match=words):
        _read(tmp_path, _layout(pixels="pixels"), rows=3)
