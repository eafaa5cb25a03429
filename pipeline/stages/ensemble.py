"""Combines the predictions of all members by id, judged by nested scores.

Reads: data/prepared/{classes,class_names}.json, data/prepared/test.csv, folds/folds.csv,
    folds/predictions/<member>/{oof,test}.parquet
Writes: folds/ensemble/{oof,test}.parquet, folds/ensemble/metrics.json, reports/ensemble.json, reports/confusion.png,
    reports/calibration.png
"""

from pathlib import Path

from pipeline.core import cards, plots, scores, tables
from pipeline.core.competition import active_members, active_name, load_competition
from pipeline.core.config import load_params
from pipeline.core.errors import some
from pipeline.ensemble import candidate_table, fitting, members


def run(root: Path) -> None:
    """Combines the active models and the members made elsewhere, and scores the combination."""
    metric = load_competition(root).metric.metric
    params = load_params(root, "ensemble", fitting.EnsembleParams)
    classes = tables.read_classes(root / "data" / "prepared" / "classes.json")
    test_ids = tuple(tables.read_index(root / "data" / "prepared" / "test.csv")["id"])

    read = members.read_members(root, active_members(root), classes, params.allow_peeked)
    stacked = members.read_test(root, read.names, classes, test_ids)
    fitted = fitting.fit(read, metric, params)
    test = fitted(stacked)

    labels, folds, groups = (read.rows[name].to_numpy() for name in ("label", "fold", "group"))
    summary = scores.summarise(labels, folds, groups, fitted.nested, metric)
    alike = members.similarity(read)
    told = fitting.told(fitted, classes) | members.told(alike, read.names)
    about = {"competition": active_name(root), "metric": metric.name, "greater_is_better": metric.greater_is_better}
    card = cards.EnsembleCard.model_validate({**about, **told, **vars(summary)})

    name = tables.ENSEMBLE
    digest = tables.folds_digest(tables.read_folds(tables.folds_path(root)))
    peeked = tuple(sorted({mark for marks in read.peeked.values() for mark in marks}))
    oof = tables.Predictions(tuple(read.rows["id"]), fitted.nested, classes, digest, peeked)
    tables.write_predictions(tables.oof_path(root, name), oof)
    tables.write_predictions(tables.test_path(root, name), tables.Predictions(test_ids, test, classes))
    tables.write_json(root / "folds" / name / "metrics.json", summary.numbers())
    cards.write_card(tables.card_path(root, name), card)
    names = tables.read_classes(root / "data" / "prepared" / "class_names.json")
    plots.confusion(labels, fitted.nested, names, root / "reports" / "confusion.png")
    plots.reliability(card.before, card.after, root / "reports" / "calibration.png")
    _say(card)


def _say(card: cards.EnsembleCard) -> None:
    if len(card.members) > 1:
        candidate_table.show(card)
    low, high = card.gain.interval
    print(f"ensemble of {len(card.members)} by {card.combiner}: nested {card.metric} {card.pooled:.4f}")
    if len(card.members) > 1:
        print(f"better than {card.gain.member} alone by {card.gain.value:+.4f} [{low:+.4f}, {high:+.4f}]")
    for one, two in card.same:
        print(f"note: {one} and {two} are the same predictions; take one of them out")
    for name, marks in card.peeked.items():
        print(f"note: {name} peeked ({some(marks)}): the score above is too good")
