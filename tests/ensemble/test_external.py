"""Members made elsewhere: read by name, checked like our own."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.fabricated import CLASSES, random_probs, train_fake, write_model_card, write_params, write_repository

from pipeline.cli import main
from pipeline.core import cards, paths, tables
from pipeline.core.config import read_params, read_yaml
from pipeline.core.errors import InputError
from pipeline.core.targets.classes import OneClass
from pipeline.ensemble.external import PredictionFiles, check_same_folds, read_external
from pipeline.kaggle.submitting import make_default_message
from pipeline.stages import ensemble

TARGET = OneClass(columns=CLASSES)
IDS = tuple(f"i{number}" for number in range(6))


@pytest.fixture
def probs() -> np.ndarray:
    return random_probs(6, 3, seed=0)


def write(path: Path, frame: pd.DataFrame) -> PredictionFiles:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return PredictionFiles(path)


def table(probs: np.ndarray, name: str = "id") -> pd.DataFrame:
    frame = pd.DataFrame(probs, columns=list(CLASSES))
    frame.insert(0, name, list(IDS))
    return frame


@pytest.mark.parametrize("kind", [".csv", ".parquet"])
@pytest.mark.parametrize("name", ["id", "image"])
def test_rows_and_columns_are_aligned_by_name(tmp_path: Path, probs: np.ndarray, kind: str, name: str) -> None:
    turned = table(probs, name)[["cat", name, "bee", "ant"]].iloc[::-1]
    read = read_external(write(tmp_path / f"oof{kind}", turned), TARGET, IDS)
    assert read.ids == IDS
    np.testing.assert_allclose(read.probs, probs, atol=1e-6)


@pytest.mark.parametrize("header", ["id\n", ""])
def test_an_array_is_read_with_ids_and_classes_beside_it(tmp_path: Path, probs: np.ndarray, header: str) -> None:
    np.save(tmp_path / "oof.npy", probs[:, ::-1])
    (tmp_path / "ids.txt").write_text(header + "\n".join(IDS) + "\n")
    given = PredictionFiles(tmp_path / "oof.npy", tmp_path / "ids.txt", CLASSES[::-1])
    np.testing.assert_array_equal(read_external(given, TARGET, IDS).probs, probs)


def test_an_array_alone_is_refused(tmp_path: Path, probs: np.ndarray) -> None:
    np.save(tmp_path / "oof.npy", probs)
    with pytest.raises(InputError, match="names neither rows nor columns: give --oof-ids"):
        read_external(PredictionFiles(tmp_path / "oof.npy"), TARGET, IDS)


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "oof.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "ids.txt").write_text("id\ni0\n")
    with pytest.raises(InputError, match=r"oof.npy is no array of numbers"):
        read_external(PredictionFiles(tmp_path / "oof.npy", tmp_path / "ids.txt", CLASSES), TARGET, IDS)


def changed(frame: pd.DataFrame, how: str) -> pd.DataFrame:
    match how:
        case "missing":
            return frame[:-1]
        case "extra":
            return pd.concat([frame, frame[:1].assign(id="new")])
        case "twice":
            return pd.concat([frame, frame[:1]])
        case "class":
            return frame.rename(columns={"cat": "catt"})
        case "nan":
            return frame.assign(ant=np.nan)
        case "infinite":
            return frame.assign(ant=np.inf)
        case "zero":
            return frame.assign(ant=0.0, bee=0.0, cat=0.0)
        case "sum":
            return frame.assign(ant=frame["ant"] + 0.1)
        case _:
            return frame.assign(ant="much")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", r"lacks 1 ids \(i5\) and has 0 too many"),
        ("extra", r"lacks 0 ids \(\) and has 1 too many \(new\)"),
        ("twice", r"1 ids are there more than once: i0"),
        ("class", r"beside the classes it has|lacks the classes cat"),
        ("nan", r"cells that are no numbers"),
        ("infinite", r"6 rows are no probabilities .* ids i0"),
        ("zero", r"6 rows are no probabilities .* ids i0"),
        ("sum", r"6 rows are no probabilities .* ids i0"),
        ("text", r"cells that are no numbers"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, probs: np.ndarray, how: str, message: str) -> None:
    given = write(tmp_path / "oof.csv", changed(table(probs), how))
    with pytest.raises(InputError, match=message):
        read_external(given, TARGET, IDS)


@pytest.mark.parametrize("kind", [".csv", ".parquet"])
def test_an_empty_cell_is_named_by_its_row_and_column(tmp_path: Path, probs: np.ndarray, kind: str) -> None:
    frame = table(probs)
    frame.iloc[1, 2] = np.nan
    given = write(tmp_path / f"oof{kind}", frame)
    words = rf"1 cells that are no numbers, such as .* row 2 \(id {frame['id'].iloc[1]}\), column {frame.columns[2]};"
    with pytest.raises(InputError, match=words):
        read_external(given, TARGET, IDS)


def test_an_unknown_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "oof.pkl").write_bytes(b"")
    with pytest.raises(InputError, match=r"oof.pkl is no .csv, .parquet or .npy file"):
        read_external(PredictionFiles(tmp_path / "oof.pkl"), TARGET, IDS)


def folds() -> pd.DataFrame:
    return pd.DataFrame({"id": list(IDS), "label": 0, "group": range(6), "fold": [0, 1, 2, 0, 1, 2]})


def test_folds_numbered_otherwise_are_the_same_folds(tmp_path: Path) -> None:
    write(tmp_path / "folds.csv", folds().assign(fold=folds()["fold"].map({0: "c", 1: "a", 2: "b"}))[["id", "fold"]])
    assert check_same_folds(tmp_path / "folds.csv", folds()) == tables.folds_digest(folds())


@pytest.mark.parametrize("wrong", [[0, 1, 2, 0, 1, 1], [0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5]])
def test_other_folds_are_refused(tmp_path: Path, wrong: list[int]) -> None:
    write(tmp_path / "folds.csv", folds().assign(fold=wrong))
    with pytest.raises(InputError, match=r"divides the images otherwise than folds/folds.csv"):
        check_same_folds(tmp_path / "folds.csv", folds())


def test_folds_of_other_images_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "folds.csv", folds()[1:])
    with pytest.raises(InputError, match="hold different ids: i0"):
        check_same_folds(tmp_path / "folds.csv", folds())


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two models of ours, and the files of a third made elsewhere."""
    root = write_repository(tmp_path)
    for seed, name in enumerate(("one", "two", "there")):
        train_fake(root, name, seed)
    for part, path in (("oof", paths.oof_path(root, "there")), ("test", paths.predicted_test_path(root, "there"))):
        pd.read_parquet(path).to_csv(root / f"{part}.csv", index=False)
        path.unlink()
    monkeypatch.chdir(root)
    return root


