"""The section about runs: the score of each, the present one last, and nothing before the second."""

from dataclasses import dataclass
from typing import Any, cast

from pipeline.core.metrics import get_metric
from pipeline.reports.models.evaluation_data import EvaluationData
from pipeline.reports.models.run_history import show_runs
from pipeline.workspace.history import COLUMNS

ACCURACY = get_metric("accuracy")


@dataclass
class Card:
    """The parts of an ensemble's card that the section reads."""

    pooled: float
    interval: tuple[float, float]
    members: tuple[str, ...] = ("one",)


@dataclass
class Data:
    """The parts of the data of the page that the section reads."""

    ensemble_card: Card | None
    metric: Any = ACCURACY


def shown(scores: list[float], now: float | None, metric: str = "accuracy") -> str | None:
    lines = []
    for day, score in enumerate(scores, 1):
        cells = [f"2026-01-0{day} 10:00", metric, "higher", f"{score:.6g}", f"{score - 0.1}", f"{score + 0.1}", "one"]
        lines.append(dict(zip(COLUMNS, [*cells, "seed 0 -> 1", "0.0100 higher (better)"], strict=True)))
    card = None if now is None else Card(now, (now - 0.1, now + 0.1))
    part = show_runs(cast(EvaluationData, Data(card)), lines)
    return None if part is None else "".join(part.section.blocks)


def test_the_present_run_is_the_last_one_where_it_is_new() -> None:
    text = shown([0.5, 0.7], 0.6) or ""
    assert "3 runs; the best is that of 2026-01-02 10:00, nested accuracy 0.7000." in text
    assert "0.6000 [0.5000, 0.7000]" in text
    assert "seed 0 -&gt; 1" in text


def test_a_run_that_is_written_already_is_not_there_twice() -> None:
    assert "2 runs; the last one is the best, nested accuracy 0.7000." in (shown([0.5, 0.7], 0.7) or "")


def test_before_the_second_run_there_is_nothing_to_show() -> None:
    assert shown([], 0.7) is None
    assert shown([0.7], 0.7) is None


def test_runs_by_another_metric_are_left_out() -> None:
    assert shown([0.5, 0.7], 0.6, metric="log_loss") is None
