"""Fold assignment and the split stage."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from support.fabricated import LABELS, TRAIN, competition, index, write_params, write_repository

from pipeline.core import files, paths, tables
from pipeline.core.errors import InputError
from pipeline.core.tables import TRAINING_ONLY, check_folds
from pipeline.data.prepared.folds import assign_folds, make_fold_table
from pipeline.stages import split

NAMES = ("ant", "bee", "cat")


def grouped(rows: int = 300, groups: int = 90, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    return random.integers(0, 3, rows), random.integers(0, groups, rows)


def table_of(ids: Sequence[str], seed: int = 0, **columns: Sequence[str]) -> pd.DataFrame:
    labels = [int(name) % 3 for name in ids]
    return make_fold_table(index(ids, labels, **columns), NAMES, 4, seed, group_duplicates=True)


def repository(root: Path) -> Path:
    """Writes a fabricated repository with images of which none is another's mirror image."""
    write_repository(root)
    images = np.random.default_rng(0).integers(0, 256, (TRAIN, 8, 8, 3), dtype=np.uint8)
    np.save(root / "data" / "prepared" / "train_images.npy", images)
    return root


def test_folds_cover_every_row_and_do_not_overlap() -> None:
    labels = np.arange(100) % 3
    fold = assign_folds(labels, np.arange(100), 5, 0, NAMES)
    assert np.bincount(fold).tolist() == [20] * 5


def test_every_fold_holds_each_class_in_proportion() -> None:
    labels = np.repeat([0, 1, 2], [100, 50, 10])
    fold = assign_folds(labels, np.arange(160), 5, 0, NAMES)
    assert pd.crosstab(fold, labels).to_numpy().tolist() == [[20, 10, 2]] * 5


@pytest.mark.parametrize("seed", range(5))
def test_groups_do_not_leak(seed: int) -> None:
    labels, groups = grouped(seed=seed)
    fold = assign_folds(labels, groups, 5, seed, NAMES)
    assert pd.Series(fold).groupby(groups).nunique().max() == 1
    assert (pd.crosstab(fold, labels).to_numpy() > 0).all()


def test_the_seed_decides_the_split() -> None:
    for labels, groups in [grouped(), (np.arange(90) % 3, np.arange(90))]:
        first = assign_folds(labels, groups, 5, 1, NAMES)
        assert (first == assign_folds(labels, groups, 5, 1, NAMES)).all()
        assert (first != assign_folds(labels, groups, 5, 2, NAMES)).any()


