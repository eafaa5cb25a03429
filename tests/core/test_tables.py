"""The contracts: every table and card survives a round trip, and each invariant is held."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from natsort import natsorted, ns
from support.fabricated import index, random_probs, write_model_card

from pipeline.core import cards, files, paths, tables
from pipeline.core.csvs import read_source_table
from pipeline.core.errors import InputError
from pipeline.core.ids import check_ids, check_unique, natural_order
from pipeline.core.predictions import Predictions, check_predictions, read_predictions, write_predictions

CLASSES = ("ant", "NA", "1e5")
FOLDS = pd.DataFrame(
    {"id": list("abcdef"), "label": [0, 1] * 3, "group": [0, 1, 2, 3, 4, 5], "fold": [0, 0, 1, 1, 2, 2]}
)


def predictions(ids: tuple[str, ...] = ("10", "2", "007")) -> Predictions:
    return Predictions(ids, random_probs(len(ids), 3, seed=0), CLASSES)


def test_ids_sort_as_people_count() -> None:
    assert natural_order(["10", "img2", "1", "2", "img10"]) == ["1", "2", "10", "img2", "img10"]


def test_ascii_names_are_sorted_as_natsort_sorts_them() -> None:
    random = np.random.default_rng(0)
    for letters in ("a1", "01", "aB_./-0129 ", "a.9-+e"):
        for _ in range(300):
            names = ["".join(random.choice(list(letters), random.integers(7))) for _ in range(8)]
            assert natural_order(names) == natsorted(sorted(names), alg=ns.INT)


def test_equal_numbers_have_one_order() -> None:
    assert natural_order(["1", "01"]) == natural_order(["01", "1"])


def test_a_minus_sign_or_a_dot_is_text() -> None:
    assert natural_order(["img-10", "img-9"]) == ["img-9", "img-10"]
    assert natural_order(["v1.10", "v1.9"]) == ["v1.9", "v1.10"]


def test_repeated_ids_are_listed_once_each() -> None:
    with pytest.raises(InputError, match="here: 2 ids are there more than once: a, b; keep one"):
        check_unique(["a", "b", "a", "b", "a", "c"], "here")


@pytest.mark.parametrize("name", ["../../x", "..", "a/../b", "/etc/x", "\\x", "C:x", "a\x00b", "", "..\\x"])
def test_ids_that_leave_their_folder_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="here: 1 ids are empty or leave their folder"):
        check_ids(["good", name], "here")


@pytest.mark.parametrize("name", ["a", "a/b.png", "x..y", "...", "ä ö", "1,5", "a b"])
def test_ordinary_ids_pass(name: str) -> None:
    check_ids([name], "here")


def test_an_index_survives_a_round_trip(tmp_path: Path) -> None:
    written = index(
        ["007", "NA", "None", "1e5", 'say "hi", you', "ä"], [0, 1, 2, -1, 0, 1], groups=["", "NA", "", "", "", ""]
    )
    tables.write_index(tmp_path / "train.csv", written)
    pd.testing.assert_frame_equal(tables.read_index(tmp_path / "train.csv"), written, check_dtype=False)


def test_an_index_with_repeated_ids_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train.csv: 1 ids are there more than once: a"):
        tables.write_index(tmp_path / "train.csv", index(["a", "a"], [0, 0]))
    assert list(tmp_path.iterdir()) == []


def test_an_index_without_a_column_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train.csv lacks the columns hash; it has id"):
        tables.write_index(tmp_path / "train.csv", index(["a"], [0]).drop(columns="hash"))


def test_a_missing_index_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train.csv does not exist; run `dvc repro prepare`"):
        tables.read_index(tmp_path / "train.csv")


def test_classes_survive_a_round_trip(tmp_path: Path) -> None:
    tables.write_classes(tmp_path / "classes.json", CLASSES)
    assert tables.read_classes(tmp_path / "classes.json") == CLASSES


def test_folds_survive_a_round_trip(tmp_path: Path) -> None:
    tables.write_folds(tmp_path / "folds.csv", FOLDS.assign(id=["007", "NA", "c", "d", "e", "f"]))
    read = tables.read_folds(tmp_path / "folds.csv")
    assert read["id"].tolist()[:2] == ["007", "NA"]
    assert read["fold"].dtype == np.int64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": list("abcdea")}, "1 ids are there more than once: a"),
        ({"group": [0, 1, 0, 3, 4, 5]}, "groups 0 are in more than one fold"),
        ({"fold": [0, 0, 1, 1, 3, 3]}, r"numbered 0, 1, ... and be two or more, got \[0, 1, 3\]"),
        ({"fold": [0] * 6}, r"two or more, got \[0\]"),
        ({"label": [0, 0, 0, 0, 1, 1]}, "class 1 in fold 2; lower split.n_splits"),
    ],
)
def test_folds_that_break_an_invariant_are_neither_written_nor_read(
    tmp_path: Path, change: dict[str, list[int]] | dict[str, list[str]], message: str
) -> None:
    broken, path = FOLDS.copy(), tmp_path / "folds.csv"
    for column, values in change.items():
        broken[column] = values
    with pytest.raises(InputError, match=message):
        tables.write_folds(path, broken)
    assert list(tmp_path.iterdir()) == []
    broken.to_csv(path, index=False)
    with pytest.raises(InputError, match=message):
        tables.read_folds(path)


def test_folds_without_a_column_name_it() -> None:
    with pytest.raises(InputError, match="lacks the columns group"):
        tables.check_folds(FOLDS.drop(columns="group"), "folds.csv")


def test_predictions_survive_a_round_trip_bit_for_bit(tmp_path: Path) -> None:
    written = predictions()
    write_predictions(tmp_path / "oof.parquet", written)
    read = read_predictions(tmp_path / "oof.parquet", CLASSES)
    assert (read.ids, read.classes) == (written.ids, written.classes)
    assert read.probs.dtype == np.float32
    assert read.probs.tobytes() == written.probs.tobytes()


def test_the_same_predictions_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        write_predictions(tmp_path / name, predictions())
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_class_called_as_the_id_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"classes.json: no class may be called 'id'"):
        tables.write_classes(tmp_path / "classes.json", ["ego", "id"])
    assert list(tmp_path.iterdir()) == []


def test_columns_of_predictions_are_read_by_name(tmp_path: Path) -> None:
    write_predictions(tmp_path / "oof.parquet", predictions())
    turned = read_predictions(tmp_path / "oof.parquet", predictions().classes[::-1])
    np.testing.assert_array_equal(turned.probs, predictions().probs[:, ::-1])


def test_what_predictions_were_made_on_travels_with_them(tmp_path: Path) -> None:
    made = replace(predictions(), folds="f" * 64, peeked=("the best epoch",))
    write_predictions(tmp_path / "oof.parquet", made)
    read = read_predictions(tmp_path / "oof.parquet", made.classes)
    assert (read.folds, read.peeked) == (made.folds, made.peeked)


def test_the_digest_of_folds_sees_folds_and_not_the_order_of_rows() -> None:
    table = pd.DataFrame({"id": ["a", "b", "c"], "label": 0, "group": [0, 1, 2], "fold": [0, 1, 0]})
    assert tables.folds_digest(table) == tables.folds_digest(table[::-1])
    assert tables.folds_digest(table) != tables.folds_digest(table.assign(fold=[0, 1, 1]))


@pytest.mark.parametrize("classes", [("ant", "1e5", "NB"), ("ant", "NA"), ("ant", "NA", "1e5", "more")])
def test_predictions_of_other_classes_are_refused(tmp_path: Path, classes: tuple[str, ...]) -> None:
    write_predictions(tmp_path / "oof.parquet", predictions())
    with pytest.raises(InputError, match=r"oof.parquet has the columns id, ant, NA, 1e5, wanted id and the classes"):
        read_predictions(tmp_path / "oof.parquet", classes)


@pytest.mark.parametrize(
    "row", [[np.nan, 0.5, 0.5], [np.inf, 0, 0], [-0.1, 0.6, 0.5], [0.2, 0.2, 0.2], [0.5, 0.5, 0.5], [0, 0, 0]]
)
def test_rows_that_are_no_probabilities_are_refused(tmp_path: Path, row: list[float]) -> None:
    written = predictions()
    written.probs[1] = row
    with pytest.raises(
        InputError, match=r"1 rows are no probabilities \(finite, >= 0, sum 1\), ids 2; the first (holds|sums to) "
    ):
        write_predictions(tmp_path / "oof.parquet", written)
    assert list(tmp_path.iterdir()) == []


def test_predictions_of_one_id_twice_are_refused() -> None:
    with pytest.raises(InputError, match="oof: 1 ids are there more than once: a"):
        check_predictions(predictions(("a", "a", "b")), "oof")


def test_predictions_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match=r"oof: probabilities of shape \(3, 3\), wanted \(2, 3\)"):
        check_predictions(Predictions(("a", "b"), random_probs(3, 3, 0), CLASSES), "oof")


def test_rows_are_aligned_by_id() -> None:
    kept = predictions()
    assert kept.aligned(["007", "10", "2"], "oof").tolist() == kept.probs[[2, 0, 1]].tolist()


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["10", "2", "007", "8"], "oof lacks 1 ids: 8; train that model again"),
        (["10", "2"], "oof has 1 ids too many: 007"),
        (["10", "2", "7"], "oof lacks 1 ids: 7"),
    ],
)
def test_ids_that_do_not_match_are_refused(ids: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        predictions().aligned(ids, "oof")


def test_predictions_that_do_not_exist_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"oof.parquet does not exist; run `dvc repro`"):
        read_predictions(tmp_path / "oof.parquet", CLASSES)


def test_a_card_survives_a_round_trip(tmp_path: Path) -> None:
    write_model_card(tmp_path, "one", peeked=("early stopping",))
    card = cards.read_card(paths.card_path(tmp_path, "one"), cards.ModelCard)
    assert (card.model, card.interval, card.peeked) == ("one", (0.75, 0.85), ("early stopping",))


def test_a_missing_card_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"card.json does not exist; run `dvc repro`"):
        cards.read_card(tmp_path / "card.json", cards.ModelCard)


def test_json_refuses_what_json_cannot_say(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", {"score": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["ensemble", "predictions", "log", "a/b", "..", "", "-x", "a b"])
def test_names_whose_folder_would_be_anothers_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot name a model"):
        paths.check_model_name(name)


def test_the_ensembles_predictions_lie_outside_the_models_folder(tmp_path: Path) -> None:
    models = paths.oof_path(tmp_path, "one").parent.parent
    assert models in paths.predicted_test_path(tmp_path, "two").parents
    assert models not in paths.oof_path(tmp_path, paths.ENSEMBLE).parents


@pytest.mark.parametrize("text", ["", "{", "[1"])
def test_a_damaged_json_says_how_to_get_it_again(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a\.json is not JSON .*; remove it and run X"):
        files.read_json(tmp_path / "a.json", "run X")


@pytest.mark.parametrize("text", ["{", "{}", '{"name": 1}'])
def test_a_file_that_is_no_card_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(
        InputError, match=r"a\.json is no SubmissionCard \(.*\); remove it and run `dvc repro`"
    ) as error:
        cards.read_card(tmp_path / "a.json", cards.SubmissionCard)
    assert "\n" not in str(error.value)


def test_damaged_predictions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "oof.parquet"
    write_predictions(path, predictions())
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"oof\.parquet is not whole .*; train that model again"):
        read_predictions(path, CLASSES)


@pytest.mark.parametrize("text", ["", "id,label,group,fold\na,zero,0,0\n", "id,label,group,fold\na,0,0,\n"])
def test_a_damaged_fold_table_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "folds.csv").write_text(text)
    with pytest.raises(InputError, match=r"folds\.csv is damaged .*; remove it and run `dvc repro split`"):
        tables.read_folds(tmp_path / "folds.csv")


def test_a_copy_is_the_same_file_where_it_is_plain_and_plain_where_it_is_not(tmp_path: Path) -> None:
    for text, wanted in (
        ("id,label\r\n1,a\r\n", "id,label\r\n1,a\r\n"),
        ("sep=;\nid;label\n1; a\n", "id,label\n1,a\n"),
    ):
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode())
        tables.copy_table(path, read_source_table(path), tmp_path / "copy.csv")
        assert (tmp_path / "copy.csv").read_bytes() == wanted.encode()
