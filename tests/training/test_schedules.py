"""Learning-rate tables against values worked by hand."""

import numpy as np
import pytest

from pipeline.core.config import Section, parse
from pipeline.core.errors import InputError
from pipeline.training.recipes.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    Exponential,
    OneCycle,
    Plateau,
    Schedule,
    Step,
    tabulate_rates,
)


class Wrapped(Section):
    schedule: Schedule


@pytest.mark.parametrize("schedule", [Constant(name="constant"), Plateau(name="plateau")])
def test_constant_and_plateau_keep_the_base_rate_by_themselves(schedule: Schedule) -> None:
    assert tabulate_rates(schedule, 0.5, 3, 2).tolist() == [0.5] * 6


def test_a_step_schedule_falls_at_the_first_step_of_each_stage() -> None:
    rates = tabulate_rates(Step(name="step", every=2, factor=0.5), 0.8, 5, 2)
    assert rates == pytest.approx([0.8] * 4 + [0.4] * 4 + [0.2] * 2)


def test_an_exponential_schedule_ends_at_its_final_share_and_passes_its_root_halfway() -> None:
    rates = tabulate_rates(Exponential(name="exponential", final=0.01), 2.0, 1, 5)
    assert rates == pytest.approx([2.0, 2.0 * 0.01**0.25, 0.2, 2.0 * 0.01**0.75, 0.02])


def test_cosine_without_warm_up_starts_at_the_base_halves_in_the_middle_and_ends_at_zero() -> None:
    rates = tabulate_rates(Cosine(name="cosine"), 0.4, 1, 5)
    # (1 + cos(pi/4)) / 2 = 0.8535534
    assert rates == pytest.approx([0.4, 0.4 * 0.8535534, 0.2, 0.4 * 0.1464466, 0.0], abs=1e-7)


def test_cosine_warm_up_climbs_in_equal_steps_and_then_touches_the_base() -> None:
    rates = tabulate_rates(Cosine(name="cosine", warmup_epochs=1.5, final=0.1), 1.0, 4, 2)
    # Three of eight steps climb; the other five fall to 0.1 over four intervals.
    falling = [1.0, 0.1 + 0.9 * 0.8535534, 0.55, 0.1 + 0.9 * 0.1464466, 0.1]
    assert rates == pytest.approx([0.25, 0.5, 0.75, *falling])


def test_one_cycle_rises_from_its_start_to_the_base_and_falls_to_zero() -> None:
    rates = tabulate_rates(OneCycle(name="one_cycle", rise=0.5, start=0.2), 1.0, 1, 9)
    rising = [0.2, 0.2 + 0.8 * 0.1464466, 0.6, 0.2 + 0.8 * 0.8535534]
    assert rates == pytest.approx([*rising, 1.0, 0.8535534, 0.5, 0.1464466, 0.0], abs=1e-7)


@pytest.mark.parametrize(
    "schedule",
    [
        Step(name="step", every=1),
        Exponential(name="exponential"),
        Cosine(name="cosine", warmup_epochs=0.5),
        OneCycle(name="one_cycle"),
    ],
)
@pytest.mark.parametrize(("epochs", "steps"), [(1, 1), (1, 2), (30, 7)])
def test_every_schedule_is_a_finite_rate_per_step_that_never_exceeds_the_base(
    schedule: Schedule, epochs: int, steps: int
) -> None:
    rates = tabulate_rates(schedule, 0.1, epochs, steps)
    assert rates.shape == (epochs * steps,)
    assert rates.dtype == np.float32
    assert np.isfinite(rates).all()
    assert rates.min() >= 0
    assert rates.max() <= np.float32(0.1)


def test_every_section_has_its_curve() -> None:
    assert set(SCHEDULES) == {"constant", "step", "exponential", "plateau", "cosine", "one_cycle"}


def test_an_argument_of_another_schedule_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"unknown key schedule.cosine.factor"):
        parse({"schedule": {"name": "cosine", "factor": 0.1}}, Wrapped, "a.yaml")
