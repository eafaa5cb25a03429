"""Combines the predictions of all models of params.yaml, by id.

Reads: data/prepared/{classes,class_names}.json, data/prepared/test.csv, folds/folds.csv,
    folds/predictions/<model>/{oof,test}.parquet
Writes: folds/ensemble/{oof,test}.parquet, folds/ensemble/metrics.json, reports/ensemble.json, reports/confusion.png
"""

from pathlib import Path

import numpy as np

from pipeline import cards, ensemble, plots, scores, tables
from pipeline.competition import active_models, active_name, load_competition

COMBINER = "mean"


def run(root: Path) -> None:
    """Combines the active models and scores the combination."""
    metric = load_competition(root).metric.metric
    members = tuple(sorted(active_models(root)))  # sums run in one order, whatever the order in params.yaml
    classes = tables.read_classes(root / "data" / "prepared" / "classes.json")
    test_ids = tables.read_index(root / "data" / "prepared" / "test.csv")["id"].tolist()
    folds = tables.read_folds(tables.folds_path(root))

    paths = [tables.oof_path(root, name) for name in members]
    oof = {str(path): tables.read_predictions(path, classes) for path in paths}
    scored = ensemble.scored_rows(folds, oof)
    stacked = np.stack([predictions.aligned(scored["id"].tolist(), place) for place, predictions in oof.items()])
    weights = ensemble.COMBINERS[COMBINER](stacked)
    probs = ensemble.combine(stacked, weights)

    paths = [tables.test_path(root, name) for name in members]
    stacked = np.stack([tables.read_predictions(path, classes).aligned(test_ids, str(path)) for path in paths])
    test_probs = ensemble.combine(stacked, weights)

    labels = scored["label"].to_numpy()
    summary = scores.summarise(labels, scored["fold"].to_numpy(), scored["group"].to_numpy(), probs, metric)
    card = cards.EnsembleCard(
        competition=active_name(root),
        combiner=COMBINER,
        members=members,
        weights=dict(zip(members, weights.tolist(), strict=True)),
        metric=metric.name,
        greater_is_better=metric.greater_is_better,
        **vars(summary),
    )
    name = tables.ENSEMBLE
    tables.write_predictions(tables.oof_path(root, name), tables.Predictions(tuple(scored["id"]), probs, classes))
    tables.write_predictions(tables.test_path(root, name), tables.Predictions(tuple(test_ids), test_probs, classes))
    tables.write_json(root / "folds" / name / "metrics.json", summary.numbers())
    cards.write_card(tables.card_path(root, name), card)
    names = tables.read_classes(root / "data" / "prepared" / "class_names.json")
    plots.confusion(labels, probs, names, root / "reports" / "confusion.png")
    print(f"ensemble of {len(members)}: {metric.name} {summary.pooled:.4f} on {len(scored)} out-of-fold rows")
