import io
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline.core import memory
from pipeline.core.errors import InputError
from pipeline.images.decoding import BrokenImageError, decode_file
from pipeline.images.fitting import StorageForm
from pipeline.images.hashing import hash_pixels
from pipeline.images.inspection import inspect_picture

GREY = StorageForm(size=8, channels=1, resize="stretch")
RGB = StorageForm(size=8, channels=3, resize="stretch")
QUADRANTS = np.kron(np.array([[0, 80], [160, 240]], dtype=np.uint8), np.ones((4, 4), dtype=np.uint8))


def _photo(seed: int = 0, size: int = 64) -> Image.Image:
    """A smooth random picture: what a photograph is to a perceptual hash."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def _save(folder: Path, image: Image.Image, name: str = "a.png", **options: Any) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


def _value(folder: Path, image: Image.Image, form: StorageForm, name: str = "a.png") -> list[int]:
    """The colour of an image of one colour."""
    pixels = decode_file(_save(folder, image, name), form).pixels
    colours: NDArray[np.uint8] = np.unique(pixels.reshape(-1, form.channels), axis=0)
    assert len(colours) == 1
    return [int(value) for value in colours[0]]


def test_pixels_of_the_storage_size_come_through_unchanged(tmp_path: Path) -> None:
    stored = decode_file(_save(tmp_path, Image.fromarray(QUADRANTS)), GREY)
    assert stored.pixels.shape == (8, 8, 1)
    assert np.array_equal(stored.pixels[:, :, 0], QUADRANTS)


def test_width_and_height_are_the_originals(tmp_path: Path) -> None:
    stored = decode_file(_save(tmp_path, Image.new("RGB", (30, 20), "red")), RGB)
    assert (stored.width, stored.height) == (30, 20)


@pytest.mark.parametrize(("orientation", "turns"), [(3, 2), (6, 3), (8, 1)])
def test_the_exif_orientation_is_applied(tmp_path: Path, orientation: int, turns: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = decode_file(_save(tmp_path, Image.fromarray(QUADRANTS), exif=exif.tobytes()), GREY)
    assert np.array_equal(stored.pixels[:, :, 0], np.rot90(QUADRANTS, turns))


def test_a_damaged_exif_block_is_ignored(tmp_path: Path) -> None:
    path = _save(tmp_path, _photo(), "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\xff\xff")
    assert decode_file(path, RGB).pixels.shape == (8, 8, 3)


def test_a_picture_is_not_called_broken_while_there_is_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _save(tmp_path, _photo())
    path.write_bytes(path.read_bytes()[:400])
    monkeypatch.setattr(memory, "_ROOM", 2**62)  # more than any machine gives
    with pytest.raises(InputError, match=r"a.png: memory ran out while it was decoded; lower prepare.workers"):
        decode_file(path, RGB)


def test_a_picture_whose_header_asks_for_too_much_is_broken_while_there_is_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("out of memory when reading image file")  # as Pillow says it for its codecs

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", refuse)
    path = _save(tmp_path, _photo())
    with pytest.raises(BrokenImageError, match="out of memory when reading image file"):
        decode_file(path, RGB)
    monkeypatch.setattr(memory, "_ROOM", 2**62)
    with pytest.raises(InputError, match=r"a.png: memory ran out while it was decoded"):
        decode_file(path, RGB)


def test_a_picture_is_not_left_unturned_for_want_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(image: Image.Image, in_place: bool) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageOps, "exif_transpose", refuse)
    path = _save(tmp_path, _photo(), "a.jpg")
    assert decode_file(path, RGB).pixels.shape == (8, 8, 3)  # a damaged block, which may ask for any amount
    monkeypatch.setattr(memory, "_ROOM", 2**62)
    with pytest.raises(InputError, match=r"a.jpg: memory ran out while it was decoded"):
        decode_file(path, RGB)


def test_a_look_at_a_picture_does_not_call_it_broken_while_there_is_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = _save(tmp_path, _photo()).read_bytes()[:60]
    with pytest.raises(BrokenImageError):
        inspect_picture(content)
    monkeypatch.setattr(memory, "_ROOM", 2**62)
    with pytest.raises(OSError, match=r"."):
        inspect_picture(content)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_over_white(tmp_path: Path, mode: str) -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0)).convert(mode)
    assert _value(tmp_path, clear, RGB) == [255, 255, 255]


def test_a_transparent_palette_colour_is_laid_over_white(tmp_path: Path) -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    path = _save(tmp_path, image, transparency=0)
    assert decode_file(path, RGB).pixels.min() == 255


def test_a_palette_gives_its_colours(tmp_path: Path) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 250, 10, 20])
    assert _value(tmp_path, image, RGB) == [250, 10, 20]


@pytest.mark.parametrize(("deep", "wanted"), [(0, 0), (65535, 255), (128 * 257, 128)])
def test_16_bits_are_scaled_to_8(tmp_path: Path, deep: int, wanted: int) -> None:
    image = Image.fromarray(np.full((8, 8), deep, dtype=np.uint16))
    assert _value(tmp_path, image, GREY) == [wanted]
    assert _value(tmp_path, image, RGB, "a.tif") == [wanted] * 3


def test_floating_point_from_0_to_1_is_scaled(tmp_path: Path) -> None:
    image = Image.fromarray(np.full((8, 8), 0.5, dtype=np.float32))
    assert _value(tmp_path, image, GREY, "a.tif") == [128]


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    pixels = decode_file(_save(tmp_path, red, "a.jpg", quality=100), RGB).pixels
    assert np.abs(pixels.astype(int) - [255, 0, 0]).max() < 12


def test_one_bit_becomes_black_and_white(tmp_path: Path) -> None:
    assert _value(tmp_path, Image.new("1", (8, 8), 1), GREY) == [255]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_the_first_frame_of_an_animation_counts(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("white", "black")]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    assert decode_file(path, GREY).pixels.min() == 255


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff\xe0"])
def test_what_is_no_image_is_broken(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(BrokenImageError):
        decode_file(path, RGB)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "tif", "bmp"])
def test_a_truncated_file_is_broken(tmp_path: Path, suffix: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path = _save(tmp_path, noise, f"a.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BrokenImageError):
        decode_file(path, RGB)


def test_random_damage_either_reads_or_is_broken(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "a"
    for suffix in ("png", "jpeg", "gif", "webp", "tiff", "bmp"):
        buffer = io.BytesIO()
        _photo().save(buffer, suffix)
        for _ in range(60):
            damaged = bytearray(buffer.getvalue())
            for place in rng.integers(0, len(damaged), 4):
                damaged[place] = rng.integers(0, 256)
            path.write_bytes(damaged)
            # Anything but an image or this one error would end the test.
            with suppress(BrokenImageError):
                assert decode_file(path, RGB).pixels.shape == (8, 8, 3)


def test_a_decompression_bomb_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _save(tmp_path, _photo())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(BrokenImageError, match="decompression bomb"):
        decode_file(path, RGB)


def _striped(width: int, height: int) -> Image.Image:
    """Black, white, black thirds along the longer side."""
    pixels = np.zeros((height, width), dtype=np.uint8)
    if width > height:
        pixels[:, width // 3 : width - width // 3] = 255
    else:
        pixels[height // 3 : height - height // 3] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", [(48, 16), (16, 48)])
def test_crop_keeps_the_middle_of_the_longer_side(tmp_path: Path, size: tuple[int, int]) -> None:
    stored = decode_file(_save(tmp_path, _striped(*size)), StorageForm(size=8, channels=1, resize="crop"))
    assert stored.pixels.min() > 200


def test_pad_fills_the_shorter_side_with_black(tmp_path: Path) -> None:
    stored = decode_file(
        _save(tmp_path, Image.new("RGB", (40, 20), "white")), StorageForm(size=8, channels=3, resize="pad")
    )
    rows = stored.pixels[:, :, 0].mean(axis=1)
    assert rows.tolist() == [0, 0, 255, 255, 255, 255, 0, 0]


def test_stretch_ignores_the_shape(tmp_path: Path) -> None:
    stored = decode_file(_save(tmp_path, _striped(48, 16)), GREY)
    assert stored.pixels[:, 0].max() < 60
    assert stored.pixels[:, 4].min() > 200


def test_shrinking_averages_over_all_pixels(tmp_path: Path) -> None:
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    stored = decode_file(_save(tmp_path, Image.fromarray(board.astype(np.uint8))), GREY)
    assert np.abs(stored.pixels.astype(int) - 128).max() <= 2


def test_a_lossless_copy_has_the_same_content_hash(tmp_path: Path) -> None:
    png, bmp = _save(tmp_path, _photo(), "a.png"), _save(tmp_path, _photo(), "b.bmp")
    assert decode_file(png, RGB).hash == decode_file(bmp, RGB).hash


def test_one_changed_pixel_changes_the_content_hash(tmp_path: Path) -> None:
    changed = _photo()
    changed.putpixel((3, 3), (1, 2, 3))
    assert (
        decode_file(_save(tmp_path, _photo(), "a.png"), RGB).hash
        != decode_file(_save(tmp_path, changed, "b.png"), RGB).hash
    )


def test_most_photographs_keep_their_perceptual_hash_when_re_encoded_and_resized(tmp_path: Path) -> None:
    kept = 0
    for seed in range(30):
        photo = _photo(seed)
        original = decode_file(_save(tmp_path, photo, "a.png"), RGB)
        jpeg = decode_file(_save(tmp_path, photo, "a.jpg", quality=95), RGB)
        larger = decode_file(_save(tmp_path, photo.resize((96, 96), Image.Resampling.BICUBIC), "b.png"), RGB)
        assert original.hash != jpeg.hash
        kept += original.perceptual_hash == jpeg.perceptual_hash == larger.perceptual_hash
    assert kept >= 15


@pytest.mark.parametrize("size", [8, 16, 32])
def test_different_small_images_have_different_perceptual_hashes(tmp_path: Path, size: int) -> None:
    hashes = {decode_file(_save(tmp_path, _photo(seed, size)), RGB).perceptual_hash for seed in range(200)}
    assert len(hashes) == 200


def test_plain_colours_are_no_near_duplicates_of_each_other(tmp_path: Path) -> None:
    colours = ("red", "green", "blue", "black", "white")
    hashes = {
        decode_file(_save(tmp_path, Image.new("RGB", (16, 16), colour)), RGB).perceptual_hash for colour in colours
    }
    assert len(hashes) == len(colours)


@pytest.mark.parametrize("suffix", ["png", "gif", "webp", "tiff", "bmp", "avif", "jp2", "ppm", "qoi"])
def test_the_content_decides_whatever_the_name_says(tmp_path: Path, suffix: str) -> None:
    path = _save(tmp_path, _photo(), f"a.{suffix}")
    plain = decode_file(path, RGB)
    assert decode_file(path.rename(tmp_path / "a.jpg"), RGB).hash == plain.hash


def test_no_other_program_is_started_for_a_drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    _photo().convert("RGB").save(path, "EPS")
    monkeypatch.setattr("subprocess.Popen", None)
    with pytest.raises(BrokenImageError, match="EPS drawing, which only another program could paint"):
        decode_file(path, RGB)


def test_a_jpeg_without_its_last_bytes_is_kept_and_one_without_its_half_is_not(tmp_path: Path) -> None:
    path = _save(tmp_path, _photo(), "a.jpg", quality=95)
    content, whole = path.read_bytes(), decode_file(path, RGB)
    path.write_bytes(content[:-2])
    cut = decode_file(path, RGB)
    assert np.array_equal(cut.pixels, whole.pixels)
    assert 0 < cut.lost < 0.001
    assert whole.lost == 0
    path.write_bytes(content[: len(content) * 3 // 5])
    with pytest.raises(BrokenImageError, match=r"cut off: \d+% of its rows are missing"):
        decode_file(path, RGB)


def test_want_of_memory_is_no_broken_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhaust(*_: object) -> None:
        raise MemoryError

    path = _save(tmp_path, _photo())
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", exhaust)
    with pytest.raises(InputError, match=r"memory ran out .* lower prepare.workers"):
        decode_file(path, RGB)


def test_a_large_jpeg_file_is_decoded_at_a_fraction_and_looks_as_from_the_whole(tmp_path: Path) -> None:
    form = StorageForm(size=64, channels=3, resize="crop")
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = _photo(1, 64).resize((1200, 1000), Image.Resampling.BICUBIC)
    path = _save(tmp_path, photo, "a.jpg", quality=90, exif=exif.tobytes())
    stored = decode_file(path, form)
    whole = ImageOps.exif_transpose(Image.open(path))
    wanted = np.asarray(ImageOps.fit(whole, (64, 64), Image.Resampling.BICUBIC)).astype(int)
    assert (stored.width, stored.height) == (1000, 1200)
    assert stored.hash != hash_pixels(np.asarray(whole))
    assert np.abs(stored.pixels - wanted).mean() < 0.7


def test_a_large_jpeg_file_with_other_metadata_is_the_same_picture(tmp_path: Path) -> None:
    path = _save(tmp_path, _photo(1, 1100), "a.jpg")
    other = tmp_path / "b.jpg"
    other.write_bytes(path.read_bytes()[:2] + b"\xff\xfe\x00\x05abc" + path.read_bytes()[2:])
    assert decode_file(path, RGB).hash == decode_file(other, RGB).hash


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_picture_below_twice_the_smallest_scale_is_decoded_whole(tmp_path: Path, name: str) -> None:
    path = _save(tmp_path, _photo(1, 500), name)
    assert decode_file(path, RGB).hash == hash_pixels(np.asarray(Image.open(path)))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_image_is_decoded_alike_without_its_hashes(tmp_path: Path, channels: int) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    Image.fromarray(levels[..., :channels].squeeze()).save(tmp_path / "a.png")
    form = StorageForm(12, channels, "crop")
    hashed, bare = (decode_file(tmp_path / "a.png", replace(form, hashed=asked)) for asked in (True, False))
    np.testing.assert_array_equal(bare.pixels, hashed.pixels)
    assert (bare.width, bare.height, bare.hash, bare.perceptual_hash) == (30, 20, "", "")
    assert hashed.hash
    assert hashed.perceptual_hash
