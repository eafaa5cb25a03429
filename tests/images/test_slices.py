from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.dicom import write_dicom

from pipeline.core.storage import Storage
from pipeline.images.decoding import BrokenImageError, decode_file
from pipeline.images.fitting import StorageForm
from pipeline.images.slices import are_numbered, choose_slices, decode_slices

MIDDLE = StorageForm(8, 1, "stretch", slices="middle")


def _write(folder: Path, count: int) -> list[Path]:
    """Writes grey slices, the n-th of level 10 n."""
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.fromarray(np.full((8, 8), 10 * number, dtype=np.uint8)).save(path)
    return paths


@pytest.mark.parametrize(("kind", "channels", "wanted"), [("middle", 1, [5]), ("spread", 3, [1, 5, 9])])
def test_slices_are_spread_over_the_folder_in_the_order_of_their_numbers(
    kind: str, channels: int, wanted: list[int]
) -> None:
    files = [f"case/img{number}.png" for number in range(11)]
    form = StorageForm(8, channels, "stretch", slices=kind)  # type: ignore[arg-type]
    assert choose_slices(sorted(files), form, Path()) == tuple(files[number] for number in wanted)


def test_too_few_slices_are_taken_again() -> None:
    form = StorageForm(8, 5, "stretch", slices="spread")
    assert choose_slices(["1.png", "2.png"], form, Path()) == ("1.png", "1.png", "2.png", "2.png", "2.png")


def test_headers_tell_the_order_of_dicom_files_with_other_names(tmp_path: Path) -> None:
    flat = np.zeros((4, 4), dtype=np.uint16)
    for name, number in (("c8f3", 1), ("01ab", 2), ("77aa", 3)):
        write_dicom(tmp_path / f"{name}.dcm", flat, InstanceNumber=number)
    form = StorageForm(8, 3, "stretch", slices="spread")
    chosen = choose_slices(["01ab.dcm", "77aa.dcm", "c8f3.dcm"], form, tmp_path)
    assert chosen == ("c8f3.dcm", "01ab.dcm", "77aa.dcm")


def test_names_are_numbered_where_they_are_one_word_and_a_number() -> None:
    assert are_numbered(["a/Image-1.dcm", "a/Image-20.dcm"])
    assert not are_numbered(["a/red1.png", "a/blue2.png"])
    assert not are_numbered(["a/1.2.840.113619.1.dcm", "a/1.2.840.113619.2.dcm"])


def test_slices_become_channels_a_mean_or_a_mosaic(tmp_path: Path) -> None:
    paths = _write(tmp_path, 4)
    channels = decode_slices(paths, StorageForm(8, 4, "stretch", slices="spread"))
    assert channels.pixels[3, 5].tolist() == [0, 10, 20, 30]
    mean = decode_slices(paths, StorageForm(8, 1, "stretch", slices="mean", slice_count=4))
    assert (mean.pixels == 15).all()
    mosaic = decode_slices(paths, StorageForm(8, 1, "stretch", slices="mosaic", slice_count=4)).pixels[..., 0]
    assert (mosaic[0, 0], mosaic[0, 7], mosaic[7, 0], mosaic[7, 7]) == (0, 10, 20, 30)
    assert (mean.width, mean.height) == (8, 8)
    assert len({channels.hash, decode_slices(paths[:3], StorageForm(8, 3, "stretch", slices="spread")).hash}) == 2


def test_one_file_is_refused_where_slices_make_an_image(tmp_path: Path) -> None:
    (path,) = _write(tmp_path, 1)
    assert decode_file(path, MIDDLE).pixels.shape == (8, 8, 1)
    with pytest.raises(BrokenImageError, match=r"storage.slices \(mean\) makes an image of a folder"):
        decode_file(path, StorageForm(8, 1, "stretch", slices="mean"))


def test_a_mosaic_fills_the_stored_size_and_goes_with_nothing_else() -> None:
    with pytest.raises(ValueError, match=r"16 slices is 4 wide, and size 30 is no multiple .*set size: 28"):
        Storage(size=30, slices="mosaic")
    with pytest.raises(ValueError, match="slices goes with neither level, tiles nor bands"):
        Storage(size=32, slices="mean", level=1)


def test_a_broken_slice_is_named(tmp_path: Path) -> None:
    paths = _write(tmp_path, 4)
    paths[2].write_bytes(b"xx")
    with pytest.raises(BrokenImageError, match=rf"^{tmp_path.name}/2.png: "):
        decode_slices(paths, StorageForm(8, 1, "stretch", slices="mean"))


def test_slices_make_the_same_image_without_hashes(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        Image.fromarray(np.full((8, 8), 40 * number, dtype=np.uint8)).save(path)
    form = StorageForm(8, 1, "crop", slices="mosaic", slice_count=4)
    hashed, bare = (decode_slices(paths, replace(form, hashed=asked)) for asked in (True, False))
    np.testing.assert_array_equal(bare.pixels, hashed.pixels)
    assert (bool(hashed.hash), bare.hash, bare.perceptual_hash) == (True, "", "")
