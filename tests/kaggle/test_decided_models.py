"""Single models whose labels thresholds decide: fitted out-of-fold for their submission, as at an ensemble's end."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.fabricated import competition
from support.kinds import METRICS
from support.written_kinds import write_kind

from pipeline.core import cards, files, paths, tables
from pipeline.core.config import read_params
from pipeline.core.csvs import read_table
from pipeline.core.metrics import get_metric
from pipeline.core.predictions import read_predictions, write_predictions
from pipeline.core.targets.contract import Target
from pipeline.core.targets.prepared import read_truth
from pipeline.ensemble.recombining import read_rule_alone
from pipeline.stages import submission as stage

SET = {"kind": "label_set", "sample": "sample.csv", "id": "Id", "label": "Category", "none": "none"}
GRADE = {"kind": "label", "sample": "sample.csv", "id": "Id", "label": "Category"}


def write_bent(root: Path, kind: str, form: dict[str, Any]) -> Target:
    """A repository whose model says every label, or high grade, too rarely."""
    target = write_kind(root, kind)
    files.write_json(root / "configs" / "competitions" / "tiny.yaml", competition(form, METRICS[kind]))
    for path in (paths.oof_path(root, "one"), paths.predicted_test_path(root, "one")):
        kept = read_predictions(path, target)
        bend = 2.5 if kind == "several_labels" else 2.5 * np.arange(len(target.columns))
        bent = target.from_outputs(target.to_outputs(kept.probs) - bend)
        write_predictions(path, type(kept)(kept.ids, bent, kept.classes, kept.folds, target=target))
    return target


@pytest.mark.parametrize(("kind", "form"), [("several_labels", SET), ("grades", GRADE)])
def test_a_models_answers_are_decided_by_thresholds_of_other_folds(
    tmp_path: Path, kind: str, form: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    target = write_bent(tmp_path, kind, form)
    stage.run(tmp_path, "one")
    card = cards.read_card(tmp_path / "submissions" / "one.json", cards.SubmissionCard)
    assert card.rule is not None
    assert card.needs_rule  # so that a pack takes it along
    assert f"rule: {card.rule} (fitted out-of-fold)" in capsys.readouterr().out
    oof = read_predictions(paths.oof_path(tmp_path, "one"), target)
    truth = read_truth(tmp_path / "data" / "prepared", target, list(oof.ids))
    plain = get_metric(METRICS[kind], target=target).score(truth, oof.probs)
    assert card.cv == card.nested_cv
    assert card.cv > plain + 0.1
    rule = read_rule_alone(card, target)
    assert rule is not None
    tests = read_predictions(paths.predicted_test_path(tmp_path, "one"), target)
    decided = target.decode(target.decide(rule(tests.probs)))
    frame = read_table(tmp_path / "submissions" / "one.csv").set_index("Id")["Category"].loc[list(tests.ids)]
    said = [" ".join(cell.split("\x1f")) or "none" for cell in decided] if kind == "several_labels" else decided
    assert frame.tolist() == said
    assert frame.nunique() > 1


@pytest.mark.parametrize(("kind", "form"), [("several_labels", SET), ("grades", GRADE)])
def test_argmax_in_params_leaves_answers_as_predicted(tmp_path: Path, kind: str, form: dict[str, Any]) -> None:
    target = write_bent(tmp_path, kind, form)
    params = read_params(tmp_path)
    files.write_json(tmp_path / "params.yaml", params | {"ensemble": {"decision": "argmax"}})
    stage.run(tmp_path, "one")
    card = cards.read_card(tmp_path / "submissions" / "one.json", cards.SubmissionCard)
    assert (card.rule, card.decision, card.nested_cv, card.needs_rule) == (None, {}, None, False)
    oof = read_predictions(paths.oof_path(tmp_path, "one"), target)
    truth = read_truth(tmp_path / "data" / "prepared", target, list(oof.ids))
    assert card.cv == pytest.approx(get_metric(METRICS[kind], target=target).score(truth, oof.probs))
    tests = read_predictions(paths.predicted_test_path(tmp_path, "one"), target)
    decided = target.decode(target.decide(tests.probs))
    frame = read_table(tmp_path / "submissions" / "one.csv").set_index("Id")["Category"].loc[list(tests.ids)]
    said = [" ".join(cell.split("\x1f")) or "none" for cell in decided] if kind == "several_labels" else decided
    assert frame.tolist() == said


def test_where_the_plain_decision_is_as_good_nothing_is_fitted(tmp_path: Path) -> None:
    target = write_kind(tmp_path, "several_labels")
    files.write_json(tmp_path / "configs" / "competitions" / "tiny.yaml", competition(SET, "hamming_accuracy"))
    stage.run(tmp_path, "one")
    card = cards.read_card(tmp_path / "submissions" / "one.json", cards.SubmissionCard)
    oof = read_predictions(paths.oof_path(tmp_path, "one"), target)
    ids = tables.read_folds(paths.folds_path(tmp_path))["id"].tolist()
    truth = read_truth(tmp_path / "data" / "prepared", target, ids)
    assert (card.rule, card.decision, card.nested_cv, card.needs_rule) == (None, {}, None, False)
    assert card.cv == get_metric("hamming_accuracy", target=target).score(truth, oof.aligned(ids, "one"))
