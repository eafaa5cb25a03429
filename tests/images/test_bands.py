import numpy as np
import pytest

from pipeline.images.bands import Bands, ValueRange, list_limits, scale_bands


def _scaled(
    values: list[float], wanted: ValueRange, kind: str = "u2", window: tuple[float, float] | None = None
) -> list[int]:
    array = np.array(values, dtype=kind).reshape(1, -1, 1)
    grey: list[int] = scale_bands(Bands(array, list_limits(array), window), wanted)[0, :, 0].tolist()
    return grey


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("dtype", [0, 8, 16]),
        ("data", [0, 128, 255]),
        ((0.0, 8190.0), [0, 64, 128]),
        ((2048.0, 4095.0), [0, 0, 255]),
        ("window", [0, 128, 255]),
    ],
)
def test_the_range_says_which_values_become_black_and_white(wanted: ValueRange, expected: list[int]) -> None:
    assert _scaled([0, 2048, 4095], wanted) == expected


def test_the_window_of_the_file_is_used_where_it_is_wanted() -> None:
    assert _scaled([0, 2048, 4095], "window", window=(0.0, 2048.0)) == [0, 255, 255]
    assert _scaled([0, 2048, 4095], "dtype", window=(0.0, 2048.0)) == [0, 8, 16]


def test_percentiles_leave_single_bright_values_out() -> None:
    assert _scaled([*range(1000), 65535], "percentile")[500] == pytest.approx(128, abs=1)
    assert _scaled([*range(1000), 65535], "data")[500] == 2


def test_a_value_that_is_no_number_is_black_and_leaves_the_others_alone() -> None:
    assert _scaled([0.0, 0.5, 1.0, np.nan, np.inf, -np.inf], "dtype", "f4") == [0, 128, 255, 0, 255, 0]
    assert _scaled([10.0, 20.0, np.nan], "data", "f4") == [0, 255, 0]
    with pytest.raises(ValueError, match="none of its values is a number"):
        _scaled([np.nan, np.nan], "data", "f4")


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "i4", "f4", "f8"])
def test_large_and_small_pictures_are_scaled_alike(kind: str) -> None:
    values = np.tile(np.arange(100).astype(kind), (1000, 1))[..., None]
    large = scale_bands(Bands(values, (0.0, 99.0)), (10.0, 80.0))
    assert np.array_equal(large[:3], scale_bands(Bands(values[:3], (0.0, 99.0)), (10.0, 80.0)))
    assert (large[0, 10, 0], large[0, 45, 0], large[0, 80, 0]) == (0, 128, 255)


@pytest.mark.parametrize("kind", ["u2", "i2"])
@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("wanted", [(0.0, 4095.0), (-200.0, 1800.0), (100.0, 500.0), (0.0, 400.0), (-7.5, 61.25)])
def test_every_16_bit_value_gets_the_level_that_exact_arithmetic_gives(
    kind: str, inverted: bool, wanted: tuple[float, float]
) -> None:
    values = np.tile(np.arange(65536, dtype=np.uint16).view(kind), (2, 1))
    exact = np.rint(np.clip((values.astype(np.float64) - wanted[0]) * (255 / (wanted[1] - wanted[0])), 0, 255))
    levels = scale_bands(Bands(values[..., None], (0.0, 65535.0), inverted=inverted), wanted)
    assert np.array_equal(levels[..., 0], 255 - exact if inverted else exact)


def test_a_flat_picture_becomes_black() -> None:
    assert _scaled([7, 7], "data") == [0, 0]


def test_bands_are_chosen_from_one() -> None:
    bands = Bands(np.arange(5, dtype=np.uint16).reshape(1, 1, 5), (0.0, 65535.0))
    assert bands.choose((3, 1)).values.tolist() == [[[2, 0]]]
    with pytest.raises(ValueError, match="names band 6, but the picture has 5"):
        bands.choose((6,))
