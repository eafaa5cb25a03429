"""Tuning: searches for better settings of one model; off by default.

Reads: data/prepared, folds/folds.csv, configs/models/<model>.yaml with its search space. Writes:
configs/tuned/<model>.yaml (better settings, which `train` lays over the model's file) and reports/tuning/<model>.json
and .html. The study is kept in .work/tune, or in the database of ``tune.storage``, and continued when the stage runs
again.
"""

from pathlib import Path

from pipeline.core import cards
from pipeline.core.active import active_models, active_name
from pipeline.core.competition import load_competition
from pipeline.core.config import load_params
from pipeline.core.paths import prepared_folder
from pipeline.core.targets.prepared import read_target
from pipeline.training.recipes.model_yaml import read_model
from pipeline.tuning import results
from pipeline.tuning.params import TuneParams


def run(root: Path, model: str) -> None:
    """Tunes a model as ``params.yaml`` says.

    Raises:
        InputError: a search space, a budget or a storage that cannot be used, or a search that cannot continue.
        SystemExit: Ctrl-C or SIGTERM; all trials are kept.
    """
    params = load_params(root, "tune", TuneParams)
    searchable = read_model(root, model)[1]
    if params.n_trials == 0 or not searchable:
        results.write_tuning_results(root, _make_untuned_card(root, model))
        reason = "tune.n_trials is 0" if params.n_trials == 0 else f"configs/models/{model}.yaml has no section search"
        print(f"{model}: not tuned ({reason})")
        return
    # A search builds networks, whose imports take seconds; without one the stage need not wait for them.
    from pipeline.tuning import study

    sharing = [name for name in active_models(root) if read_model(root, name)[1]]
    hours = None if params.hours is None else params.hours / max(1, len(sharing))
    results.write_tuning_results(root, study.tune_model(root, model, params, hours))


def _make_untuned_card(root: Path, model: str) -> cards.TuningCard:
    metric = load_competition(root).metric.metric_for(read_target(prepared_folder(root)))
    return cards.TuningCard(
        model=model, competition=active_name(root), metric=metric.name, greater_is_better=metric.greater_is_better
    )
