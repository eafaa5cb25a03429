"""Heat laid over pictures, and its share in the middle."""

import numpy as np
import pytest

from pipeline.inference.saliency.heat import enlarge_heat, measure_central_share, overlay_heat


def test_a_map_grows_to_the_picture_with_its_hottest_place_at_1() -> None:
    grown = enlarge_heat(np.array([[[0, 0], [0, 3]]], dtype=np.float32), 8)
    assert grown.shape == (1, 8, 8)
    assert grown[0, 7, 7] == 1
    assert grown[0, 0, 0] == 0


def test_a_map_without_heat_stays_cold() -> None:
    assert not enlarge_heat(np.zeros((2, 3, 3), dtype=np.float32), 6).any()


def test_no_maps_stay_none() -> None:
    assert enlarge_heat(np.zeros((0, 3, 3), dtype=np.float32), 6).shape == (0, 6, 6)


@pytest.mark.parametrize("channels", [1, 3])
def test_cold_places_show_the_picture_and_hot_ones_change_it(channels: int) -> None:
    image = np.full((6, 6, channels), 100, dtype=np.uint8)
    heat = np.zeros((6, 6), dtype=np.float32)
    heat[5, 5] = 1
    made = overlay_heat(image, heat)
    assert made.shape == (6, 6, 3)
    assert made.dtype == np.uint8
    assert (made[0, 0] == 100).all()
    assert (made[5, 5] > 150).sum() >= 2  # inferno ends in light yellow


@pytest.mark.parametrize("size", [7, 8, 224])
def test_even_heat_has_the_share_of_the_box_itself(size: int) -> None:
    np.testing.assert_allclose(
        measure_central_share(np.ones((1, size, size), dtype=np.float32), 0.5), [0.25], rtol=1e-6
    )


def test_heat_in_the_middle_and_at_the_border_are_told_apart() -> None:
    middle, border = np.zeros((2, 8, 8), dtype=np.float32)
    middle[3:5, 3:5], border[0] = 1, 1
    np.testing.assert_allclose(measure_central_share(np.stack([middle, border])), [1, 0])


def test_no_heat_has_no_share() -> None:
    assert np.isnan(measure_central_share(np.zeros((1, 8, 8), dtype=np.float32))).all()