def test_the_order_of_the_rows_changes_nothing() -> None:
    ids = [str(number) for number in range(120)]
    shuffled = np.random.default_rng(0).permutation(ids).tolist()
    pd.testing.assert_frame_equal(table_of(shuffled), table_of(ids))
    doubles = {name: str(int(name) // 2) for name in ids}
    pd.testing.assert_frame_equal(
        table_of(shuffled, hashes=[doubles[name] for name in shuffled]),
        table_of(ids, hashes=[doubles[name] for name in ids]),
    )


def test_ids_that_are_equal_as_numbers_still_have_one_order() -> None:
    ids = [f"{zeros}{number}" for number in range(30) for zeros in ("", "0", "00")]
    pd.testing.assert_frame_equal(table_of(ids[::-1]), table_of(ids))


def test_the_fold_table_is_in_natural_order() -> None:
    assert table_of([str(number) for number in range(40)][::-1])["id"].tolist() == [str(n) for n in range(40)]


def test_renaming_labels_changes_nothing() -> None:
    labels, groups = grouped()
    renamed = assign_folds(labels, groups, 5, 0, ("x", "y", "z"))
    assert (renamed == assign_folds(labels, groups, 5, 0, NAMES)).all()


def test_renaming_groups_changes_nothing() -> None:
    ids = [str(number) for number in range(120)]
    patients = [f"patient {int(name) % 40}" for name in ids]
    renamed = [f"{97 - int(name) % 40}" for name in ids]
    pd.testing.assert_frame_equal(table_of(ids, groups=patients), table_of(ids, groups=renamed))


@pytest.mark.parametrize("column", ["groups", "hashes", "perceptual"])
def test_images_that_belong_together_share_a_fold(column: str) -> None:
    ids = [str(number) for number in range(120)]
    together = [str(int(name) // 3) for name in ids]
    labels = [int(name) % 3 for name in ids]
    table = make_fold_table(index(ids, labels, **{column: together}), NAMES, 4, 0, group_duplicates=True)
    assert table["fold"].groupby(np.arange(120) // 3).nunique().max() == 1
    assert table["group"].nunique() == 40


def test_duplicates_may_part_when_params_say_so_but_user_groups_never() -> None:
    ids = [str(number) for number in range(120)]
    together = [str(int(name) // 3) for name in ids]
    labels = [int(name) % 3 for name in ids]
    parted = make_fold_table(index(ids, labels, hashes=together), NAMES, 4, 0, group_duplicates=False)
    assert parted["group"].nunique() == 120
    kept = make_fold_table(index(ids, labels, groups=together), NAMES, 4, 0, group_duplicates=False)
    assert kept["fold"].groupby(np.arange(120) // 3).nunique().max() == 1


def test_a_class_with_fewer_images_than_folds_names_what_would_work() -> None:
    labels = np.repeat([0, 1, 2], [50, 3, 50])
    with pytest.raises(InputError, match=r"class 'bee' has 3 images, fewer than n_splits=5; the largest.*works is 3$"):
        assign_folds(labels, np.arange(103), 5, 0, NAMES)


def test_the_split_that_the_error_recommends_works() -> None:
    labels = np.repeat([0, 1, 2], [50, 3, 50])
    assert assign_folds(labels, np.arange(103), 3, 0, NAMES).max() == 2


def test_a_class_in_fewer_groups_than_folds_is_refused() -> None:
    labels = np.repeat([0, 1, 2], [50, 20, 50])
    groups = np.where(labels == 1, 1000 + np.arange(120) % 4, np.arange(120))
    with pytest.raises(InputError, match=r"class 'bee' has 20 images in 4 groups, fewer than n_splits=5; .*works is 4"):
        assign_folds(labels, groups, 5, 0, NAMES)


def test_a_class_with_one_image_cannot_be_split_at_all() -> None:
    labels = np.repeat([0, 1, 2], [50, 1, 1])
    with pytest.raises(
        InputError, match=r"'bee' has 1 images.*\(2 classes have fewer than 5\); no split.n_splits works"
    ):
        assign_folds(labels, np.arange(52), 5, 0, NAMES)


def test_a_class_without_images_is_refused() -> None:
    with pytest.raises(InputError, match="class 'cat' has 0 images"):
        assign_folds(np.arange(20) % 2, np.arange(20), 5, 0, NAMES)


def test_a_single_class_is_refused() -> None:
    with pytest.raises(InputError, match="every image is of the class 'ant'"):
        assign_folds(np.zeros(20, dtype=np.int64), np.arange(20), 5, 0, ("ant",))


def test_groups_that_no_assignment_can_stratify_are_refused() -> None:
    # Class 1 and class 2 each have two groups, but one of them is shared: fold 0 or 1 always lacks one.
    labels = np.array([0] * 20 + [1, 2] + [1, 2])
    groups = np.array([*range(20), 20, 20, 20, 20])
    groups[[2, 3]] = 20
    labels[[2, 3]] = 0
    with pytest.raises(InputError, match=r"class 'bee' has 2 images in 1 groups"):
        assign_folds(labels, groups, 2, 0, NAMES)
    crossed = np.array([0, 1, 1, 2, 2, 0])
    groups = np.array([0, 0, 1, 1, 2, 2])
    proof = "no way to put 'ant', 'bee', 'cat' into each of 2 folds exists, as they are in 3 groups together; "
    with pytest.raises(InputError, match=f"{proof}no split.n_splits works: add images of these classes in groups"):
        assign_folds(crossed, groups, 2, 0, NAMES)
    with pytest.raises(InputError, match=f"{proof}split.group_duplicates: false .* parts duplicates"):
        assign_folds(crossed, groups, 2, 0, NAMES, duplicates=True)


def test_mirrored_twins_share_a_fold_and_where_there_are_none_nothing_changes() -> None:
    plain = index([str(number) for number in range(60)], np.arange(60) % 3)
    none, some = plain.assign(mirrored=""), plain.assign(mirrored=["a" if row in (4, 10) else "" for row in range(60)])
    before, after, kept, parted = (
        make_fold_table(table, NAMES, 4, 0, group_duplicates=grouped)
        for table, grouped in ((plain, True), (none, True), (some, True), (some, False))
    )
    pd.testing.assert_frame_equal(before, after)
    pd.testing.assert_frame_equal(before, parted)
    assert kept.loc[[4, 10], ["group", "fold"]].nunique().tolist() == [1, 1]


@pytest.mark.parametrize(
    ("section", "mirror", "found"),
    [
        ({}, True, True),
        ({"group_mirrored": False}, True, False),
        ({"group_duplicates": False}, True, False),
        ({}, False, False),
    ],
)
def test_the_stage_looks_for_mirrored_twins_where_they_would_matter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], section: dict[str, object], mirror: bool, found: bool
) -> None:
    root = repository(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (TRAIN, 8, 8, 3), dtype=np.uint8)
    images[40] = images[8][:, ::-1]
    np.save(root / "data" / "prepared" / "train_images.npy", images)
    files.write_json(root / "configs" / "competitions" / "tiny.yaml", competition(LABELS) | {"mirror": mirror})
    write_params(root, ["one"], split={"n_splits": 3} | section)
    split.run(root)
    assert ("mirrored twins in train (2 images): 1 sets: 8=40" in capsys.readouterr().out) == found
    group = tables.read_folds(paths.folds_path(root)).set_index("id")["group"]
    assert (group["8"] == group["40"]) == found


def test_the_stage_writes_folds_that_read_back_and_reports_duplicates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = repository(tmp_path)
    (paths.folds_path(root)).unlink()
    write_params(root, ["one"], split={"n_splits": 4, "seed": 3})
    split.run(root)
    table = tables.read_folds(paths.folds_path(root))
    assert table["id"].tolist() == tables.read_index(root / "data" / "prepared" / "train.csv")["id"].tolist()
    assert sorted(table["fold"].unique()) == [0, 1, 2, 3]
    printed = capsys.readouterr().out
    assert "duplicates between train and test: none" in printed
    assert "duplicates with different labels: none" in printed


def test_the_stage_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    root = repository(tmp_path)
    split.run(root)
    first = (paths.folds_path(root)).read_bytes()
    split.run(root)
    assert (paths.folds_path(root)).read_bytes() == first


def test_a_split_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    root = repository(tmp_path)
    (paths.folds_path(root)).unlink()
    write_params(root, ["one"], split={"n_splits": 50})
    with pytest.raises(InputError, match="class 'ant' has 20 images, fewer than n_splits=50"):
        split.run(root)
    assert list((root / "folds").iterdir()) == []


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"n_splits": 1}, "n_splits"),
        ({"nsplits": 5}, "did you mean n_splits"),
        ({"seed": "0"}, "seed"),
        ({"seed": -1}, "seed"),
    ],
)
def test_params_that_make_no_split_are_refused(tmp_path: Path, section: dict[str, object], message: str) -> None:
    root = repository(tmp_path)
    write_params(root, ["one"], split=section)
    with pytest.raises(InputError, match=f"params.yaml: split: .*{message}"):
        split.run(root)


def test_classes_rarer_than_the_folds_train_in_every_fold() -> None:
    labels = np.repeat([0, 1, 2], [50, 3, 47])
    ids = [f"{row}" for row in range(100)]
    table = make_fold_table(index(ids, labels), NAMES, 4, 0, group_duplicates=True)
    check_folds(table, "here")
    assert (table["fold"][table["label"] == 1] == TRAINING_ONLY).all()
    assert (table["fold"][table["label"] != 1] >= 0).all()


def test_what_is_tied_to_an_image_of_a_rare_class_is_never_validated() -> None:
    labels = np.repeat([0, 1, 2], [50, 1, 49])
    ids = [f"{row}" for row in range(100)]
    together = ["p" if row in (0, 50) else f"q{row}" for row in range(100)]
    table = make_fold_table(index(ids, labels, groups=together), NAMES, 4, 0, group_duplicates=True)
    check_folds(table, "here")
    assert sorted(table["id"][table["fold"] == TRAINING_ONLY]) == ["0", "50"]


def test_large_classes_in_too_few_user_groups_are_refused_with_the_number_that_works() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 50])
    together = [f"p{row % 3}" if label == 1 else f"q{row}" for row, label in enumerate(labels)]
    with pytest.raises(InputError, match=r"'bee' has 30 images in 3 groups, fewer than n_splits=4; .*works is 3"):
        make_fold_table(index([str(row) for row in range(130)], labels, groups=together), NAMES, 4, 0, True)


def test_a_class_in_one_fold_alone_breaks_a_fold_table_still() -> None:
    table = pd.DataFrame({"id": list("abcd"), "label": [0, 0, 1, 1], "group": range(4), "fold": [0, 1, 0, -1]})
    with pytest.raises(InputError, match="train without them: class 1 in fold 0"):
        check_folds(table, "here")


def test_groups_with_some_classes_each_leave_folds_without_some_and_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    # Eight places of eight images, four classes each: of five folds some have one place alone.
    groups = np.repeat(np.arange(8), 8)
    labels = np.concatenate([np.tile([(place + step) % 6 for step in (0, 1, 2, 4)], 2) for place in range(8)])
    fold = assign_folds(labels, groups, 5, 0, tuple("abcdef"))
    assert all(len(np.unique(fold[groups == group])) == 1 for group in range(8))
    assert sorted(np.unique(fold)) == [0, 1, 2, 3, 4]
    assert min(len(np.unique(fold[labels == label])) for label in range(6)) >= 2
    assert (
        "classes are in some folds only: no way to put 'd', 'e', 'f' into each of 5 folds exists"
        in capsys.readouterr().out
    )
