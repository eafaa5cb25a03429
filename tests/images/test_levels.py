from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from pipeline.core.arrays import Images
from pipeline.core.errors import InputError
from pipeline.images.augmentation import Augmentation, ImageTransform
from pipeline.images.decoding import decode_array, decode_file
from pipeline.images.fitting import StorageForm
from pipeline.images.levels import StoreType, decode_levels, encode_levels
from pipeline.images.mixing import mix_batch
from pipeline.images.preprocessing import Equalize as EqualizeStep
from pipeline.images.preprocessing import HistogramStretch, preprocess_image
from pipeline.images.slides import Mosaic, make_mosaic
from pipeline.images.store import copy_rows, create_store, open_store

DEEP = np.arange(64, dtype=np.uint16).reshape(8, 8) * 3  # all of it within one grey level of 257 steps


def _noise(size: int = 8, channels: int = 1) -> Images:
    levels = np.random.default_rng(0).uniform(0, 255, (size, size, channels)).astype(np.float32)
    return cast(Images, levels)


@pytest.mark.parametrize(("dtype", "step"), [("uint16", 0.002), ("float16", 0.0626)])
def test_levels_come_back_to_a_fraction(dtype: StoreType, step: float) -> None:
    levels = _noise(64)
    found = decode_levels(encode_levels(levels, dtype))
    assert str(found.dtype) == "float32"
    assert np.abs(found - levels).max() <= step


@pytest.mark.parametrize("dtype", ["uint16", "float16"])
def test_whole_levels_come_back_exactly(dtype: StoreType) -> None:
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(decode_levels(encode_levels(levels, dtype)), levels)


def test_a_deep_store_tells_apart_what_one_of_8_bits_does_not(tmp_path: Path) -> None:
    Image.fromarray(DEEP).save(tmp_path / "a.png")
    shallow = decode_file(tmp_path / "a.png", StorageForm(8, 1, "stretch"))
    deep = decode_file(tmp_path / "a.png", StorageForm(8, 1, "stretch", dtype="uint16"))
    assert len(np.unique(shallow.pixels)) <= 2
    assert np.array_equal(deep.pixels[..., 0], DEEP)
    np.testing.assert_allclose(deep.levels[..., 0], DEEP / 257, atol=1e-4)


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("channels", [1, 3])
def test_photographs_differ_by_rounding_alone(tmp_path: Path, resize: str, channels: int) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(40, 200, (20, 30, 3)).astype(np.uint8)).save(tmp_path / "a.png")
    shallow, deep = (
        decode_file(tmp_path / "a.png", StorageForm(9, channels, resize, dtype=dtype)) for dtype in ("uint8", "uint16")
    )
    assert deep.levels.shape == shallow.levels.shape
    assert np.abs(deep.levels - shallow.levels).max() < 1.6  # Pillow rounds twice, after rows and after columns
    assert (deep.hash, deep.perceptual_hash) == (shallow.hash, shallow.perceptual_hash)


def test_colours_become_grey_and_grey_colours() -> None:
    colours = np.random.default_rng(0).integers(0, 65536, (8, 8, 3)).astype(np.uint16)
    grey = decode_array(colours, StorageForm(8, 1, "stretch", dtype="uint16")).levels
    np.testing.assert_allclose(grey[..., 0], colours @ [0.299, 0.587, 0.114] / 257, atol=0.01)
    three = decode_array(DEEP[..., None], StorageForm(8, 3, "stretch", dtype="uint16")).pixels
    assert np.array_equal(three, np.repeat(DEEP[..., None], 3, axis=2))


def test_many_bands_keep_their_depth() -> None:
    bands = np.random.default_rng(0).integers(0, 65536, (8, 8, 6)).astype(np.uint16)
    assert np.array_equal(decode_array(bands, StorageForm(8, 6, "stretch", dtype="uint16")).pixels, bands)


def test_what_is_no_number_is_black() -> None:
    values = np.full((8, 8, 1), 0.5, dtype=np.float32)
    values[0, 0] = np.nan
    found = decode_array(values, StorageForm(8, 1, "stretch", range=(0, 1), dtype="float16")).levels
    assert found[0, 0, 0] == 0
    assert found[1, 1, 0] == 127.5


def test_a_mosaic_keeps_levels_between_two() -> None:
    levels = np.full((32, 32, 3), 100.25, dtype=np.float32)
    assert (make_mosaic(levels, Mosaic("dark", 4, 16)) == np.float32(100.25)).all()


