"""The score table."""

import io
import shutil
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from support.fabricated import (
    CLASSES,
    LABELS,
    PROBABILITIES,
    train_fake,
    write_model_card,
    write_params,
    write_repository,
)

from pipeline.core import cards, files, paths
from pipeline.core.competition import load_competition
from pipeline.core.digests import write_digests
from pipeline.core.errors import InputError
from pipeline.core.predictions import read_predictions
from pipeline.kaggle import board
from pipeline.reports import score_table
from pipeline.stages import ensemble as ensemble_stage
from pipeline.stages import submission as submission_stage


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, their cards, the ensemble and its submission, to copy."""
    root = write_repository(tmp_path_factory.mktemp("trained"))
    for seed, name in enumerate(("one", "two")):
        train_fake(root, name, seed * 2)
        write_model_card(root, name, pooled=0.8012 + seed / 100)
    ensemble_stage.run(root)
    submission_stage.run(root, "ensemble")
    return root


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    """Two models, their cards, the ensemble and its submission."""
    return Path(shutil.copytree(trained_once, tmp_path / "copy"))


def printed(root: Path, width: int = board.PLAIN_WIDTH) -> list[str]:
    out = io.StringIO()
    score_table.print_score_table(root, Console(file=out, width=width, highlight=False))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def line_of(lines: list[str], name: str) -> str:
    return next(line for line in lines if line.split()[:1] in ([name], [name + "*"]))


def names_in_order(lines: list[str]) -> list[str]:
    starts = [line.split()[0].rstrip("*") for line in lines if line.split()]
    return [start for start in starts if start in ("one", "two", "ensemble")]


def write_solution(root: Path, right: int, name: str = "one", **renamed: str) -> None:
    """Writes test labels of which ``right`` agree with a model's most probable class."""
    predictions = read_predictions(paths.predicted_test_path(root, name), CLASSES)
    best = predictions.probs.argmax(axis=1)
    labels = [CLASSES[k if row < right else (k + 1) % 3] for row, k in enumerate(best)]
    solution = pd.DataFrame({"Id": predictions.ids, "Category": labels}).sample(frac=1, random_state=0)
    solution.rename(columns=renamed).to_csv(root / "data" / "prepared" / "solution.csv", index=False)


def test_a_model_shows_its_scores_and_costs(trained: Path) -> None:
    cells = line_of(printed(trained), "one").split()
    assert cells == [
        *("one", "0.8000", "±", "0.1000", "0.8012", "[0.7500,", "0.8500]", "0.5432"),
        *("0.9876", "3", "75", "0.123", "1,234,567"),
    ]


def test_the_best_model_comes_first_and_the_ensemble_last(trained: Path) -> None:
    assert names_in_order(printed(trained)) == ["two", "one", "ensemble"]


def test_the_lowest_log_loss_comes_first(tmp_path: Path) -> None:
    root = write_repository(tmp_path, PROBABILITIES, metric="log_loss")
    for name, pooled in (("one", 0.9), ("two", 0.5)):
        write_model_card(root, name, metric="log_loss", greater_is_better=False, pooled=pooled)
    lines = printed(root)
    assert names_in_order(lines) == ["two", "one"]
    assert "log_loss (lower is better)" in lines[0]


def test_the_last_line_is_the_path_of_the_submission(trained: Path) -> None:
    assert printed(trained)[-1] == "submission: submissions/ensemble.csv"


def test_without_a_submission_the_last_line_says_how_to_get_one(trained: Path) -> None:
    (trained / "submissions" / "ensemble.csv").unlink()
    assert printed(trained)[-1] == "submission: none yet; run `dvc repro`"


def test_a_model_that_was_not_trained_is_named(trained: Path) -> None:
    paths.card_path(trained, "two").unlink()
    assert "not trained yet: two; run `dvc repro`" in printed(trained)


def test_cards_of_another_competition_are_not_shown(trained: Path) -> None:
    write_model_card(trained, "two", competition="former")
    lines = printed(trained)
    assert names_in_order(lines) == ["one"]  # nor the ensemble that holds it
    assert "not trained yet: two; run `dvc repro`" in lines


def test_an_ensemble_of_models_that_left_params_is_not_shown(trained: Path) -> None:
    write_params(trained, ["one"])
    assert names_in_order(printed(trained)) == ["one"]


def test_peeking_is_marked_and_explained(trained: Path) -> None:
    write_model_card(trained, "one", peeked=("early stopping", "checkpoint choice"))
    lines = printed(trained)
    assert line_of(lines, "one").split()[0] == "one*"
    assert "* one: its score may be optimistic: early stopping, checkpoint choice" in lines
    assert not any("two*" in line for line in lines)


