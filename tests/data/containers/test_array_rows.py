from pathlib import Path

import numpy as np
import pytest
from support.packers import hdf5, npy, npz, png

from pipeline.core.errors import InputError
from pipeline.data.containers.array_rows import iterate_hdf5, iterate_numpy, list_single_pictures

GREY = np.arange(3 * 8 * 8, dtype="uint8").reshape(3, 8, 8)


def _write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_a_data_set_per_id_is_one_image(tmp_path: Path) -> None:
    content = png(GREY[0])
    path = _write(tmp_path, "a.hdf5", hdf5({"ISIC_2": content, "ISIC_10": np.frombuffer(content, "uint8")}))
    assert list(iterate_hdf5(path, None)) == [
        {"name": "ISIC_2", "image": content},
        {"name": "ISIC_10", "image": content},
    ]
    assert list(iterate_hdf5(path, ["name"])) == [{"name": "ISIC_2"}, {"name": "ISIC_10"}]


def test_three_colour_images_with_a_data_set_each_are_no_stack(tmp_path: Path) -> None:
    path = _write(tmp_path, "a.h5", hdf5({name: np.zeros((8, 8, 3), "uint8") for name in "abc"}))
    assert [row["name"] for row in iterate_hdf5(path, ["name"])] == ["a", "b", "c"]


@pytest.mark.parametrize("kind", ["h5", "npz"])
def test_arrays_are_read_row_by_row(tmp_path: Path, kind: str) -> None:
    arrays = {"images": GREY, "labels": np.array([4, 5, 6])}
    path = _write(tmp_path, f"a.{kind}", hdf5(arrays) if kind == "h5" else npz(arrays))
    rows = list((iterate_hdf5 if kind == "h5" else iterate_numpy)(path, None))
    assert [(row["row"], row["labels"]) for row in rows] == [(0, 4), (1, 5), (2, 6)]
    assert all(np.array_equal(np.asarray(row["images"]), image) for row, image in zip(rows, GREY, strict=True))


def test_one_array_is_the_column_value(tmp_path: Path) -> None:
    rows = list(iterate_numpy(_write(tmp_path, "y.npy", npy(np.array([7, 8]))), None))
    assert rows == [{"row": 0, "value": 7}, {"row": 1, "value": 8}]


def test_arrays_of_several_lengths_are_named(tmp_path: Path) -> None:
    path = _write(tmp_path, "a.npz", npz({"images": GREY, "labels": np.array([1, 2])}))
    with pytest.raises(InputError, match="several lengths: images 3, labels 2"):
        list(iterate_numpy(path, None))


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pickled objects"):
        list(iterate_numpy(_write(tmp_path, "a.npy", npy(np.array([{"a": 1}], dtype=object))), None))


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.npy", npy(GREY)[:-5]), ("a.npz", npz({"a": GREY})[:-30]), ("a.h5", hdf5({"a": GREY})[:-600]), ("a.h5", b"no")],
)
def test_damage_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = _write(tmp_path, name, content)
    with pytest.raises(InputError, match=f"{name} is no whole"):
        list((iterate_hdf5 if name.endswith("h5") else iterate_numpy)(path, None))


@pytest.mark.parametrize("form", ["images/{}", "{}/image", "train/{}/png", "{}"])
def test_an_entry_is_called_without_the_folders_of_all(tmp_path: Path, form: str) -> None:
    path = _write(tmp_path, "a.h5", hdf5({form.format(name): np.zeros((8, 8, 3), "uint8") for name in ("a1", "b1")}))
    assert [row["name"] for row in iterate_hdf5(path, ["name"])] == ["a1", "b1"]
    both = _write(tmp_path, "b.h5", hdf5({f"x/{name}/c": np.zeros((8, 8), "uint8") for name in ("p/1", "q/2")}))
    assert [row["name"] for row in iterate_hdf5(both, ["name"])] == ["p/1", "q/2"]


def test_images_with_channels_first_are_entries_of_their_own(tmp_path: Path) -> None:
    path = _write(tmp_path, "a.npz", npz({name: np.zeros((3, 8, 8), "uint8") for name in "ab"}))
    assert [row["name"] for row in iterate_numpy(path, ["name"])] == ["a", "b"]


def test_files_of_one_picture_each_are_told_from_sets() -> None:
    files = {f"train/{name}.npy": npy(GREY[0]) for name in "abc"}
    files |= {"x_train.npy": npy(GREY), "y_train.npy": npy(np.arange(3)), "x_test.npy": npy(GREY[:2]), "t/1.npy": b""}
    assert list_single_pictures(list(files), lambda path: files[path][:512]) == [f"train/{name}.npy" for name in "abc"]
    sets = {f"{name}.npy": npy(np.zeros((20, 8, 8), "uint8")) for name in ("train", "valid", "test")}
    assert list_single_pictures(list(sets), lambda path: sets[path][:512]) == []
    names = [f"{part}/{k % 3}/{k}/{part}{k}.npy" for part, count in (("train", 8), ("test", 2)) for k in range(count)]
    nested = {name: npy(GREY[0]) for name in names}
    assert list_single_pictures(names, lambda path: nested[path][:512]) == names
    assert list_single_pictures(names[1:], lambda path: nested[path][:512]) == []
    bands = {f"{name}.npy": npy(np.zeros((8, 9, 5), "uint8")) for name in "abc"}
    assert list_single_pictures(list(bands), lambda path: bands[path][:512]) == list(bands)
