"""Combines the predictions of all members by id, judged by nested scores.

Reads: data/prepared/{classes,class_names,target}.json, data/prepared/{train,test}.csv, folds/folds.csv,
    folds/predictions/<member>/{oof,test}.parquet
Writes: folds/ensemble/{oof,test}.parquet, folds/ensemble/metrics.json, reports/ensemble.json, reports/confusion.png,
    reports/calibration.png
"""

from pathlib import Path

from pipeline.core import cards, files, paths, plots, predictions, scores, tables
from pipeline.core.active import active_members, active_name
from pipeline.core.competition import load_competition
from pipeline.core.config import load_params
from pipeline.core.errors import some
from pipeline.core.paired import Gain, describe_gain
from pipeline.core.paths import class_names_path, index_path, metrics_path, reports_folder
from pipeline.core.targets.prepared import read_target
from pipeline.ensemble import candidate_table, fitting, members
from pipeline.ensemble.shift import correct_ensemble
from pipeline.ensemble.shift_sentences import describe_shift


def run(root: Path) -> None:
    """Combines the active models and the external members, and scores the combination."""
    competition = load_competition(root)
    target = read_target(paths.prepared_folder(root))
    metric = competition.metric.metric_for(target)
    params = load_params(root, "ensemble", fitting.EnsembleParams)
    test_ids = tuple(tables.read_index(index_path(root, "test"))["id"])

    read = members.read_members(root, active_members(root), target, params.allow_peeked)
    stacked = members.read_test_predictions(root, read.names, target, test_ids)
    fitted = fitting.fit_ensemble(read, metric, params, new=getattr(competition.submission, "new", None))
    fitted, shift = correct_ensemble(fitted, stacked, params.decision == "auto")
    test = fitted(stacked)

    folds, groups = (read.rows[name].to_numpy() for name in ("fold", "group"))
    summary = scores.summarise_scores(scores.LabelledRows(read.truth, groups), folds, fitted.nested, metric)
    alike = members.compare_members(read)
    fields = fitting.make_card_fields(fitted) | members.make_similarity_fields(alike, read.names)
    about = {
        "competition": active_name(root),
        "metric": metric.name,
        "greater_is_better": metric.greater_is_better,
        "shift": shift,
    }
    card = cards.EnsembleCard.model_validate({**about, **fields, **vars(summary)})

    name = paths.ENSEMBLE
    digest = tables.folds_digest(tables.read_folds(paths.folds_path(root)))
    peeked = tuple(sorted({mark for marks in read.peeked.values() for mark in marks}))
    oof = predictions.Predictions(tuple(read.rows["id"]), fitted.nested, target.columns, digest, peeked, target)
    predictions.write_predictions(paths.oof_path(root, name), oof)
    tested = predictions.Predictions(test_ids, test, target.columns, target=target)
    predictions.write_predictions(paths.predicted_test_path(root, name), tested)
    files.write_json(metrics_path(root, name), {name: card.pooled, **card.alone})  # one column each in `dvc exp show`
    cards.write_card(paths.card_path(root, name), card)
    names = tables.read_classes(class_names_path(root))
    plots.draw_decisions(target, read.truth, fitted.nested, names, reports_folder(root) / "confusion.png")
    plots.draw_calibration(card.before, card.after, reports_folder(root) / "calibration.png")
    _print_results(card)


def _print_results(card: cards.EnsembleCard) -> None:
    if len(card.members) > 1:
        candidate_table.print_candidates(card)
    print(f"ensemble of {len(card.members)} by {card.combiner}: nested {card.metric} {card.pooled:.4f}")
    if len(card.members) > 1:
        gain = describe_gain(Gain(card.gain.value, *card.gain.interval), card.greater_is_better)
        print(f"against {card.gain.member} alone: {gain}")
    differs = describe_shift(card)
    if differs:
        print(f"note: {' '.join(differs)}")
    for one, two in card.same:
        print(f"note: {one} and {two} have the same predictions; remove one of them")
    for name, marks in card.peeked.items():
        print(f"note: {name}: the score above may be optimistic: {some(marks)}")
