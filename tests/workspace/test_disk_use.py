"""Disk use: sizes of places, and freeing what is made again."""

from pathlib import Path

from pipeline.workspace.disk_use import free_space, measure_places


def write(path: Path, size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def test_finished_trainings_and_caches_can_go_and_unfinished_ones_stay(tmp_path: Path) -> None:
    train = tmp_path / ".work" / "train" / "one-abc"
    write(train / "fold0" / "done.json", 10)
    write(train / "fold0" / "checkpoint.head.npz", 30)
    write(train / "backbone-1.npz", 60)  # which finished folds share
    state = write(train / "fold1" / "state.npz", 50)
    write(tmp_path / ".work" / "features" / "f.npy", 30)
    study = write(tmp_path / ".work" / "tune" / "study.log", 5)
    oof = write(tmp_path / "folds" / "predictions" / "one" / "oof.parquet", 400)
    places = [(str(place.path), place.bytes, place.freeable) for place in measure_places(tmp_path)]
    assert places == [("folds", 400, 0), (".work/train", 150, 100), (".work/features", 30, 30), (".work/tune", 5, 0)]
    assert free_space(tmp_path) == 130
    assert state.is_file()
    assert study.is_file()
    assert oof.is_file()
    assert [place.freeable for place in measure_places(tmp_path)] == [0, 0, 0]
