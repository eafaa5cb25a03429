import numpy as np
import pytest

from pipeline.core.errors import InputError
from pipeline.data.containers.pictures import shape_pixels


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_channels_may_stand_before_rows_and_columns(channels: int) -> None:
    image = np.arange(8 * 9 * channels).reshape(8, 9, channels)
    assert np.array_equal(shape_pixels(image, None, "a"), image)
    assert np.array_equal(shape_pixels(np.moveaxis(image, 2, 0), None, "a"), image)
    assert np.array_equal(shape_pixels(np.moveaxis(image, 2, 0).ravel(), (channels, 8, 9), "a"), image)


def test_values_of_no_square_want_a_shape() -> None:
    with pytest.raises(InputError, match=r"state packed\.shape"):
        shape_pixels(np.arange(72), None, "a")
