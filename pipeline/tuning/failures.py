"""Reasons of failed trials: counted, and recognised when all trials fail alike."""

import re
from collections import Counter
from collections.abc import Collection, Iterable

from optuna.study import Study

from pipeline.tuning.trial_states import REASON, is_interrupted

_SAME_FAILURES = 10


def find_repeated_failure(study: Study, before: Collection[int] = (), limit: int = _SAME_FAILURES) -> str | None:
    """Returns the reason of the last failure, where the last ``limit`` trials failed alike.

    Args:
        study: theirs.
        before: numbers of trials that do not count: their cause may have been corrected since.
        limit: number of equal failures.
    """
    trials = study.get_trials(deepcopy=False)
    ended = [trial for trial in trials if trial.state.is_finished() and trial.number not in before]
    ended = sorted((trial for trial in ended if trial.datetime_complete), key=lambda trial: trial.datetime_complete)  # type: ignore[arg-type, return-value]
    counted = [trial for trial in ended if not is_interrupted(trial)][-limit:]
    reasons = [str(trial.user_attrs.get(REASON, "")) for trial in counted]
    alike = len(reasons) == limit and len({_without_numbers(reason) for reason in reasons}) == 1
    return reasons[-1] if alike and reasons[-1] else None


def count_reasons(reasons: Iterable[str]) -> dict[str, int]:
    """Counts reasons that differ in numbers alone as one, under the first of them."""
    firsts, counts = dict[str, str](), Counter[str]()
    for reason in reasons:
        counts[firsts.setdefault(_without_numbers(reason), reason)] += 1
    return dict(counts)


def _without_numbers(reason: str) -> str:
    """Masks the numbers of trial, fold, epoch and step; numbers of signals and exit codes stay."""
    return re.sub(r"(?<!signal )(?<!exit code )(?<!\d)\d[\d.,]*(e[+-]?\d+)?", "#", reason)
