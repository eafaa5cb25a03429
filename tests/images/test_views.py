"""Views: what each shows, in which order, and what becomes of their logits."""

from typing import Any

import numpy as np
import pytest

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.targets.classes import OneClass
from pipeline.images.batches import changed
from pipeline.images.views import Views, average_views, make_view_transforms, make_views, remove_mirror_views

TWO = OneClass(columns=("a", "b"))
IMAGES = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)


def test_without_views_an_image_is_seen_once_as_it_is() -> None:
    (only,) = make_views(IMAGES, Views())
    assert np.array_equal(only, IMAGES)


def test_a_mirrored_view_is_the_image_read_from_the_right() -> None:
    plain, mirrored = make_views(IMAGES, Views(mirror=True))
    assert np.array_equal(plain, IMAGES)
    assert np.array_equal(mirrored[:, :, 0], IMAGES[:, :, -1])


def test_a_shift_gives_four_more_views_with_the_border_repeated() -> None:
    plain, down, up, right, left = make_views(IMAGES, Views(shift=1))
    assert np.array_equal(plain, IMAGES)
    assert np.array_equal(down[:, 1:], IMAGES[:, :-1])
    assert np.array_equal(down[:, 0], IMAGES[:, 0])
    assert np.array_equal(up[:, :-1], IMAGES[:, 1:])
    assert np.array_equal(right[:, :, 1:], IMAGES[:, :, :-1])
    assert np.array_equal(left[:, :, :-1], IMAGES[:, :, 1:])


def test_mirror_and_shift_together_give_ten_views_of_one_shape() -> None:
    views = list(make_views(IMAGES, Views(mirror=True, shift=2)))
    assert len(views) == 10
    assert {view.shape for view in views} == {IMAGES.shape}
    assert {view.dtype for view in views} == {np.dtype(np.uint8)}


def test_a_negative_shift_is_refused() -> None:
    with pytest.raises(InputError, match=r"views: shift: .*greater than or equal to 0, got -1"):
        parse({"shift": -1}, Views, "views")


# Grey levels that rise by 16 from the left, so that a place between two pixels can be read off.
RAMP = np.tile((np.arange(8) * 16 + 8).astype(np.uint8), (1, 8, 1))[..., None]


def row(views: Views, name: str) -> list[int]:
    """The grey levels of a view of the ramp from left to right."""
    made = make_view_transforms(views)[name](RAMP)
    assert (made == made[:, :1]).all()
    return [int(level) for level in made[0, 0, :, 0]]


def column(views: Views, name: str) -> list[int]:
    """The same of a ramp that rises from the top."""
    return [int(level) for level in make_view_transforms(views)[name](RAMP.swapaxes(1, 2))[0, :, 0, 0]]


def test_a_crop_blows_its_corner_up_to_the_whole_side() -> None:
    # Half of the side: every pixel is two, and lies a quarter of a pixel beside its old centre.
    first, last = [8, 12, 20, 28, 36, 44, 52, 60], [68, 76, 84, 92, 100, 108, 116, 120]
    views = Views(crops=0.5)
    assert row(views, "crop0.5-top-left") == row(views, "crop0.5-bottom-left") == first
    assert row(views, "crop0.5-top-right") == row(views, "crop0.5-bottom-right") == last
    assert column(views, "crop0.5-top-left") == column(views, "crop0.5-top-right") == first
    assert column(views, "crop0.5-bottom-left") == column(views, "crop0.5-bottom-right") == last
    assert row(views, "crop0.5-centre") == column(views, "crop0.5-centre") == [36, 44, 52, 60, 68, 76, 84, 92]


def test_a_scale_above_one_enlarges_about_the_centre() -> None:
    assert row(Views(scales=(2.0,)), "scale2.0") == row(Views(crops=0.5), "crop0.5-centre")


def test_a_scale_below_one_repeats_the_border() -> None:
    assert row(Views(scales=(0.5,)), "scale0.5") == [8, 8, 16, 48, 80, 112, 120, 120]


