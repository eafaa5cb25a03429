"""The metric, which no file names: given by the user, or guessed from the submission's format and listed to check."""

from typing import Any

from pipeline.core.errors import InputError
from pipeline.core.measures.class_metrics import METRICS
from pipeline.core.measures.metric import Metric, MetricOptions
from pipeline.core.metrics import get_metric, parse_metric_name
from pipeline.data.describe.match import Reading

_TOP = "top_3_accuracy"  # stands for any k


def parse_metric(name: str) -> Metric:
    """Returns the metric that ``--metric`` names; ``top_3_accuracy`` for top-k.

    Raises:
        InputError: no such metric.
    """
    try:
        base, options = parse_metric_name(name)
    except InputError as error:
        raise InputError(f"--{error}") from error
    k, beta = options.get("k"), options.get("beta")
    return get_metric(base, options=MetricOptions(k=None if k is None else int(k), beta=beta))


def describe_metric(metric: Metric | None, submission: Reading) -> Reading:
    """Describes the metric section: as given, else a guess to check."""
    wants = _wanted(submission)
    if metric is not None:
        base, options = parse_metric_name(metric.name)
        section: dict[str, Any] = {"name": base, **options}
        doubt = (
            f"{metric.name} is computed from {_LONG[metric.wants]}, but the sample submission asks for {_LONG[wants]}"
        )
        return Reading(section, ("given with --metric",), () if metric.wants == wants or options else (doubt,))
    name = "accuracy" if wants == "label" else "log_loss"
    guess = f"metric {name} is a guess from the submission's format; read the competition's rules and give --metric"
    return Reading({"name": name}, (), (guess,))


def list_metrics(submission: Reading) -> str:
    """Lists the metrics, those first that fit what the sample submission asks for."""
    wants = _wanted(submission)
    fitting = [name for name, metric in METRICS.items() if metric.wants == wants]
    others = [name for name in METRICS if name not in fitting]
    return (
        f"the sample submission asks for {_LONG[wants]}, which fits {', '.join(fitting)}; "
        f"the others are {', '.join(others)} and {_TOP} (any k)"
    )


_LONG = {"label": "labels", "probabilities": "probabilities"}


def _wanted(submission: Reading) -> str:
    label = submission.section["kind"] == "label" and "positive" not in submission.section
    return "label" if label else "probabilities"
