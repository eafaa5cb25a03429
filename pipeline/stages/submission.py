"""Writes one submission, of a model or of the ensemble, after checking it against the sample submission.

Reads: data/prepared/{classes.json,train.csv,test.csv,sample_submission.csv} and target.json where it exists,
    folds/folds.csv, folds/predictions/<name>/{oof,test}.parquet, ensemble.decision of params.yaml; for the ensemble
    folds/ensemble/{oof,test}.parquet and reports/ensemble.json
Writes: submissions/<name>.csv, submissions/<name>.json
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.core import cards, paths, predictions, tables
from pipeline.core.active import active_models, active_name
from pipeline.core.competition import load_competition
from pipeline.core.config import load_params
from pipeline.core.errors import InputError, near_names
from pipeline.core.files import atomic_path, sha256
from pipeline.core.origin import read_commit
from pipeline.core.paths import prepared_folder, submission_path
from pipeline.core.targets.contract import Target
from pipeline.core.targets.prepared import read_target, read_truth
from pipeline.ensemble import members
from pipeline.kaggle import submission, submission_checks
from pipeline.kaggle.answers.contract import AnswerSheet
from pipeline.kaggle.answers.fitting import ScoredRows, fit_rule
from pipeline.kaggle.answers.forms import open_form
from pipeline.kaggle.answers.sheets import read_sheet


def run(root: Path, name: str) -> None:
    """Writes the submission of ``name``: a model of params.yaml, or ``ensemble``."""
    known = (*active_models(root), paths.ENSEMBLE)
    if name not in known:
        raise InputError(f"no model of params.yaml is called {name!r}; {near_names(name, known)}")
    competition = load_competition(root)
    prepared = prepared_folder(root)
    target = read_target(prepared)
    test = predictions.read_predictions(paths.predicted_test_path(root, name), target)
    oof_path = paths.oof_path(root, name)
    oof = predictions.read_predictions(oof_path, target)
    sheet = read_sheet(prepared, competition, target)
    scored, metric = _align_scored(root, oof_path, oof, target), competition.metric.metric_for(target)
    decision = None
    # The predictions of an ensemble are decided already; of one class per image a single model's stay as they are.
    if name != paths.ENSEMBLE and target.kind != "one_class":
        from pipeline.ensemble.fitting import EnsembleParams, fit_rule_alone  # takes SciPy, a second to start

        params = load_params(root, "ensemble", EnsembleParams)
        alone = fit_rule_alone(members.read_members(root, [name], target, allow_peeked=True), metric, params)
        decision = alone.decision
        scored = replace(scored, values=alone.nested)
    if decision is not None:
        test = replace(test, probs=decision(test.probs)) if test.ids else test
        oof = replace(oof, probs=decision(oof.probs))
    rule, cv = fit_rule(sheet.section, sheet.sample, target, metric, scored)
    sheet = replace(sheet, rule=rule)
    if competition.hides_tests and not test.ids:
        test = _fill_hidden(sheet, oof)
        print(
            "note: the test images are hidden: each answer is the mean of all; `python -m pipeline pack` predicts them"
        )
    frame = submission.build_submission(test, sheet)

    path = submission_path(root, name)
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")
        submission_checks.check_submission_file(temporary, sheet)
    card = cards.SubmissionCard(
        name=name,
        competition=active_name(root),
        members=_members(root, name),
        metric=metric.name,
        cv=cv,
        nested_cv=cv if name == paths.ENSEMBLE or decision is not None else None,  # of nested predictions
        peeked=oof.peeked,
        rows=len(frame),
        sha256=sha256(path),
        git_commit=read_commit(root),
    )
    fitted = sheet.list_fitted()
    decided = {} if decision is None else {"rule": decision.rule, "decision": decision.name_numbers()}
    cards.write_card(path.with_suffix(".json"), card.model_copy(update=fitted | decided))
    print(f"submission: {path.relative_to(root)} ({len(frame)} rows, out-of-fold {card.metric} {cv:.4f})")
    for what, value in (fitted | decided).items():
        print(f"{what}: {value} (fitted out-of-fold)")


def _fill_hidden(sheet: AnswerSheet, oof: predictions.Predictions) -> predictions.Predictions:
    """What is known of an image that nobody has seen: the mean out-of-fold prediction."""
    ids = tuple(open_form(sheet).subjects)
    mean = oof.probs.mean(axis=0, dtype=np.float64).astype(np.float32)
    return predictions.Predictions(ids, np.tile(mean, (len(ids), 1)), oof.classes, target=oof.target)


def _align_scored(root: Path, path: Path, oof: predictions.Predictions, target: Target) -> ScoredRows:
    prepared = prepared_folder(root)
    folds = members.select_scored_rows(tables.read_folds(paths.folds_path(root), prepared), oof, str(path))
    ids = folds["id"].tolist()
    index = tables.read_index(prepared / "train.csv").set_index("id")
    units = index["unit"].loc[ids].tolist() if "unit" in index.columns else [""] * len(ids)
    truth = read_truth(prepared, target, ids)
    return ScoredRows(truth, oof.aligned(ids, str(path)), folds["fold"].to_numpy(), tuple(units))


def _members(root: Path, name: str) -> tuple[str, ...]:
    if name != paths.ENSEMBLE:
        return (name,)
    return cards.read_card(paths.card_path(root, paths.ENSEMBLE), cards.EnsembleCard).members
