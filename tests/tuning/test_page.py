"""The page of a study: in a real browser, and with the study's own numbers."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState
from playwright.sync_api import Browser
from support.browser import browser, check_page

from pipeline.core.cards import TrialCard, TuningCard, VerdictCard
from pipeline.tuning import page, trial_states

__all__ = ["browser"]  # a fixture
BEGIN = datetime(2026, 11, 20, 22, 0, 0)
KINDS: dict[str, BaseDistribution] = {
    "training.optimizer.learning_rate": FloatDistribution(1e-3, 1e-1, log=True),
    "network.units": CategoricalDistribution(["[8]", "[16]"]),
    "training.schedule.warmup_epochs": FloatDistribution(0, 4),
}


def trial(number: int, state: TrialState, two: bool) -> optuna.trial.FrozenTrial:
    params: dict[str, Any] = {"training.optimizer.learning_rate": 0.002 * (number + 1), "network.units": "[8]"}
    if number % 2:  # a condition
        params |= {"network.units": "[16]", "training.schedule.warmup_epochs": float(number % 4)}
    values = [0.7 + 0.01 * number, 10.0 + number][: 1 + two]
    failed = {trial_states.REASON: "<b>NaN</b> in epoch 3"} if state == TrialState.FAIL else {}
    made = optuna.create_trial(
        state=state,
        values=values if state == TrialState.COMPLETE else None,
        params=params,
        distributions={name: KINDS[name] for name in params},
        intermediate_values={} if two else {1: 0.5, 2: 0.6 + 0.01 * number},
        user_attrs={trial_states.SETTINGS: params, trial_states.SECONDS: 12.0} | failed,
    )
    made.datetime_start = BEGIN + timedelta(minutes=number)
    made.datetime_complete = BEGIN + timedelta(minutes=number + 1)
    return made


def study(two: bool = False, states: tuple[TrialState, ...] | None = None) -> optuna.Study:
    made = optuna.create_study(directions=[StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE][: 1 + two])
    wanted = states or (TrialState.COMPLETE,) * 6 + (TrialState.PRUNED, TrialState.FAIL)
    for number, state in enumerate(wanted):
        made.add_trial(trial(number, state, two))
    return made


def card(made: optuna.Study, **changes: Any) -> TuningCard:
    complete = [each for each in made.get_trials() if each.state == TrialState.COMPLETE]
    trial_cards = [
        TrialCard(
            number=each.number,
            default=not each.number,
            values=tuple(each.values),
            log_loss=0.5,
            seconds=12.0,
            settings=each.params,
        )
        for each in complete
    ]
    verdict = VerdictCard(
        folds=(1, 2), seed=0, rows=1440, default=0.71, tuned=0.7425, gain=0.0325, interval=(0.01, 0.05)
    )
    values: dict[str, Any] = {
        "model": "one",
        "competition": "tiny",
        "metric": "accuracy",
        "greater_is_better": True,
        "study": "one-0123",
        "storage": "a journal file",
        "folds": (0,),
        "space": tuple(KINDS),
        "complete": len(complete),
        "pruned": 1,
        "failed": 1,
        "reasons": {"<b>NaN</b> in epoch 3": 1},
        "searched_seconds": 5400.0,
        "saved_seconds": 1800.0,
        "default": trial_cards[0] if trial_cards else None,
        "best": trial_cards[-1] if trial_cards else None,
        "verdict": verdict if trial_cards else None,
        "adopted": bool(trial_cards),
    }
    return TuningCard.model_validate(values | changes)


@pytest.mark.slow
@pytest.mark.parametrize("two", [False, True])
def test_the_page_opens_in_a_browser(browser: Browser, tmp_path: Path, two: bool) -> None:
    made = study(two)
    study_card = card(made)
    page_card = study_card.model_copy(update={"front": (study_card.default, study_card.best)}) if two else study_card
    path = tmp_path / "one.html"
    page.write_study_page(path, made, page_card)
    check_page(browser, path.as_uri())
    text = path.read_text()
    assert ("Front" in text) == two
    assert "<b>NaN" not in text


def test_the_page_of_a_study_without_a_score_says_so(tmp_path: Path) -> None:
    made = study(states=(TrialState.FAIL, TrialState.PRUNED))
    page.write_study_page(tmp_path / "one.html", made, card(made))
    text = (tmp_path / "one.html").read_text()
    assert "No trial was completed: the recipe is used unchanged." in text
    assert "History" not in text


def test_the_sentences_give_the_confirmed_score_and_its_significance() -> None:
    study_card = card(study())
    text = " ".join(page.describe_study(study_card))
    assert "8 trials in 1.50 hours on folds [0]: 6 complete, 1 pruned, 1 failed" in text
    assert "scores 0.7425, the unchanged recipe 0.7100: +0.0325 [+0.0100, +0.0500]; the interval excludes 0" in text
    assert "Its settings are used instead of the recipe's." in text
    assert study_card.verdict is not None
    unsure = study_card.model_copy(
        update={"verdict": study_card.verdict.model_copy(update={"interval": (-0.01, 0.05)})}
    )
    assert "it may be due to chance" in " ".join(page.describe_study(unsure))


@pytest.mark.parametrize(("confirmed", "words"), [((1, 2), "did not use"), ((0, 1, 2), "used as well")])
def test_rows_that_the_search_used_are_not_described_as_unseen(confirmed: tuple[int, ...], words: str) -> None:
    assert words in page.describe_rows(confirmed, (0, 1, 2) if 0 in confirmed else (0,))
