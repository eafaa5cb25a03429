"""The board: our scores beside the leaderboard's, and where they disagree."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console
from support.fabricated import PROBABILITIES, write_repository
from support.kaggle_server import KaggleServer
from support.warm_client import warm

from pipeline.cli import main
from pipeline.core.errors import InputError
from pipeline.kaggle import board, submission_log
from pipeline.kaggle.board import draw_agreements
from pipeline.kaggle.submission_log import LogEntry
from pipeline.stages import board as stage


def entry(number: int, oof: float | None, public: float | None, **changes: Any) -> LogEntry:
    values = {
        "time": f"2026-11-21T12:{number:02}:00Z",
        "name": f"model{number}",
        "message": "a message",
        "oof": oof,
        "public_lb": public,
        "competition": "tiny",
        "status": "scored" if public is not None else "pending",
        "ref": str(number),
        "sha256": f"{number:064x}",
    }
    return LogEntry.model_validate(values | changes)


def entries(*pairs: tuple[float, float]) -> list[LogEntry]:
    return [entry(number, *pair) for number, pair in enumerate(pairs)]


def printed(rows: list[LogEntry], greater_is_better: bool = True, width: int = 120) -> list[str]:
    out = io.StringIO()
    board.print_board(rows, "Tiny: accuracy", greater_is_better, Console(file=out, width=width, highlight=False))
    return [line.strip() for line in out.getvalue().splitlines()]


def test_the_rank_correlation_is_the_one_worked_by_hand() -> None:
    # Ranks 1 2 3 4 and 2 1 4 3: 1 - 6 * (1 + 1 + 1 + 1) / (4 * 15) = 0.6
    agreement = board.compare_scores(
        entries((0.9, 0.8), (0.8, 0.9), (0.7, 0.6), (0.6, 0.7)), "public", greater_is_better=True
    )
    assert agreement.correlation == pytest.approx(0.6)
    assert agreement.disagreeing == ()


def test_of_equal_scores_each_has_the_mean_rank() -> None:
    agreement = board.compare_scores(entries((0.9, 0.5), (0.8, 0.5), (0.7, 0.4)), "public", greater_is_better=True)
    assert agreement.ranks.tolist() == [[1, 2, 3], [1.5, 1.5, 3]]


def test_the_order_of_the_log_changes_nothing() -> None:
    rows = entries((0.9, 0.5), (0.8, 0.6), (0.7, 0.4), (0.6, 0.7))
    one, other = (board.compare_scores(given, "public", True) for given in (rows, rows[::-1]))
    assert (one.entries, one.correlation, one.disagreeing) == (other.entries, other.correlation, other.disagreeing)


def test_what_the_leaderboard_puts_far_away_disagrees() -> None:
    rows = entries((0.9, 0.5), (0.8, 0.8), (0.7, 0.7), (0.6, 0.6))
    agreement = board.compare_scores(rows, "public", greater_is_better=True)
    assert [agreement.entries[row].name for row in agreement.disagreeing] == ["model0"]
    lines = printed(rows)
    assert "disagrees: model0 (2026-11-21 12:00): rank 1 by CV, rank 4 on the public LB" in lines
    assert "the public LB is a small sample: where it disagrees, trust CV" in lines


def test_in_a_loss_the_lowest_comes_first() -> None:
    rows = entries((0.9, 0.5), (0.5, 0.3), (0.7, 0.4))
    agreement = board.compare_scores(rows, "public", greater_is_better=False)
    assert [best.name for best in agreement.entries] == ["model1", "model2", "model0"]
    assert agreement.correlation == pytest.approx(1.0)
    names = [line.split()[0] for line in printed(rows, greater_is_better=False) if line.startswith("model")]
    assert names == ["model1", "model2", "model0"]


def test_among_many_neighbours_that_change_places_do_not_disagree() -> None:
    pairs = [(1 - row / 100, 1 - (row + (2 if row % 4 < 2 else -2)) / 100) for row in range(16)]
    agreement = board.compare_scores(entries(*pairs), "public", greater_is_better=True)
    assert agreement.disagreeing == ()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_submissions_have_no_correlation(count: int) -> None:
    rows = entries((0.9, 0.5), (0.8, 0.6))[:count]
    assert f"CV against public LB: submissions with both scores: {count}; a rank correlation needs 3" in printed(rows)


@pytest.mark.parametrize("pairs", [((0.9, 0.5), (0.8, 0.5), (0.7, 0.5)), ((0.9, 0.5), (0.9, 0.6), (0.9, 0.7))])
def test_equal_scores_have_no_correlation(pairs: tuple[tuple[float, float], ...]) -> None:
    line = "CV against public LB: one of the two scores is the same for all 3 submissions; no rank correlation"
    assert line in printed(entries(*pairs))


def test_the_nested_score_stands_for_us_where_there_is_one() -> None:
    rows = [entry(0, 0.9, 0.5, nested_cv=0.6), entry(1, 0.8, 0.6)]
    assert board.compare_scores(rows, "public", True).ours.tolist() == [0.8, 0.6]


def test_the_same_file_counts_once() -> None:
    rows = [entry(0, 0.9, 0.5), entry(1, 0.8, 0.6), entry(2, 0.9, 0.7, sha256=f"{0:064x}")]
    assert board.compare_scores(rows, "public", True).theirs.tolist() == [0.7, 0.6]


def test_kaggles_score_counts_before_one_graded_here() -> None:
    rows = [entry(0, 0.9, 0.5), entry(1, 0.9, 0.7, sha256=f"{0:064x}", status="graded")]
    assert board.compare_scores(rows, "public", True).theirs.tolist() == [0.5]


def test_private_scores_are_compared_once_they_are_there() -> None:
    rows = entries((0.9, 0.8), (0.8, 0.7), (0.7, 0.6))
    assert not any("private LB:" in line for line in printed(rows))
    later = [known.model_copy(update={"private_lb": known.oof}) for known in rows]
    assert "CV against private LB: rank correlation 1.00 (Spearman, 3 submissions)" in printed(later)


def test_what_has_no_score_says_why_and_comes_last_without_our_own() -> None:
    lines = printed([entry(0, None, 0.5), entry(1, 0.8, None), entry(2, 0.7, None, status="failed")])
    rows = [line.split() for line in lines if line.startswith("model")]
    assert [row[0] for row in rows] == ["model1", "model2", "model0"]
    assert ("pending" in rows[0], "failed" in rows[1], "0.50000" in rows[2]) == (True, True, True)


def test_a_narrow_terminal_folds_messages_and_no_figure() -> None:
    rows = [entry(0, 0.123456, 0.23456, nested_cv=0.34567, private_lb=0.45678, message="word " * 40)]
    lines = printed(rows, width=80)
    assert max(map(len, lines)) <= 80
    for figure in ("0.12346", "0.23456", "0.34567", "0.45678", "2026-11-21 12:00"):
        assert any(figure in line for line in lines)


def test_brackets_in_a_message_are_shown_as_they_are() -> None:
    assert any("[red]x[/red]" in line for line in printed([entry(0, 0.5, 0.5, message="[red]x[/red]")]))


def test_the_same_board_gives_the_same_picture(tmp_path: Path) -> None:
    rows = entries((0.9, 0.5), (0.8, 0.8), (0.7, 0.7), (0.6, 0.6))
    rows[0] = rows[0].model_copy(update={"name": "$a_b^" + "n" * 99})
    both = [board.compare_scores(rows, "public", True), board.compare_scores(rows[:1], "public", True)]
    for name in ("a", "b"):
        draw_agreements(both, "accuracy", tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (968, 440)


def test_another_board_gives_another_picture(tmp_path: Path) -> None:
    pictures = []
    for score in (0.5, 0.6):
        draw_agreements([board.compare_scores([entry(0, 0.9, score)], "public", True)], "accuracy", tmp_path / "a.png")
        pictures.append((tmp_path / "a.png").read_bytes())
    assert pictures[0] != pictures[1]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_repository(tmp_path, PROBABILITIES, "log_loss")


def test_the_command_line_shows_the_active_competition_and_draws_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for known in (*entries((0.9, 0.5), (0.8, 0.4)), entry(7, 0.1, 0.1, competition="former")):
        submission_log.append_entry(root, known)
    monkeypatch.chdir(root)
    assert main(["board"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Fabricated: log_loss (lower is better)")
    assert "model7" not in out
    assert out.splitlines()[-1] == "plot: reports/board.png"
    with Image.open(root / "reports" / "board.png") as picture:
        assert picture.size == (484, 440)


def test_without_a_log_it_says_how_to_begin(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage.run(root, refresh=False)
    assert capsys.readouterr().out == "no submissions of tiny yet; `python -m pipeline submit` makes the first\n"
    assert not (root / "reports").exists()


def test_without_any_score_there_is_no_picture(root: Path) -> None:
    submission_log.append_entry(root, entry(0, 0.5, None))
    stage.run(root, refresh=False)
    assert not (root / "reports").exists()


def test_a_refresh_wants_a_competition_at_kaggle(root: Path) -> None:
    with pytest.raises(InputError, match="names no competition at Kaggle"):
        stage.run(root, refresh=True)


def at_kaggle(root: Path) -> None:
    path = root / "configs" / "competitions" / "tiny.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("{", '{"kaggle": "tiny-pets",', 1), encoding="utf-8")


def test_a_refresh_without_submissions_asks_nobody(root: Path, kaggle_server: KaggleServer) -> None:
    at_kaggle(root)
    submission_log.append_entry(root, entry(1, 0.5, 0.5, ref=None, status="graded"))
    stage.run(root, refresh=True)
    assert not kaggle_server.log


def test_a_refresh_that_kaggle_refuses_leaves_the_log_alone(
    root: Path, kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm(monkeypatch, root)
    at_kaggle(root)
    submission_log.append_entry(root, entry(1, 0.5, None))
    before = submission_log.log_path(root).read_bytes()
    kaggle_server.refuse("ListSubmissions", 429, "Too Many Requests")
    with pytest.raises(InputError, match="too many requests to Kaggle"):
        stage.run(root, refresh=True)
    assert submission_log.log_path(root).read_bytes() == before


def test_a_refresh_says_which_submissions_kaggle_lists_no_more(
    root: Path, kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    warm(monkeypatch, root)
    at_kaggle(root)
    submission_log.append_entry(root, entry(1, 0.5, None))
    stage.run(root, refresh=True)
    out = capsys.readouterr().out
    assert "0 lines of submissions/log.csv updated from Kaggle" in out
    assert "some pending ones are older than the newest 200 that Kaggle lists: see https://" in out