def test_a_store_is_read_as_levels_and_copied_as_it_is(tmp_path: Path) -> None:
    form = StorageForm(8, 1, "stretch", dtype="uint16")
    store = create_store(tmp_path / "a.npy", 3, form)
    for row in range(3):
        store.write(row, decode_array((DEEP + row)[..., None], form).pixels)
    copy_rows(store.path, [2, 0], tmp_path / "b.npy")
    images = open_store(tmp_path / "b.npy", 2)
    assert (len(images), images.shape, str(images.dtype)) == (2, (2, 8, 8, 1), "float32")
    np.testing.assert_allclose(images[np.array([1, 0])][..., 0], np.stack([DEEP, DEEP + 2]) / 257, atol=1e-4)
    assert store.count_rows() == 3


def test_transforms_keep_levels_between_two() -> None:
    image = _noise(16, 3)
    transform = ImageTransform(Augmentation(transforms=({"HorizontalFlip": {"p": 1.0}},)))
    transform.check(image)
    np.testing.assert_allclose(transform(image), image[:, ::-1], atol=1e-3)
    batch = np.stack([image, image[::-1]])
    mixed, _ = mix_batch(batch, np.eye(2, dtype=np.float32), Augmentation(mixup=1.0), np.random.default_rng(0))
    assert str(mixed.dtype) == "float32"


@pytest.mark.parametrize(
    ("transform", "share"),
    [
        ({"CoarseDropout": {"fill": 128, "hole_height_range": [0.5, 0.5], "hole_width_range": [0.5, 0.5]}}, 0.2),
        ({"Affine": {"rotate": [45, 45], "fill": 128, "interpolation": 0}}, 0.1),
        ({"Rotate": {"limit": [45, 45], "fill": [128, 128, 128], "interpolation": 0}}, 0.1),
        ({"GridDropout": {"fill": 128}}, 0.2),
        ({"PixelDropout": {"drop_value": 128, "dropout_prob": 0.5}}, 0.4),
    ],
)
def test_a_fill_is_a_grey_level_on_8_bits_and_on_16(transform: dict[str, dict[str, Any]], share: float) -> None:
    ((name, arguments),) = transform.items()
    change = ImageTransform(Augmentation(transforms=({name: arguments | {"p": 1.0}},)))
    results = []
    for dtype in (np.uint8, np.float32):
        image = np.full((16, 16, 3), 50, dtype=dtype)
        change.check(image)
        change.seed(3)
        results.append(change(image))
    whole, deep = results
    assert set(np.unique(whole)) == {50, 128}
    assert (whole == 128).mean() >= share
    np.testing.assert_allclose(deep, whole, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("Equalize", 1),
        ("Equalize", 3),
        ("CLAHE", 1),
        ("AutoContrast", 3),
        ("ImageCompression", 1),
        ("Posterize", 3),
        ("HueSaturationValue", 3),
        ("RandomToneCurve", 1),
        ("MedianBlur", 3),
    ],
)
def test_a_transform_that_rounds_levels_is_refused_for_16_bits_alone(name: str, channels: int) -> None:
    change = ImageTransform(Augmentation(transforms=({"HorizontalFlip": {"p": 1.0}}, {name: {"p": 0.1}})))
    change.check(_noise(16, channels).astype(np.uint8))
    # The image is whole itself, as of a file of 8 bits.
    with pytest.raises(InputError, match=rf"augmentation.transforms \({name}\) works on 8 bits, .*dtype: uint8"):
        change.check(np.rint(_noise(16, channels)))


@pytest.mark.parametrize(
    "transform",
    [
        {"RandomBrightnessContrast": {"brightness_limit": [-1, -1], "contrast_limit": [0, 0]}},  # all black
        {"CoarseDropout": {"fill": 128, "hole_height_range": [1.0, 1.0], "hole_width_range": [1.0, 1.0]}},
        {"GaussianBlur": {}},
        {"Solarize": {}},
        {"Equalize": {"p": 0.0}},
    ],
)
def test_a_transform_that_rounds_nothing_is_taken(transform: dict[str, dict[str, Any]]) -> None:
    ImageTransform(Augmentation(transforms=(transform,))).check(np.rint(_noise(16, 3)))


def test_a_policy_on_levels_between_two_is_refused() -> None:
    transform = ImageTransform(Augmentation.model_validate({"policy": {"name": "trivial_augment"}}))
    with pytest.raises(InputError, match=r"policy works on 8 bits, .*set storage.dtype: uint8"):
        transform.check(_noise())


def test_a_step_of_8_bits_is_refused_and_others_run() -> None:
    image = _noise(16, 3)
    stretched = preprocess_image(image, (HistogramStretch(name="histogram_stretch"),))
    assert str(stretched.dtype) == "float32"
    assert 0 <= stretched.min() < 1 < 254 < stretched.max() <= 255
    with pytest.raises(InputError, match=r"equalize works on 8 bits, .*histogram_stretch"):
        preprocess_image(image, (EqualizeStep(name="equalize"),))
