import numpy as np
import pytest

from pipeline.config import parse
from pipeline.errors import InputError
from pipeline.views import Views, seen

IMAGES = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)


def test_without_views_an_image_is_seen_once_as_it_is() -> None:
    (only,) = seen(IMAGES, Views())
    assert np.array_equal(only, IMAGES)


def test_a_mirrored_view_is_the_image_read_from_the_right() -> None:
    plain, mirrored = seen(IMAGES, Views(mirror=True))
    assert np.array_equal(plain, IMAGES)
    assert np.array_equal(mirrored[:, :, 0], IMAGES[:, :, -1])


def test_a_shift_gives_four_more_views_with_the_border_repeated() -> None:
    plain, down, up, right, left = seen(IMAGES, Views(shift=1))
    assert np.array_equal(plain, IMAGES)
    assert np.array_equal(down[:, 1:], IMAGES[:, :-1])
    assert np.array_equal(down[:, 0], IMAGES[:, 0])
    assert np.array_equal(up[:, :-1], IMAGES[:, 1:])
    assert np.array_equal(right[:, :, 1:], IMAGES[:, :, :-1])
    assert np.array_equal(left[:, :, :-1], IMAGES[:, :, 1:])


def test_mirror_and_shift_together_give_ten_views_of_one_shape() -> None:
    views = list(seen(IMAGES, Views(mirror=True, shift=2)))
    assert len(views) == 10
    assert {view.shape for view in views} == {IMAGES.shape}
    assert {view.dtype for view in views} == {np.dtype(np.uint8)}


def test_a_negative_shift_is_refused() -> None:
    with pytest.raises(InputError, match=r"views: shift: .*greater than or equal to 0, got -1"):
        parse({"shift": -1}, Views, "views")
