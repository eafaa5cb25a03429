"""The metric, which no file names: given by the user, or guessed from the submission's format and listed to check."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pipeline.core.errors import InputError, some
from pipeline.core.measures.class_metrics import METRICS
from pipeline.core.measures.metric import Metric, MetricOptions
from pipeline.core.metrics import REQUIRED, list_metrics_for, parse_metric_name
from pipeline.core.targets.classes import Grades, OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.targets.spec import VoteSharesSpec
from pipeline.data.describe.match import Reading
from pipeline.data.describe.target_parts import describe_own_metric, list_mixed

_TOP = "top_3_accuracy"  # stands for any k
# Of each kind the smallest target: the metrics of a kind depend on nothing else.
_SMALLEST: tuple[Target, ...] = (
    OneClass(columns=("a", "b")),
    Grades(columns=("1", "2"), numbers=(1, 2)),
    SeveralLabels(columns=("a", "b")),
    Numbers(columns=("a",), means=(0,), scales=(1,)),
    VoteSharesSpec(kind="vote_shares").fit((), ("a", "b")),
)
_BY_FORM = {"ranked": "map_k", "confidence": "gap", "label_set": "row_f1"}
_LONG = {"label": "labels", "probabilities": "probabilities", "numbers": "numbers"}
# Options of two competitions' metrics, as examples to be corrected.
_EXAMPLES: dict[str, Any] = {"min_tpr": 0.8, "tpr_bands": [[0.4, 2.0], [1.0, 1.0]]}


@dataclass(frozen=True)
class GivenMetric:
    """A metric as the user gives it: ``map_5`` is ``map_k`` with the option ``k`` 5."""

    given: str
    name: str
    options: dict[str, int | float]


def parse_metric(text: str) -> GivenMetric:
    """Reads the metric that ``--metric`` names; ``top_3_accuracy`` for top-k.

    Raises:
        InputError: no such metric, or one without the number that it needs.
    """
    try:
        name, options = parse_metric_name(text)
    except InputError as error:
        raise InputError(f"--{error}") from error
    wanted = REQUIRED.get(name)
    if wanted in ("k", "beta") and not options:
        short = {"top_k_accuracy": _TOP, "map_k": "map_5", "recall_k": "recall_5"}.get(
            name, name[: -len("_beta")] + "2"
        )
        raise InputError(f"--metric {text} lacks its {wanted}; give it as in --metric {short}")
    return GivenMetric(text, name, options)


@cache
def _list_metrics(kind: str) -> dict[str, Metric]:
    target = next((each for each in _SMALLEST if each.kind == kind), _SMALLEST[0])
    return list_metrics_for(target, MetricOptions())


def list_kinds(metric: str | None) -> tuple[str, ...] | None:
    """Lists the kinds of targets that a metric judges; None without a metric, which judges nothing yet."""
    if metric is None:
        return None
    name = parse_metric(metric).name
    kinds = tuple(target.kind for target in _SMALLEST if name in _list_metrics(target.kind))
    return (*kinds, "several_targets") if "one_class" in kinds else kinds


def find_wants(metric: str | None, kind: str) -> str | None:
    """Says what a submission holds for a metric: ``label``, ``probabilities`` or ``numbers``; None without one."""
    if metric is None:
        return None
    judging = _list_metrics(kind).get(parse_metric(metric).name)
    return None if judging is None else judging.wants


def describe_metric(metric: str | None, submission: Reading, train: Reading) -> Reading:
    """Describes the metric section: as given, else a guess to check; of classes beside numbers one of the user's own.

    Args:
        metric: as the user gives it.
        submission: its section.
        train: the training section with the kind of its target and the classes.

    Raises:
        InputError: a list that is longer than there are classes, or so long that every answer is right.
    """
    if list_mixed(train.target) is not None:
        section, words = describe_own_metric()
        return Reading(section, (), (words,))
    wants = _wanted(submission, train.kind)
    if metric is None:
        return _guess(submission, train, wants)
    given = parse_metric(metric)
    k = given.options.get("k")
    place, classes = _find_fewest(train)
    count = len(classes)
    if k is not None and k >= count + (given.name == "map_k"):  # the order of a list of all classes counts
        why = "a list holds each once at most" if k > count else "every answer would score 1"
        raise InputError(
            f"--metric {metric}: there are {count} classes{place} ({some(classes, 5)}), and {why}; give a number below"
        )
    section = {"name": given.name, **given.options}
    check = []
    if REQUIRED.get(given.name) in _EXAMPLES:
        option = str(REQUIRED[given.name])
        section[option] = _EXAMPLES[option]
        check.append(f"metric.{option} is an example; read the competition's rules and correct it")
    own = find_wants(metric, train.kind)
    if own not in (None, wants) and not given.options:
        check.append(f"{metric} is computed from {_LONG[str(own)]}, but the sample submission asks for {_LONG[wants]}")
    return Reading(section, ("given with --metric",), tuple(check))


def _find_fewest(train: Reading) -> tuple[str, Sequence[str]]:
    """The classes, of several targets those of the one with the fewest, and words that say of which."""
    targets = [name for name, part in train.target.get("targets", {}).items() if part["kind"] != "numbers"]
    classes = {
        f" of target {name}": [each.removeprefix(f"{name}:") for each in train.classes if each.startswith(f"{name}:")]
        for name in targets
    }
    return min(classes.items(), key=lambda each: len(each[1]), default=("", train.classes))


def _guess(submission: Reading, train: Reading, wants: str) -> Reading:
    kind, form = train.kind, str(submission.section["kind"])
    if kind in ("one_class", "grades"):
        name = _BY_FORM.get(form, "accuracy" if wants == "label" else "log_loss")
        name = "rmse" if form == "numbers" else name
    elif kind == "several_labels":
        name = _BY_FORM.get(form, "row_f1" if wants == "label" else "roc_auc")
    else:
        name = {"numbers": "rmse", "vote_shares": "kl_divergence"}.get(kind, "accuracy")
    options = {"k": max(1, min(int(submission.section.get("k", 5)), len(train.classes) - 1))} if name == "map_k" else {}
    guess = f"metric {name} is a guess from the submission's format; read the competition's rules and give --metric"
    return Reading({"name": name, **options}, (), (guess,))


def list_metrics(submission: Reading, kind: str) -> str:
    """Lists the metrics, those first that fit what the sample submission asks for."""
    wants = _wanted(submission, kind)
    judging = METRICS if kind == "one_class" else _list_metrics(kind)
    fitting = [name for name, metric in judging.items() if metric.wants == wants]
    others = [name for name in judging if name not in fitting]
    return (
        f"the sample submission asks for {_LONG[wants]}, which fits {', '.join(fitting)}; "
        f"the others are {', '.join(others)} and {_TOP} (any k)"
    )


def _wanted(submission: Reading, kind: str) -> str:
    """What a form holds: one of ``label``, ``probabilities`` and ``numbers``."""
    section = submission.section
    if section["kind"] == "label":
        return "probabilities" if "positive" in section else "label"
    if section["kind"] == "rows" and kind == "numbers":
        return "numbers"
    if section["kind"] == "rows":
        return "label" if section.get("holds") == "decisions" else "probabilities"
    forms = {"probabilities": "probabilities", "numbers": "numbers"}
    return forms.get(str(section["kind"]), "label")
