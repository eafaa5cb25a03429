"""Says in a few lines what came of a run: score, what changed since the last one, where to look, what to try next.

Reads: configs/measured_recipes.csv, data/prepared, folds/folds.csv, folds/ensemble/oof.parquet, reports/report;
    cards, which the same runs wrote (docs/decisions/0009); reports/runs/<competition>, the runs before
Writes: reports/summary.txt; adds the run to reports/runs/<competition>, and to MLflow where ``track.mlflow`` says so
"""

from pathlib import Path

from pipeline.core import cards, files, paths
from pipeline.core.active import active_models
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.targets.prepared import read_target
from pipeline.planning.prior import measure_size, read_measured_recipes
from pipeline.planning.suggestions import suggest_next
from pipeline.workspace.history import record_run, shorten_changes
from pipeline.workspace.tracking import log_results, read_track_params


def run(root: Path) -> None:
    """Writes the summary, prints it, and adds the run to the history.

    Raises:
        InputError: there is no ensemble of the active competition yet.
    """
    target = read_target(paths.prepared_folder(root))
    competition = load_competition(root)
    metric = competition.metric.metric_for(target)
    ensemble = cards.read_card(paths.card_path(root, paths.ENSEMBLE), cards.EnsembleCard)
    models = {name: cards.read_card(paths.card_path(root, name), cards.ModelCard) for name in active_models(root)}
    made = record_run(root, ensemble, models, target, metric)
    low, high = ensemble.interval
    better = "higher" if ensemble.greater_is_better else "lower"
    lines = [
        f"nested {ensemble.metric} {ensemble.pooled:.4f} [{low:.4f}, {high:.4f}] ({better} is better) by "
        f"{', '.join(ensemble.members)}"
    ]
    if made.difference:
        changed = shorten_changes(made.changed) or "nothing"
        lines += [f"since the last run: {made.difference}", f"changed: {changed}"]
    csv = paths.submission_path(Path(), paths.ENSEMBLE)
    lines += [f"page: reports/report.html   submission: {csv} (python -m pipeline submit)"]
    suggestions = suggest_next(root, ensemble, models, read_measured_recipes(root), measure_size(root))
    lines += ["what to try next:", *(f"- {each.reason}\n    {each.command}" for each in suggestions)]
    lines += ["- more time: the best ensemble that it gives\n    make best HOURS=1"]
    text = "\n".join(lines) + "\n"
    files.write_text(paths.summary_path(root), text)
    print(text, end="")
    if (place := read_track_params(root).mlflow) is not None:
        try:
            print(log_results(root, place))
        except InputError as error:  # a server that is away must not undo a night's training
            print(f"note: not logged, {error}; `python -m pipeline track` logs it later")
