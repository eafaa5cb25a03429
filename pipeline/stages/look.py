"""Looks at a model: some folds, maybe at other settings, compared with the present results. Run by hand.

Reads: data/prepared, folds/folds.csv, configs/models/<model>.yaml, folds/predictions/<model>/oof.parquet where it
exists. Writes nothing but .work; with `keep` the settings into configs/models/<model>.yaml and params.yaml.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.core.active import active_models, active_name
from pipeline.core.competition import load_competition
from pipeline.core.predictions import Predictions
from pipeline.data.sources.listing import check_source_unchanged
from pipeline.training.context import TrainingContext, read_context
from pipeline.training.doubted import list_doubt_marks
from pipeline.training.fold_predictions import read_fold_predictions
from pipeline.training.looking import (
    Changes,
    check_keepable,
    choose_train_params,
    compare_with_present,
    keep_changes,
    parse_changes,
)
from pipeline.training.memory import retry_with_half_batches
from pipeline.training.model_file import load_model
from pipeline.training.opening import define_fold_task, open_model


def run(root: Path, model: str, settings: Sequence[str], folds: Sequence[int], keep: bool) -> None:
    """Trains some folds of a model and prints their score beside the present one on the same rows.

    Args:
        root: the repository.
        model: a file under configs/models, whether ``params.yaml`` names it or not.
        settings: ``key=value`` over those of the model's file; ``train.seed`` and ``train.precision`` as well.
        folds: which are trained.
        keep: write the settings into the model's file and ``params.yaml``.

    Raises:
        InputError: no such model or fold, a setting that does not fit, or a training that diverged.
    """
    changes = parse_changes(settings)
    if keep:
        check_keepable(root, model, changes)
    competition = load_competition(root)
    recipe = load_model(root, model, competition.mirror, changes.model)  # a mistake in it is told first
    check_source_unchanged(root, competition)
    context = read_context(root, choose_train_params(root, changes, folds)).offset_seed(recipe)
    print(f"look at {model}, fold {', '.join(map(str, folds))}{', ' if settings else ''}{changes}")
    made = retry_with_half_batches(lambda: _train(root, model, context, changes))
    metric = competition.metric.metric_for(context.data.target)
    print(compare_with_present(root, model, made, (context, metric)))
    for mark in (*recipe.peeked, *list_doubt_marks(root, active_name(root), recipe.doubted)):
        print(f"too good by an unknown amount: {mark}")
    if not keep:
        adopt = "; to adopt the settings run the same with --keep" if settings else ""
        print(f"no tracked file and no result was changed{adopt}")
        return
    print("\n".join(keep_changes(root, model, changes)))
    add = "" if model in active_models(root) else f"add {model} to models in params.yaml, then "
    print(f"next: {add}`dvc repro`, which trains the other folds")


def _train(root: Path, model: str, context: TrainingContext, changes: Changes) -> list[Predictions]:
    """Trains the folds, as far as they are not trained yet; returns what they predict of their valid rows."""
    competition = load_competition(root)
    opened = open_model(load_model(root, model, competition.mirror, changes.model), context)
    tasks = [define_fold_task(opened, model, fold, context, competition.metric) for fold in context.chosen_folds]
    for task in tasks:
        opened.train(task)
    return read_fold_predictions(tasks, context.data).valid
