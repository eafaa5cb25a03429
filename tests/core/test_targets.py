"""The contract that every kind of target keeps, and what each kind reads."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from pipeline.core.errors import InputError
from pipeline.core.predictions import Predictions, read_predictions, write_predictions
from pipeline.core.tables import INDEX_COLUMNS, write_index
from pipeline.core.targets.classes import Grades, OneClass
from pipeline.core.targets.contract import CELL_SEPARATOR, Target, slice_truth
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.prepared import format_cells, read_target, read_truth, write_target
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.targets.several_targets import SeveralTargets
from pipeline.core.targets.spec import (
    KINDS,
    GradesSpec,
    NumbersSpec,
    OneClassSpec,
    SeveralLabelsSpec,
    SeveralTargetsSpec,
    TargetSpec,
    VoteSharesSpec,
)
from pipeline.core.targets.vote_shares import VoteShares


def join(*names: str) -> str:
    """A cell of several names or numbers."""
    return CELL_SEPARATOR.join(names)


EXAMPLES: dict[str, tuple[TargetSpec, list[str], tuple[str, ...]]] = {
    "one_class": (OneClassSpec(), ["cat", "dog", "cat", "fox"], ("label",)),
    "grades": (GradesSpec(kind="grades", order=("mild", "bad", "worse")), ["worse", "mild", "bad", "bad"], ("grade",)),
    "several_labels": (
        SeveralLabelsSpec(kind="several_labels", separator=" "),
        [join("haze", "road"), "", "road", "clear"],
        ("tags",),
    ),
    "numbers": (
        NumbersSpec(kind="numbers"),
        [join("1.5", "-2"), join("3", "4"), join("0", "0"), join("1", "9")],
        ("a", "b"),
    ),
    "vote_shares": (
        VoteSharesSpec(kind="vote_shares"),
        [join("3", "1"), join("0", "2"), join("1", "1"), join("2", "0")],
        ("x", "y"),
    ),
    "several_targets": (
        SeveralTargetsSpec(
            kind="several_targets", targets={"root": OneClassSpec(), "age": NumbersSpec(kind="numbers")}
        ),
        [join("k1", "3"), join("k2", "4"), join("k1", "5"), join("k3", "6")],
        ("root", "age"),
    ),
}


@pytest.fixture(params=list(EXAMPLES))
def example(request: pytest.FixtureRequest) -> tuple[Target, list[str]]:
    """A target of each kind, and the cells that it was made from."""
    spec, cells, columns = EXAMPLES[request.param]
    return spec.fit(cells, columns), cells


def test_every_kind_has_an_example() -> None:
    assert set(EXAMPLES) == set(KINDS)


def test_contract_cells_come_back(example: tuple[Target, list[str]]) -> None:
    target, cells = example
    truth = target.encode(cells)
    assert truth.shape in {(4,), (4, target.truth_width)}
    decoded = target.decode(truth)
    if isinstance(target, VoteShares):
        assert decoded == ["x", "y", "x", "x"]  # the most votes; equal votes go to the first class
    else:
        assert [set(cell.split(CELL_SEPARATOR)) for cell in decoded] == [
            set(cell.split(CELL_SEPARATOR)) for cell in cells
        ]


def test_contract_outputs_and_values(example: tuple[Target, list[str]]) -> None:
    target, _ = example
    outputs = np.random.default_rng(0).normal(size=(5, len(target.columns)))
    values = target.from_outputs(outputs)
    assert values.dtype == np.float32
    target.check_values(values, list("abcde"), "here")
    np.testing.assert_allclose(target.from_outputs(target.to_outputs(values)), values, atol=1e-5)
    np.testing.assert_allclose(target.normalise(values), values, atol=1e-6)
    covered = [column for columns, _ in target.outputs for column in range(len(target.columns))[columns]]
    assert covered == list(range(len(target.columns)))


def test_contract_the_truth_itself_has_the_smallest_loss(example: tuple[Target, list[str]]) -> None:
    target, cells = example
    truth = target.encode(cells)
    best = target.from_outputs(target.to_outputs(as_values(target, truth)))
    losses = target.measure_losses(truth, best)
    assert losses.shape == (4,)
    other = target.from_outputs(np.random.default_rng(1).normal(size=best.shape))
    assert losses.max() < 1e-4 < target.measure_losses(truth, other).max()
    decided = target.decide(best)
    np.testing.assert_allclose(decided.reshape(4, -1), truth.reshape(4, -1), atol=1e-4)


def test_contract_the_terms_of_a_loss_add_up_to_it(example: tuple[Target, list[str]]) -> None:
    target, cells = example
    truth = target.encode(cells)
    made = [target.from_outputs(np.random.default_rng(seed).normal(size=(4, len(target.columns)))) for seed in (1, 2)]
    terms = [target.split_losses(truth, values) for values in made]
    sums = [-(each.weights * np.log(each.likelihoods)).sum(axis=1) + (each.residuals**2).sum(axis=1) for each in terms]
    one, two = (target.measure_losses(truth, values) for values in made)
    np.testing.assert_allclose(sums[0] - sums[1], one - two, atol=1e-5)  # the rest is the same for all predictions
    both = target.split_losses(truth, ((made[0] + made[1]) / 2).astype(np.float32))
    for place in ("likelihoods", "residuals"):  # linear in the predictions
        mean = (getattr(terms[0], place) + getattr(terms[1], place)) / 2
        np.testing.assert_allclose(getattr(both, place), mean, atol=1e-5)


def test_contract_what_can_be_predicted_apart_covers_all_columns(example: tuple[Target, list[str]]) -> None:
    target, cells = example
    truth = target.encode(cells)
    values = target.from_outputs(np.random.default_rng(3).normal(size=(4, len(target.columns))))
    pieces = list(target.split_columns())
    assert [column for _, columns, _ in pieces for column in range(len(target.columns))[columns]] == list(
        range(len(target.columns))
    )
    for piece, columns, width in pieces:
        part = values[:, columns]
        piece.check_values(part, list("abcd"), "here")
        decided = target.decide(values).reshape(4, -1)[:, width]
        np.testing.assert_allclose(piece.decide(part).reshape(4, -1), decided)
        assert piece.measure_losses(slice_truth(piece, truth, width), part).shape == (4,)


def as_values(target: Target, truth: NDArray[Any]) -> NDArray[np.float32]:
    """Perfect predictions."""
    targets = target.make_targets(truth)
    if not isinstance(target, Numbers | SeveralTargets):
        return targets
    if isinstance(target, Numbers):
        return target.from_outputs(targets)
    parts = [as_values(part, truth[:, width]) for _, part, _, width in target.each()]
    return np.concatenate(parts, axis=1)


def test_contract_strata_cover_the_rows(example: tuple[Target, list[str]]) -> None:
    target, cells = example
    strata = target.make_strata(target.encode(cells))
    assert len(strata) == 4
    assert strata.dtype == np.bool_
    assert strata.any()


def test_contract_bad_values_are_refused(example: tuple[Target, list[str]]) -> None:
    target, _ = example
    values = target.from_outputs(np.zeros((2, len(target.columns))))
    values[1, -1] = np.nan
    with pytest.raises(InputError, match=r"here.*b"):
        target.check_values(values, ["a", "b"], "here")


def test_contract_files(example: tuple[Target, list[str]], tmp_path: Path) -> None:
    target, cells = example
    truth = target.encode(cells)
    ids = ["p1", "p2", "p3", "p4"]
    write_target(tmp_path, target)
    assert read_target(tmp_path) == target
    if not isinstance(target, OneClass):
        index = pd.DataFrame(dict.fromkeys(INDEX_COLUMNS, ids) | {target.kind: format_cells(cells)})
        write_index(tmp_path / "train.csv", index.assign(label=-1, width=1, height=1))
        np.testing.assert_array_equal(read_truth(tmp_path, target, ids[::-1]), truth[::-1])
        with pytest.raises(InputError, match="lacks 1 ids: p9"):
            read_truth(tmp_path, target, ["p9"])
    values = target.from_outputs(np.random.default_rng(0).normal(size=(4, len(target.columns))))
    made = Predictions(tuple(ids), values, target.columns, target=target)
    write_predictions(tmp_path / "oof.parquet", made)
    np.testing.assert_array_equal(read_predictions(tmp_path / "oof.parquet", target).probs, values)


def test_grades_in_words_need_an_order() -> None:
    with pytest.raises(InputError, match=r"target.order is missing: the grades bad, mild are words"):
        GradesSpec(kind="grades").fit(["mild", "bad"], ("grade",))
    with pytest.raises(InputError, match=r"does not name bad and names, though .* worse: list bad, mild, the lowest"):
        GradesSpec(kind="grades", order=("mild", "worse")).fit(["mild", "bad"], ("grade",))
    with pytest.raises(InputError, match=r"target.order names, though no training row has it, huge"):
        GradesSpec(kind="grades", order=("mild", "bad", "huge")).fit(["mild", "bad"], ("grade",))
    with pytest.raises(InputError, match=r"target.order names more than once bad: list bad, mild"):
        GradesSpec(kind="grades", order=("mild", "bad", "bad")).fit(["mild", "bad"], ("grade",))


def test_an_order_is_a_list_of_names_with_or_without_quotes() -> None:
    assert GradesSpec.model_validate({"kind": "grades", "order": [0, "1", 2.5]}).order == ("0", "1", "2.5")
    with pytest.raises(ValueError, match=r"a list is wanted, the lowest first.*got '0,1'"):
        GradesSpec.model_validate({"kind": "grades", "order": "0,1"})


def test_a_word_for_none_that_the_separator_tears_is_refused() -> None:
    with pytest.raises(ValueError, match=r"none is 'no finding', which target.separator ' ' would tear apart"):
        SeveralLabelsSpec(kind="several_labels", separator=" ", none="no finding")
    assert SeveralLabelsSpec(kind="several_labels", separator="|", none="no finding").none == "no finding"


def test_words_where_numbers_belong_say_what_to_correct() -> None:
    with pytest.raises(InputError, match=r"row 2, column y: 'ant' is no finite number; correct or remove that row"):
        Numbers(columns=("y",), means=(0.0,), scales=(1.0,)).encode(["1", "ant"])
    with pytest.raises(InputError, match=r"row 1, column y: 'ant' is no finite number; no row has one: .*target.kind"):
        Numbers(columns=("y",), means=(0.0,), scales=(1.0,)).encode(["ant", "bee"])


def test_votes_that_are_no_shares_are_shown_as_written() -> None:
    with pytest.raises(InputError, match=r"row 2: votes p -0.1, q 0.3 are no shares"):
        VoteShares(columns=("p", "q")).encode(["1\x1f0", "-0.1\x1f0.3"])


def test_grades_that_are_numbers_go_by_value() -> None:
    target = GradesSpec(kind="grades").fit(["10", "2", "0.5"], ("grade",))
    assert target.columns == ("0.5", "2", "10")
    assert target.numbers == (0.5, 2.0, 10.0)


def test_grades_share_a_number_between_its_neighbours() -> None:
    target = Grades(columns=("0", "1", "4"), numbers=(0, 1, 4))
    values = target.share_numbers(np.array([-3, 0.25, 2.5, 4, 9]))
    assert values.tolist() == [[1, 0, 0], [0.75, 0.25, 0], [0, 0.5, 0.5], [0, 0, 1], [0, 0, 1]]
    np.testing.assert_allclose(target.expect(values), [0, 0.25, 2.5, 4, 4])


def test_numbers_refuse_text_and_constants() -> None:
    with pytest.raises(InputError, match="training row 2, column b: 'x' is no finite number"):
        NumbersSpec(kind="numbers").fit([join("1", "2"), join("1", "x")], ("a", "b"))
    with pytest.raises(InputError, match="column a is 1 in every row"):
        NumbersSpec(kind="numbers").fit([join("1", "2"), join("1", "3")], ("a", "b"))


def test_votes_without_a_vote_are_refused() -> None:
    target = VoteShares(columns=("x", "y"))
    with pytest.raises(InputError, match="training row 1: votes"):
        target.encode([join("0", "0")])


def test_labels_keep_the_order_of_their_columns() -> None:
    target = SeveralLabelsSpec(kind="several_labels").fit([join("b"), ""], ("b", "a"))
    assert isinstance(target, SeveralLabels)
    assert target.columns == ("b", "a")
    assert target.encode(["a", join("a", "b"), ""]).tolist() == [[0, 1], [1, 1], [0, 0]]
    with pytest.raises(InputError, match="'c' is no label"):
        target.encode(["c"])
