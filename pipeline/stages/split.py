"""Assigns every training image to the fold that validates it.

Reads: data/prepared/train.csv, data/prepared/test.csv, data/prepared/classes.json, where it exists
    data/prepared/target.json and, where hashes are alike or a mirrored image keeps its class,
    data/prepared/train_images.npy and test_images.npy
Writes: folds/folds.csv; folds/digests.json (of it, and of what it was made from)
Reference: scikit-learn's StratifiedKFold; pipeline/data/prepared/whole_groups.py where images belong together.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core import paths, tables
from pipeline.core.arrays import Images
from pipeline.core.competition import load_competition
from pipeline.core.config import load_params
from pipeline.core.errors import some
from pipeline.core.paths import prepared_folder
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.prepared import read_target, read_truth
from pipeline.data.prepared import duplicates, folds
from pipeline.data.prepared.mirrored_twins import name_mirrored_twins
from pipeline.data.prepared.near_duplicates import NearDuplicates, find_near_duplicates
from pipeline.data.prepared.stratification import SplitParams


def run(root: Path) -> None:
    """Splits the active competition's training images and says what is duplicated."""
    params = load_params(root, "split", SplitParams)
    prepared = prepared_folder(root)
    whole = tables.read_index(prepared / "train.csv")
    train = whole[whole["more"] == ""].reset_index(drop=True) if "more" in whole else whole
    target = read_target(prepared)
    # Of one class per image the class alone is the stratum; scikit-learn shares that out.
    strata = None
    if not isinstance(target, OneClass):
        strata = target.make_strata(read_truth(prepared, target, train["id"].tolist()))
    test = tables.read_index(prepared / "test.csv")
    for line in duplicates.find_duplicates(train, test).lines():
        print(line)
    if params.group_duplicates and params.group_near:
        train[duplicates.NEAR] = _name_near(prepared, train, test, whole)
    if params.group_duplicates and params.group_mirrored and load_competition(root).mirror:
        from pipeline.images.store import open_store  # with OpenCV, which not every split needs

        images = open_store(prepared / "train_images.npy", len(whole))
        train[duplicates.MIRRORED] = name_mirrored_twins(images, len(train))
        print(duplicates.describe_alike(train, duplicates.MIRRORED, "mirrored twins"))
    table = folds.make_fold_table(train, target.columns, params.n_splits, params.seed, params.group_duplicates, strata)
    only = table[table["fold"] == tables.TRAINING_ONLY]
    tables.write_folds(paths.folds_path(root), folds.add_training_rows(table, whole.iloc[len(train) :]))
    tables.note_split(paths.folds_path(root), prepared)
    if len(only):
        rare = sorted({target.columns[label] for label in only["label"]})
        print(
            f"training only: {len(only)} images of {len(rare)} classes ({some(rare, 3)}), which are rarer than "
            f"{params.n_splits} folds or tied to such images: they train in every fold and are never validated; "
            "leave_out: {classes_rarer_than: N} in the competition's file leaves rare classes out"
        )
    if len(whole) > len(train):
        print(f"more_rows: {len(whole) - len(train)} images from elsewhere train in every fold")
    sizes = table[table["fold"] != tables.TRAINING_ONLY].groupby("fold")["id"].size().tolist()
    print(f"folds: {params.n_splits} of {sizes} images; {table['group'].nunique()} groups, seed {params.seed}")


def _name_near(prepared: Path, train: pd.DataFrame, test: pd.DataFrame, whole: pd.DataFrame) -> list[str]:
    """Names the set of near-duplicates of each training image; says what there are, in test and in `more_rows` too."""
    found = _find_near(prepared, train, test)
    ids, pairs = [*train["id"], *test["id"]], found.pairs
    within, across = pairs[pairs[:, 1] < len(train)], pairs[(pairs[:, 0] < len(train)) & (pairs[:, 1] >= len(train))]
    names = duplicates.name_sets(within, len(train))
    print(duplicates.describe_alike(train.assign(**{duplicates.NEAR: names}), duplicates.NEAR, "near-duplicates"))
    named = [(ids[one], ids[other]) for one, other in across.tolist()]
    print(duplicates.describe_alike_across(named, "near-duplicates", ("train", "test")))
    for line in found.lines():
        print(line)
    if len(whole) > len(train):
        # Apart from the search above, so that images from elsewhere change nothing about the folds of the own ones.
        ids, pairs = [*whole["id"], *test["id"]], _find_near(prepared, whole, test).pairs
        more = (pairs >= len(train)) & (pairs < len(whole))
        named = [
            (ids[pair[~is_more][0]], ids[pair[is_more][0]])
            for pair, is_more in zip(pairs, more, strict=True)
            if is_more.sum() == 1
        ]
        print(duplicates.describe_alike_across(named, "near-duplicates", ("own images", "more_rows")))
    return names


def _find_near(prepared: Path, train: pd.DataFrame, test: pd.DataFrame) -> NearDuplicates:
    """Finds near-duplicates among the first images of the training store and those of test."""

    def take(rows: NDArray[np.int64]) -> Images:
        from pipeline.images.store import open_store  # with OpenCV, which most splits do without

        images = open_store(prepared / "train_images.npy")
        taken = np.empty((len(rows), *images.shape[1:]), dtype=images.dtype)
        known = rows < len(train)
        taken[known] = images[rows[known]]
        if not known.all():
            taken[~known] = open_store(prepared / "test_images.npy", len(test))[rows[~known] - len(train)]
        return taken

    return find_near_duplicates([*train["perceptual_hash"], *test["perceptual_hash"]], take)
