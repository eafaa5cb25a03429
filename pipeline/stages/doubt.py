"""Lists the labels that a model doubts without having seen the fold that they help to train for. Run by hand.

Reads: data/prepared, folds/folds.csv, configs/models/<model>.yaml. Writes: configs/doubted/<competition>.csv.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core.active import active_name
from pipeline.core.arrays import Probs
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.files import atomic_path
from pipeline.core.paths import doubted_path
from pipeline.core.tables import folds_digest, read_folds
from pipeline.data.sources.listing import check_source_unchanged
from pipeline.reports.models.mistakes import find_label_errors
from pipeline.training.context import TrainingContext, read_context
from pipeline.training.doubted import FOLD, SPLIT, SPLIT_LETTERS
from pipeline.training.model_file import load_model
from pipeline.training.unseen_folds import list_pair_rows, list_pairs, predict_pair, require_clean


def run(root: Path, model: str, force: bool) -> None:
    """Trains a model without each two folds and lists the labels that are probably wrong, fold by fold.

    Args:
        root: the repository.
        model: a file under configs/models.
        force: replace an earlier list.

    Raises:
        InputError: no such model, one that looks at rows left out, a list that is there, or targets of another kind
            than one class.
    """
    path, competition = doubted_path(root, active_name(root)), load_competition(root)
    recipe = load_model(root, model, competition.mirror, {"doubted": "keep"})
    require_clean(model, recipe)
    if path.exists() and not force:
        raise InputError(f"{path} is there, maybe with your corrections; move it away, or give --force")
    check_source_unchanged(root, competition)
    context = read_context(root).offset_seed(recipe)
    if context.data.target.kind != "one_class":
        raise InputError(f"labels are doubted of one class per image, not of {context.data.target.kind}")
    data, n_folds = context.data, int(context.data.fold_of.max()) + 1
    pairs = list_pairs(n_folds)
    print(f"{len(pairs)} trainings, each without two of {n_folds} folds; what is trained is kept below .work")
    probs = np.zeros((n_folds, len(data.ids), len(data.classes)), dtype=np.float32)
    for pair in pairs:
        made, rows = predict_pair(model, recipe, context, competition.metric, pair), list_pair_rows(context, pair)
        for fold, other in (pair, pair[::-1]):
            own = data.fold_of[rows] == other
            probs[fold, rows[own]] = made[own]
    table = pd.concat([_list_doubted(context, fold, probs[fold]) for fold in range(n_folds)], ignore_index=True)
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")
    mean = len(table) / n_folds
    least = data.least_rows
    print(
        f"{path.relative_to(root)}: {table['id'].nunique():,} labels are in doubt, {mean:,.0f} in the training of a "
        f"fold ({mean / least:.1%} of its rows)\nnext: python -m pipeline look {model} --set doubted=drop"
    )


def _list_doubted(context: TrainingContext, fold: int, probs: Probs) -> pd.DataFrame:
    """Lists the doubted labels of a fold's training rows by models that saw none of the fold's."""
    data = context.data
    rows = np.flatnonzero((data.fold_of >= 0) & (data.fold_of != fold))
    doubted = rows[find_label_errors(data.labels[rows], probs[rows])]
    predicted = probs[doubted].argmax(axis=1)
    split = folds_digest(read_folds(context.folds))[:SPLIT_LETTERS]
    return pd.DataFrame(
        {
            "id": [data.ids[row] for row in doubted],
            "label": [data.classes[label] for label in data.labels[doubted]],
            "predicted": [data.classes[label] for label in predicted],
            "probability": probs[doubted].max(axis=1),
            FOLD: fold,
            SPLIT: split,
        }
    )
