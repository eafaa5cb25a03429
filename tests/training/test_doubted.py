"""Doubted labels: which rows train otherwise, in which folds, and what a list must not hold."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.fabricated import CLASSES
from support.trainings import recipe, repository

from pipeline.core import paths, tables
from pipeline.core.errors import InputError
from pipeline.core.targets.numbers import Numbers
from pipeline.training.context import TrainingContext, read_context
from pipeline.training.doubted import DOUBTED_MARK, apply_doubts, list_doubt_marks
from pipeline.training.recipes.standalone import DoubtedRows
from pipeline.training.rows import TrainingRows

Doubt = Callable[..., TrainingContext]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> TrainingContext:
    return read_context(repository(tmp_path_factory.mktemp("doubted")))


@pytest.fixture
def doubt(context: TrainingContext) -> Doubt:
    def apply(*lines: str, header: str = "id,label,predicted", action: DoubtedRows = "drop") -> TrainingContext:
        path = paths.doubted_path(context.root, "tiny")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        return apply_doubts(context, action)

    return apply


def line(context: TrainingContext, row: int, to: int = 1) -> str:
    """Row ``row`` doubted: its next class but ``to - 1`` is the likely one."""
    label = int(context.data.labels[row])
    return f"{context.data.ids[row]},{CLASSES[label]},{CLASSES[(label + to) % 3]}"


def test_by_default_nothing_is_read(context: TrainingContext) -> None:
    assert apply_doubts(context, "keep") is context
    assert list_doubt_marks(context.root, "nothing-there", "keep") == ()


def test_dropped_rows_train_in_no_fold_and_are_validated_as_labelled(context: TrainingContext, doubt: Doubt) -> None:
    changed, rows = doubt(line(context, 4), line(context, 9)).data, {4, 9}
    for fold in range(3):
        trained, valid = context.data.rows(fold)
        taught = changed.as_taught(fold)
        assert set(trained.tolist()) - set(taught.rows(fold)[0].tolist()) == rows - set(valid.tolist())
        assert np.array_equal(taught.rows(fold)[1], valid)
        assert np.array_equal(taught.truth, context.data.truth)
    assert changed.least_rows == min(len(changed.as_taught(fold).rows(fold)[0]) for fold in range(3))


def test_relabelled_rows_train_as_the_likely_class_and_are_validated_as_labelled(
    context: TrainingContext, doubt: Doubt
) -> None:
    data = context.data
    changed = doubt(line(context, 4, to=2), action="relabel").data
    own = int(data.fold_of[4])
    for fold in range(3):
        taught = changed.as_taught(fold)
        expected = data.labels[4] if fold == own else (data.labels[4] + 2) % 3
        assert taught.labels[4] == expected
        assert np.array_equal(np.delete(taught.labels, 4), np.delete(data.labels, 4))
        assert np.array_equal(taught.rows(fold)[0], data.rows(fold)[0])
    assert np.array_equal(changed.truth, data.truth)  # what scores are made of


def test_batches_hold_what_the_doubts_leave(context: TrainingContext, doubt: Doubt) -> None:
    dropped = doubt(line(context, 4)).data
    away, at = (int(context.data.fold_of[4]) + 1) % 3, int(context.data.fold_of[4])
    usual = TrainingRows(recipe(), context.data, {}, None).select(away, 0)
    left = TrainingRows(recipe(), dropped, {}, None).select(away, 0)
    assert set(usual.rows.tolist()) - set(left.rows.tolist()) == {4}
    relabelled = TrainingRows(recipe(), doubt(line(context, 4), action="relabel").data, {}, None)
    assert relabelled.select(away, 0).labels[4] == (context.data.labels[4] + 1) % 3
    assert relabelled.select(at, 0).labels[4] == context.data.labels[4]


def test_lines_with_a_fold_count_in_that_fold_alone(context: TrainingContext, doubt: Doubt) -> None:
    row = int(np.flatnonzero(context.data.fold_of == 2)[0])
    split = tables.folds_digest(tables.read_folds(context.folds))[:16]
    changed = doubt(f"{line(context, row)},1,{split}", header="id,label,predicted,fold,split").data
    assert [row in changed.as_taught(fold).rows(fold)[0] for fold in range(3)] == [True, False, False]
    assert list_doubt_marks(context.root, "tiny", "drop") == ()


def test_a_list_of_out_of_fold_predictions_is_marked(context: TrainingContext, doubt: Doubt) -> None:
    doubt(line(context, 4))
    assert list_doubt_marks(context.root, "tiny", "drop") == (DOUBTED_MARK,)


def test_whatever_a_list_changes_makes_another_fingerprint(context: TrainingContext, doubt: Doubt) -> None:
    one = doubt(line(context, 4))
    found = [
        context,
        one,
        doubt(line(context, 5)),
        doubt(line(context, 4), action="relabel"),
        doubt(line(context, 4, to=2), action="relabel"),
    ]
    digests = [str(each.digest_doubts()) for each in found]
    assert len(set(digests)) == len(digests)
    images = ["a", "b"]
    trainer = "pipeline.training.classic.training"
    same = [each.fingerprint(trainer, images, recipe(), "float32") for each in (one, doubt(line(context, 4)))]
    assert same[0] == same[1] != context.fingerprint(trainer, images, recipe(), "float32")


@pytest.mark.parametrize(
    ("header", "lines", "action", "words"),
    [
        ("id,label", ["nobody,LABEL"], "drop", "1 ids are no training images: nobody"),
        ("id", ["ID", "ID"], "drop", "more than once"),
        ("name", ["ID"], "drop", "no column id; its columns are name"),
        ("id", ["ID"], "relabel", "no column predicted"),
        ("id,predicted", ["ID,elk"], "relabel", "predicted of .* is 'elk', no class"),
        ("id,label", ["ID,OTHER"], "drop", "the list is of other labels"),
        ("id,fold", ["ID,1"], "drop", "no column split"),
        ("id,fold,split", ["ID,1,0123"], "drop", "made on other folds than"),
        ("id,fold,split", ["ID,7,SPLIT"], "drop", "is '7'; there are the folds 0 to 2"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(
    context: TrainingContext, doubt: Doubt, header: str, lines: list[str], action: DoubtedRows, words: str
) -> None:
    label = int(context.data.labels[0])
    known = {
        "ID": context.data.ids[0],
        "LABEL": CLASSES[label],
        "OTHER": CLASSES[label - 1],
        "SPLIT": tables.folds_digest(tables.read_folds(context.folds))[:16],
    }
    for name, value in known.items():
        lines = [each.replace(name, value) for each in lines]
    with pytest.raises(InputError, match=words):
        doubt(*lines, header=header, action=action)


def test_a_class_that_would_be_lost_is_refused(context: TrainingContext, doubt: Doubt) -> None:
    rows = np.flatnonzero(context.data.labels == 0)
    with pytest.raises(InputError, match=f"leaves no image of {CLASSES[0]} to train fold 0 on"):
        doubt(*(line(context, row) for row in rows.tolist()))


def test_a_missing_list_and_another_target_are_refused(context: TrainingContext, tmp_path: Path) -> None:
    missing = replace(context, root=repository(tmp_path))
    with pytest.raises(InputError, match=r"doubted: drop needs .*tiny.csv; `python -m pipeline doubt MODEL` writes it"):
        apply_doubts(missing, "drop")
    numbers = replace(
        context, data=replace(context.data, target=Numbers(columns=("age",), means=(0.0,), scales=(1.0,)))
    )
    with pytest.raises(InputError, match="doubted: drop is for one class per image, not number"):
        apply_doubts(numbers, "drop")