def test_one_fold_shows_no_spread(trained: Path) -> None:
    write_model_card(trained, "one", fold_scores={"0": 0.8}, std=0.0)
    assert line_of(printed(trained), "one").split()[:3] == ["one", "0.8000", "0.8012"]


def test_an_interval_without_width_is_not_shown(trained: Path) -> None:
    write_model_card(trained, "one", interval=(0.8012, 0.8012))
    assert "[" not in line_of(printed(trained), "one")


def test_held_back_labels_score_each_model_by_id(trained: Path) -> None:
    write_solution(trained, right=17)
    competition = load_competition(trained)
    assert score_table.score_held_out(trained, "one", competition) == pytest.approx(17 / 20)
    lines = printed(trained)
    assert any("held-out" in line for line in lines)
    assert line_of(lines, "one").split()[8] == "0.8500"


def test_held_back_labels_that_were_edited_are_noticed(trained: Path) -> None:
    write_solution(trained, right=17)
    write_digests(trained / "data" / "prepared")
    write_solution(trained, right=16)
    with pytest.raises(
        InputError, match=r"solution\.csv is not the file that was written there .*dvc repro -f prepare"
    ):
        printed(trained)


def test_without_held_back_labels_nothing_is_said_of_them(trained: Path) -> None:
    assert score_table.score_held_out(trained, "one", load_competition(trained)) is None
    assert not any("held-out" in line for line in printed(trained))


def test_a_probability_competition_takes_the_other_column_of_its_solution(tmp_path: Path) -> None:
    root = write_repository(tmp_path, PROBABILITIES)
    train_fake(root, "one", 1)
    write_solution(root, right=5, Category="breed")
    assert score_table.score_held_out(root, "one", load_competition(root)) == pytest.approx(5 / 20)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Id": "ID"}, "solution.csv has no column 'Id'; did you mean ID"),
        ({"Category": "Kategory"}, "solution.csv has no column 'Category'; did you mean Kategory"),
    ],
)
def test_a_solution_without_its_columns_is_refused(trained: Path, change: dict[str, str], message: str) -> None:
    write_solution(trained, 3, **change)
    with pytest.raises(InputError, match=message):
        printed(trained)


def test_a_solution_with_an_unknown_class_is_refused(trained: Path) -> None:
    path = trained / "data" / "prepared" / "solution.csv"
    write_solution(trained, 3)
    path.write_text(path.read_text(encoding="utf-8").replace("bee", "wasp"), encoding="utf-8")
    with pytest.raises(InputError, match="'wasp' is not a class; known: ant, bee, cat"):
        printed(trained)


def test_a_solution_without_some_test_images_is_refused(trained: Path) -> None:
    path = trained / "data" / "prepared" / "solution.csv"
    write_solution(trained, 3)
    path.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[:-1]), encoding="utf-8")
    with pytest.raises(InputError, match=r"test\.parquet has 1 ids too many"):
        printed(trained)


def test_outside_a_terminal_lines_are_not_folded(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long_name = "a_model_with_quite_a_long_name_as_people_give_them"
    files.write_json(trained / "configs" / "models" / f"{long_name}.yaml", {})
    write_params(trained, ["one", "two", long_name])
    write_model_card(trained, long_name)
    score_table.print_score_table(trained)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "1,234,567" in next(line for line in out.splitlines() if long_name in line)


def test_a_narrow_terminal_gets_scores_above_costs_and_loses_no_figure(trained: Path) -> None:
    write_solution(trained, right=17)
    wide, narrow = printed(trained), printed(trained, width=80)
    assert max(map(len, narrow)) <= 80
    words = [word for line in narrow if line.split()[:1] == ["one"] for word in line.split()]
    assert "".join(words) == "".join([*line_of(wide, "one").split()[:9], "one", *line_of(wide, "one").split()[9:]])


def test_a_table_without_any_card_still_says_what_to_do(tmp_path: Path) -> None:
    lines = printed(write_repository(tmp_path, LABELS))
    assert len(lines) == 3  # no empty table
    assert lines[-2:] == ["not trained yet: one, two; run `dvc repro`", "submission: none yet; run `dvc repro`"]


def test_the_ensemble_of_another_competition_is_not_shown(trained: Path) -> None:
    card = cards.read_card(paths.card_path(trained, "ensemble"), cards.EnsembleCard)
    cards.write_card(paths.card_path(trained, "ensemble"), card.model_copy(update={"competition": "former"}))
    assert names_in_order(printed(trained)) == ["two", "one"]


def test_the_submission_of_another_competition_is_not_shown(trained: Path) -> None:
    path = trained / "submissions" / "ensemble.json"
    card = cards.read_card(path, cards.SubmissionCard)
    cards.write_card(path, card.model_copy(update={"competition": "former"}))
    assert printed(trained)[-1] == "submission: none yet; run `dvc repro`"
