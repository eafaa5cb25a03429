"""Assigns every training image to the fold that validates it.

Reads: data/prepared/train.csv, data/prepared/test.csv, data/prepared/classes.json and, where it exists,
    data/prepared/target.json
Writes: folds/folds.csv
Reference: scikit-learn's StratifiedKFold and StratifiedGroupKFold.
"""

from pathlib import Path

from pydantic import Field

from pipeline.core import paths, tables
from pipeline.core.config import Section, load_params
from pipeline.core.paths import prepared_folder
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.prepared import read_target, read_truth
from pipeline.data.prepared import duplicates, folds


class SplitParams(Section):
    """How to split; another seed is another split."""

    n_splits: int = Field(default=5, ge=2)
    seed: int = Field(default=0, ge=0, lt=2**32)
    group_duplicates: bool = True


def run(root: Path) -> None:
    """Splits the active competition's training images and says what is duplicated."""
    params = load_params(root, "split", SplitParams)
    prepared = prepared_folder(root)
    train = tables.read_index(prepared / "train.csv")
    target = read_target(prepared)
    # Of one class per image the class alone is the stratum; scikit-learn shares that out.
    strata = None
    if not isinstance(target, OneClass):
        strata = target.make_strata(read_truth(prepared, target, train["id"].tolist()))
    for line in duplicates.find_duplicates(train, tables.read_index(prepared / "test.csv")).lines():
        print(line)
    table = folds.make_fold_table(train, target.columns, params.n_splits, params.seed, params.group_duplicates, strata)
    tables.write_folds(paths.folds_path(root), table)
    sizes = table.groupby("fold")["id"].size().tolist()
    print(f"folds: {params.n_splits} of {sizes} images; {table['group'].nunique()} groups, seed {params.seed}")
