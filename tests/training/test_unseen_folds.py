"""Labels in doubt by models that saw neither their fold nor the one they help to train for, and the verb for it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.fabricated import CLASSES
from support.tiny import write_yaml
from support.trainings import repository, settings

from pipeline.core import csvs, paths, tables
from pipeline.core.competition import Score
from pipeline.core.errors import InputError
from pipeline.core.predictions import read_predictions
from pipeline.stages import doubt, look
from pipeline.training.context import read_context
from pipeline.training.doubted import apply_doubts
from pipeline.training.model_file import load_model
from pipeline.training.opening import define_fold_task, open_model
from pipeline.training.unseen_folds import list_pair_rows, list_pairs, predict_pair, require_clean

CLASSIC: dict[str, Any] = {"features": {"name": "hog", "pixels_per_cell": 4}, "classifier": {"C": 0.1, "max_iter": 40}}
WRONG = (4, 17, 33)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with three wrong labels, and the list that a classic model makes of them."""
    root = repository(tmp_path_factory.mktemp("doubt"))
    write_yaml(root / "configs" / "models" / "one.yaml", CLASSIC)
    index = tables.read_index(paths.index_path(root, "train"))
    index.loc[list(WRONG), "label"] = (index.loc[list(WRONG), "label"] + 1) % 3
    index.to_csv(paths.index_path(root, "train"), index=False)
    (root / "data" / "prepared" / "digests.json").unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(doubt, "check_source_unchanged", lambda *_: None)
        doubt.run(root, "one", force=False)
    return root


def test_planted_errors_are_doubted_in_the_training_of_other_folds_alone(root: Path) -> None:
    table, context = csvs.read_table(paths.doubted_path(root, "tiny")), read_context(root)
    data = context.data
    own = {name: str(fold) for name, fold in zip(data.ids, data.fold_of.tolist(), strict=True)}
    for row in WRONG:
        lines = table[table["id"] == data.ids[row]]
        assert set(lines["fold"]) == {"0", "1", "2"} - {own[data.ids[row]]}
        assert set(lines["predicted"]) == {CLASSES[(data.labels[row] - 1) % 3]}
    assert not any(own[name] == fold for name, fold in zip(table["id"], table["fold"], strict=True))
    assert table["id"].nunique() < 12
    relabelled = apply_doubts(context, "relabel").data
    at = (int(data.fold_of[WRONG[0]]) + 1) % 3
    assert relabelled.as_taught(at).labels[WRONG[0]] == (data.labels[WRONG[0]] - 1) % 3


def test_no_label_of_two_folds_plays_a_part_in_what_is_known_of_them(root: Path, tmp_path: Path) -> None:
    context, recipe = read_context(root), load_model(root, "one", True)
    first = predict_pair("one", recipe, context, Score(name="accuracy"), (0, 2))
    other = repository(tmp_path)
    write_yaml(other / "configs" / "models" / "one.yaml", CLASSIC)
    index = tables.read_index(paths.index_path(root, "train"))
    rows = list_pair_rows(context, (0, 2))
    index.loc[rows, "label"] = (index.loc[rows, "label"] + 1) % 3
    index.to_csv(paths.index_path(other, "train"), index=False)
    (other / "data" / "prepared" / "digests.json").unlink(missing_ok=True)
    again = predict_pair("one", recipe, read_context(other), Score(name="accuracy"), (0, 2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("action", ["drop", "relabel"])
def test_a_fold_trains_otherwise_and_predicts_all_its_rows(root: Path, action: str) -> None:
    context, found = read_context(root), []
    for recipe in (load_model(root, "one", True), load_model(root, "one", True, {"doubted": action})):
        opened = open_model(recipe, context)
        task = define_fold_task(opened, "one", 1, context, Score(name="accuracy"))
        opened.train(task)
        found.append((opened.fingerprint, read_predictions(task.folder / "valid.parquet", CLASSES)))
    (usual, before), (other, after) = found
    assert usual != other
    assert before.ids == after.ids == tuple(context.data.ids[row] for row in context.data.rows(1)[1])
    assert not np.array_equal(before.probs, after.probs)


def test_a_list_is_not_replaced_unasked(root: Path) -> None:
    with pytest.raises(InputError, match="maybe with your corrections; move it away, or give --force"):
        doubt.run(root, "one", force=False)


@pytest.mark.parametrize(
    ("training", "why"),
    [
        ({"select": "best"}, "epoch chosen on the validation fold"),
        ({"average": {"best": 2}}, r"epochs chosen on the validation fold\).*average\.best"),
        ({"pseudo": {"teachers": ["one"]}}, r"predictions of others: one\)"),
    ],
)
def test_a_model_that_looks_at_rows_left_out_is_refused(root: Path, training: dict[str, Any], why: str) -> None:
    write_yaml(root / "configs" / "models" / "best.yaml", settings(**training))
    with pytest.raises(InputError, match=rf"best learns from rows that it leaves out \({why}"):
        require_clean("best", load_model(root, "best", True))


def test_pairs_are_each_there_once() -> None:
    assert list_pairs(4) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    with pytest.raises(InputError, match="3 folds are needed, got 2"):
        list_pairs(2)


@pytest.mark.parametrize("clean", [True, False])
def test_a_look_by_a_list_that_knows_the_fold_says_that_it_is_too_good(
    root: Path, clean: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = paths.doubted_path(root, "tiny")
    kept = path.read_bytes()
    monkeypatch.setattr(look, "check_source_unchanged", lambda *_: None)
    if not clean:
        csvs.read_table(path)[["id"]].drop_duplicates().to_csv(path, index=False)
    try:
        look.run(root, "one", ["doubted=drop"], [1], keep=False)
    finally:
        path.write_bytes(kept)
    assert ("too good by an unknown amount: training labels doubted" in capsys.readouterr().out) is not clean
