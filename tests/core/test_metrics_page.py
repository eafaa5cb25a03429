"""docs/metrics.md names every metric of every kind."""

import re
from pathlib import Path

import pytest

from pipeline.core.measures.metric import MetricOptions
from pipeline.core.metrics import REQUIRED, list_metrics_for
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.targets.vote_shares import VoteShares

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
TARGETS: tuple[Target, ...] = (
    OneClass(columns=("a", "b")),
    SeveralLabels(columns=("a", "b")),
    Numbers(columns=("x",), means=(0.0,), scales=(1.0,)),
    VoteShares(columns=("a", "b")),
)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: str(target.kind))
def test_the_page_lists_what_judges_a_kind(target: Target) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{target.kind}` |"))
    listed = re.findall(r"`(\w+)`", row.split("|")[2])
    assert listed == sorted(list_metrics_for(target, MetricOptions()))


@pytest.mark.parametrize("option", sorted(set(REQUIRED.values())))
def test_the_page_says_which_metrics_need_an_option(option: str) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{option}` |"))
    needing = {name for name, needed in REQUIRED.items() if needed == option}
    assert set(re.findall(r"`(\w+)`", row.split("|")[2])) == needing
