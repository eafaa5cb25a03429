import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from pipeline.core.errors import InputError
from pipeline.images import store, store_filling
from pipeline.images.fitting import StorageForm

FORM = StorageForm(size=8, channels=3, resize="stretch")


def _images(folder: Path, count: int) -> list[str]:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    for row in range(count):
        Image.fromarray(pixels[row]).save(folder / f"{row}.png")
    return [f"{row}.png" for row in range(count)]


def _fill(folder: Path, names: list[str], workers: int | None = 1) -> tuple[np.ndarray, list[store.ImageFacts]]:
    target = store.create_store(folder / f"{workers}.npy", len(names), FORM)
    facts = store_filling.fill_store(target, folder, [(name,) for name in names], FORM, workers)
    return np.array(store.open_store(target.path)), facts


def test_row_i_is_image_i(tmp_path: Path) -> None:
    names = _images(tmp_path, 10)
    images, facts = _fill(tmp_path, names)
    for name, row in zip(names, images, strict=True):
        with Image.open(tmp_path / name) as image:
            assert np.array_equal(np.asarray(image), row)
    assert [(image.width, image.height) for image in facts] == [(8, 8)] * 10


@pytest.mark.slow
def test_more_processes_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_filling, "_CHUNK", 7)
    names = _images(tmp_path, 100)
    (tmp_path / "50.png").write_bytes(b"")
    alone, seen_alone = _fill(tmp_path, names, workers=1)
    together, seen_together = _fill(tmp_path, names, workers=2)
    assert np.array_equal(alone, together)
    assert seen_alone == seen_together


def test_a_broken_file_leaves_a_black_row_and_says_why(tmp_path: Path) -> None:
    names = _images(tmp_path, 3)
    (tmp_path / "1.png").write_bytes(b"")
    images, facts = _fill(tmp_path, names)
    assert [image.broken for image in facts] == ["", "empty file", ""]
    assert images[1].max() == 0
    assert images[2].max() > 0


def test_the_store_opens_as_a_memory_map(tmp_path: Path) -> None:
    store.create_store(tmp_path / "a.npy", 5, FORM)
    images = store.open_store(tmp_path / "a.npy")
    assert isinstance(images, np.memmap)
    assert (images.shape, images.dtype) == ((5, 8, 8, 3), np.uint8)


def test_a_missing_store_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run `dvc repro prepare`"):
        store.open_store(tmp_path / "a.npy")


@pytest.mark.parametrize("damage", [lambda whole: whole[:-1], lambda whole: whole[:20], lambda whole: b"", bytes.lower])
def test_a_damaged_store_says_what_to_run(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = store.create_store(tmp_path / "a.npy", 5, FORM).path
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"a\.npy is damaged .*run `dvc repro -f prepare`"):
        store.open_store(path)


def test_a_store_of_another_index_says_what_to_run(tmp_path: Path) -> None:
    store.create_store(tmp_path / "a.npy", 5, FORM)
    with pytest.raises(InputError, match="holds 5 images, its index 4 rows; run `dvc repro -f prepare`"):
        store.open_store(tmp_path / "a.npy", 4)


def test_some_rows_are_kept_in_their_order(tmp_path: Path) -> None:
    names = _images(tmp_path, 5)
    images, _ = _fill(tmp_path, names)
    store.copy_rows(tmp_path / "1.npy", [0, 2, 4], tmp_path / "kept.npy")
    assert np.array_equal(store.open_store(tmp_path / "kept.npy"), images[[0, 2, 4]])


def test_a_full_disk_is_noticed_before_a_byte_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    with pytest.raises(InputError, match=r"the disk has 1\.0 MB free; free some space or lower storage\.size"):
        store.create_store(tmp_path / "a.npy", 100_000, FORM)
    assert not (tmp_path / "a.npy").exists()


@pytest.mark.slow
def test_every_core_works_where_there_is_enough_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = _images(tmp_path, 6)
    monkeypatch.setattr(store_filling, "_CHUNK", 2)
    monkeypatch.setattr(store_filling, "_WORTH_A_PROCESS", 1)
    images, facts = _fill(tmp_path, names, workers=None)
    assert (len(facts), images.min(axis=(1, 2, 3)).shape) == (6, (6,))
    assert images.reshape(6, -1).max(axis=1).min() > 0


_MAIN = """
import sys
from collections.abc import Callable
from pathlib import Path
from pipeline.images import store, store_filling
from pipeline.images.fitting import StorageForm

if __name__ == "__main__":
    folder, form = Path(sys.argv[1]), StorageForm(8, 3, "stretch")
    store_filling._CHUNK = 1
    names = ["0.png"] * 100_000
    target = store.create_store(folder / "a.npy", len(names), form)
    store_filling.fill_store(target, folder, [(name,) for name in names], form, 2)
"""


def test_no_worker_outlives_a_killed_parent(tmp_path: Path) -> None:
    _images(tmp_path, 1)
    (tmp_path / "main.py").write_text(_MAIN)
    environment = {**os.environ, "PYTHONPATH": str(Path(store.__file__).parents[2])}
    with subprocess.Popen([sys.executable, tmp_path / "main.py", tmp_path], env=environment) as parent:
        tree = psutil.Process(parent.pid)
        deadline = time.monotonic() + 60
        while len(workers := tree.children()) < 3 or not _has_written(tmp_path / "a.npy"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        parent.kill()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []


def _has_written(path: Path) -> bool:
    return path.is_file() and store.open_store(path)[0].max() > 0


@pytest.mark.parametrize("other", [StorageForm(8, 3, "stretch", dtype="uint16"), StorageForm(8, 1, "stretch")])
def test_stores_that_differ_are_not_joined(tmp_path: Path, other: StorageForm) -> None:
    paths = [store.create_store(tmp_path / f"{n}.npy", 2, form).path for n, form in enumerate((FORM, other))]
    with pytest.raises(InputError, match=r"1\.npy holds uint\d+ \(8, 8, \d\), .*0\.npy uint8 \(8, 8, 3\)"):
        store.join_stores(paths, [[0], [1]], tmp_path / "joined.npy")
    assert not (tmp_path / "joined.npy").exists()