def test_all_views_together_have_one_shape_and_names_of_their_own() -> None:
    wanted = make_view_transforms(Views(mirror=True, shift=1, crops=0.9, scales=(0.9, 1.1)))
    made = [change(IMAGES) for change in wanted.values()]
    assert len(wanted) == 2 * (1 + 4 + 5 + 2)
    assert {view.shape for view in made} == {IMAGES.shape}
    assert {view.dtype for view in made} == {np.dtype(np.uint8)}
    assert len({view.tobytes() for view in made}) == len(made)


def test_a_mirrored_crop_is_the_crop_mirrored() -> None:
    wanted = make_view_transforms(Views(mirror=True, crops=0.75))
    crop, mirrored = (wanted[f"crop0.75-top-left{end}"](IMAGES) for end in ("", "-mirrored"))
    assert np.array_equal(mirrored, crop[:, :, ::-1])


def test_more_views_leave_the_names_and_the_images_of_the_others() -> None:
    few = make_view_transforms(Views(mirror=True, shift=1))
    many = make_view_transforms(Views(mirror=True, shift=1, crops=0.9, scales=(1.1,)))
    assert list(few) == list(many)[: len(few)]
    assert all(np.array_equal(few[name](IMAGES), many[name](IMAGES)) for name in few)


def test_a_shift_wider_than_the_image_shows_its_border() -> None:
    down = make_view_transforms(Views(shift=9))["moved9-1"](IMAGES)
    assert np.array_equal(down, np.repeat(IMAGES[:, :1], 4, axis=1))


@pytest.mark.parametrize("views", [Views(), Views(mirror=True, shift=1, crops=0.9)])
def test_views_made_ahead_are_the_views_in_their_order(views: Views) -> None:
    made = changed(IMAGES, tuple(make_view_transforms(views).values()), workers=3)
    assert all(np.array_equal(ahead, plain) for ahead, plain in zip(made, make_views(IMAGES, views), strict=True))


def test_logits_are_averaged_unless_told_otherwise() -> None:
    logits = np.array([[[0.0, 4.0]], [[1.0, -1.0]]], dtype=np.float32)
    assert average_views(logits, Views(mirror=True), TWO).tolist() == [[0.5, 1.5]]


def test_probabilities_are_averaged_where_told() -> None:
    # 0.8 and 0.2 in one view, 0.4 and 0.6 in the other: 0.6 and 0.4 in the mean.
    logits = np.log(np.array([[[0.8, 0.2]], [[0.4, 0.6]]], dtype=np.float32))
    found = np.exp(average_views(logits, Views(mirror=True, average="probabilities"), TWO))
    assert found == pytest.approx(np.array([[0.6, 0.4]]), abs=1e-6)


def test_a_class_that_no_view_believes_in_is_no_infinity() -> None:
    logits = np.array([[[0.0, -1000.0]]] * 2, dtype=np.float32)
    assert np.isfinite(average_views(logits, Views(average="probabilities"), TWO)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crops": 1.0}, "crops: .*less than 1, got 1.0"),
        ({"crops": 0.1}, "crops is the share of the side that is kept: 0 for none, else 0.25 to 1, got 0.1"),
        ({"scales": [1.0]}, r"scales must differ from each other and from 1, got \[1.0\]"),
        ({"scales": [0.9, 0.9]}, r"scales must differ from each other and from 1, got \[0.9, 0.9\]"),
        ({"scales": [9.0]}, "scales.0: .*less than or equal to 4, got 9.0"),
        ({"average": "median"}, "average: .*'median'"),
        ({"mirror": True, "weights": "learned"}, "say average: probabilities"),
        ({"average": "probabilities", "weights": "learned"}, "learned needs views to weigh; say mirror: true, shift"),
    ],
)
def test_views_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(settings, Views, "views")


@pytest.mark.parametrize(("more", "weights"), [({}, "equal"), ({"shift": 1}, "learned")])
def test_views_without_mirror_images_can_be_read_back(more: dict[str, Any], weights: str) -> None:
    """A card holds them, and whoever opens the card checks them."""
    settings = {"mirror": True, "average": "probabilities", "weights": "learned"} | more
    plain = remove_mirror_views(parse(settings, Views, "views"))
    assert (plain.mirror, plain.weights) == (False, weights)
    assert parse(plain.model_dump(mode="json"), Views, "card") == plain