ADD = ["add-member", "there", "--oof", "oof.csv", "--test", "test.csv"]


def test_a_member_with_its_folds_joins_the_ensemble(root: Path) -> None:
    assert main([*ADD, "--folds", "folds/folds.csv"]) == 0
    assert read_params(root)["ensemble"]["external"] == ["there"]
    ensemble.run(root)
    card = cards.read_card(paths.card_path(root, "ensemble"), cards.EnsembleCard)
    assert card.members == ("one", "there", "two")


def test_added_again_it_is_listed_once(root: Path) -> None:
    for _ in range(2):
        assert main([*ADD, "--folds", "folds/folds.csv"]) == 0
    assert read_params(root)["ensemble"]["external"] == ["there"]


def test_a_member_whose_folds_nothing_shows_needs_leave(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ADD) == 0
    assert "it is unknown whether it was made on folds/folds.csv" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"score of there may be optimistic: nothing shows on which folds"):
        ensemble.run(root)


def test_the_name_of_a_model_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-member", "one", *ADD[2:]]) == 1
    assert "one is a model of this repository" in capsys.readouterr().err


def test_after_a_refusal_nothing_is_left_behind(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "test.csv").write_text("id,ant,bee,cat\nt0,1,0,0\n")
    before = (root / "params.yaml").read_bytes()
    assert main(ADD) == 1
    assert "lacks 19 ids" in capsys.readouterr().err
    assert (root / "params.yaml").read_bytes() == before
    assert not paths.oof_path(root, "there").exists()


def test_a_section_that_cannot_be_added_to_is_refused_before_anything_is_written(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params(root, ["one", "two"], ensemble=["mean"])
    assert main([*ADD, "--folds", "folds/folds.csv"]) == 1
    assert "params.yaml: ensemble must be a mapping" in capsys.readouterr().err
    assert not paths.oof_path(root, "there").exists()


def test_a_section_of_defaults_gets_the_member(root: Path) -> None:
    write_params(root, ["one", "two"], ensemble=None)
    assert main([*ADD, "--folds", "folds/folds.csv"]) == 0
    assert read_yaml(root / "params.yaml")["ensemble"] == {"external": ["there"]}


def test_a_member_that_needs_leave_is_marked_in_every_report(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ADD) == 0
    external = {"combiners": ["mean"], "external": ["there"], "allow_peeked": True}
    write_params(root, ["one", "two"], ensemble=external)
    for name in ("one", "two"):
        write_model_card(root, name)
    assert main(["ensemble"]) == 0
    assert main(["submission", "ensemble"]) == 0
    assert main(["scores"]) == 0
    out = capsys.readouterr().out
    assert "* ensemble: its score may be optimistic, as those of these members may: there" in out
    card = cards.read_card(root / "submissions" / "ensemble.json", cards.SubmissionCard)
    assert card.peeked == ("nothing shows on which folds it was trained",)
    assert "(may be optimistic)" in make_default_message(card)


@pytest.mark.parametrize("values", [np.ones((6, 3), dtype=complex), np.full((6, 3), "a"), np.ones(6)])
def test_an_array_that_is_no_table_of_real_numbers_is_refused(tmp_path: Path, values: np.ndarray) -> None:
    np.save(tmp_path / "oof.npy", values)
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    with pytest.raises(InputError, match=r"oof.npy is no table of real numbers"):
        read_external(PredictionFiles(tmp_path / "oof.npy", tmp_path / "ids.txt", CLASSES), TARGET, IDS)
