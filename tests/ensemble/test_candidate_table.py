"""The table of combiners."""

import io
from pathlib import Path

from rich.console import Console
from support.fabricated import train_fake, write_params, write_repository

from pipeline.core import cards, paths
from pipeline.ensemble import candidate_table
from pipeline.stages import ensemble


def test_every_candidate_stands_there_with_its_scores_and_the_chosen_one_is_marked(tmp_path: Path) -> None:
    root = write_repository(tmp_path)
    for seed, name in enumerate(("one", "two")):
        train_fake(root, name, seed)
    write_params(root, ["one", "two"], ensemble={"combiners": ["mean", "convex", "rank_mean"]})
    ensemble.run(root)
    card = cards.read_card(paths.card_path(root, "ensemble"), cards.EnsembleCard)
    text = io.StringIO()
    candidate_table.print_candidates(card, Console(file=text, width=160))
    lines = text.getvalue().splitlines()
    for candidate in card.candidates:
        (line,) = [line for line in lines if line.strip().startswith(candidate.name + " ")]
        assert f"{candidate.nested:.4f} ± {candidate.error:.4f}" in line
        assert f"{candidate.in_sample:.4f}" in line
        assert ("<- used" in line) == (candidate.name == card.combiner)
    assert len(card.candidates) == 5


def test_every_member_stands_there_with_its_own_score_and_its_nearest_relation(tmp_path: Path) -> None:
    root = write_repository(tmp_path)
    for name, seed in (("one", 0), ("two", 1)):
        train_fake(root, name, seed)
    ensemble.run(root)
    card = cards.read_card(paths.card_path(root, "ensemble"), cards.EnsembleCard)
    text = io.StringIO()
    candidate_table.print_candidates(card, Console(file=text, width=160))
    (line,) = [line for line in text.getvalue().splitlines() if line.strip().startswith("one ")]
    wanted = (f"{card.alone['one']:.4f}", f"two (r {card.correlation['one']['two']:.2f})")
    assert all(cell in line for cell in (*wanted, f"{card.disagreement['one']['two']:.1%}"))


def test_what_was_not_tried_says_why(tmp_path: Path) -> None:
    root = write_repository(tmp_path, metric="log_loss")
    for seed, name in enumerate(("one", "two")):
        train_fake(root, name, seed)
    write_params(root, ["one", "two"], ensemble={"combiners": ["mean", "greedy_metric"]})
    ensemble.run(root)
    text = io.StringIO()
    card = cards.read_card(paths.card_path(root, "ensemble"), cards.EnsembleCard)
    candidate_table.print_candidates(card, Console(file=text, width=160))
    assert "not tried: greedy_metric (the metric is log loss" in text.getvalue()


def test_eighty_columns_hold_both_tables_a_line_each_row(tmp_path: Path) -> None:
    root = write_repository(tmp_path)
    for seed, name in enumerate(("one", "two")):
        train_fake(root, name, seed)
    ensemble.run(root)
    card = cards.read_card(paths.card_path(root, "ensemble"), cards.EnsembleCard)
    longest = card.candidates[0].model_copy(update={"name": "weighted_geometric+temperature", "behind_error": 0.0123})
    member = "mobilenet_v2_xception_logistic"
    renamed = card.model_copy(
        update={
            "candidates": (longest, *card.candidates[1:]),
            "combiner": longest.name,
            "members": (member, "two"),
            **{key: {member: getattr(card, key)["one"]} | getattr(card, key) for key in ("alone", "weights")},
            **{
                key: {
                    member: {"two": getattr(card, key)["one"]["two"]},
                    "two": {member: getattr(card, key)["one"]["two"]},
                }
                for key in ("correlation", "disagreement")
            },
        }
    )
    text = io.StringIO()
    candidate_table.print_candidates(renamed, Console(file=text, width=80))
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    rows = [line.strip() for line in lines]
    assert any(row.startswith(f"{longest.name} *") and row.endswith("± 0.0123") for row in rows)
    assert any(row.startswith(member) and row.endswith("%") for row in rows)
    assert max(len(line) for line in lines if "weights" not in line and "not tried" not in line) <= 80
    assert any(row.startswith("* used, with the weights ") for row in rows)
