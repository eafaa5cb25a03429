"""All combiners by name, the simplest first: the order decides between those that score alike."""

from pipeline.core.measures.metric import Metric
from pipeline.core.targets.contract import Target
from pipeline.ensemble.combiners.contract import Combiner, OofRows
from pipeline.ensemble.combiners.greedy import fit_greedy, fit_greedy_bagged, fit_greedy_metric
from pipeline.ensemble.combiners.means import fit_best_single, fit_geometric_mean, fit_mean, fit_rank_mean
from pipeline.ensemble.combiners.simplex_weights import (
    fit_class_weights,
    fit_convex,
    fit_metric_weights,
    fit_weighted_geometric,
)
from pipeline.ensemble.combiners.stacking import fit_stack_boosting, fit_stack_logistic, is_too_large_for_boosting

COMBINERS: dict[str, Combiner] = {
    "mean": fit_mean,
    "geometric_mean": fit_geometric_mean,
    "rank_mean": fit_rank_mean,
    "best_single": fit_best_single,
    "convex": fit_convex,
    "weighted_geometric": fit_weighted_geometric,
    "greedy": fit_greedy,
    "greedy_bagged": fit_greedy_bagged,
    "metric_weights": fit_metric_weights,
    "greedy_metric": fit_greedy_metric,
    "class_weights": fit_class_weights,
    "stack_logistic": fit_stack_logistic,
    "stack_boosting": fit_stack_boosting,
}

# Nothing in them is fitted to the scale of the members' probabilities: a temperature may help them.
SCALE_MATTERS = (
    "mean",
    "geometric_mean",
    "convex",
    "greedy",
    "greedy_bagged",
    "metric_weights",
    "greedy_metric",
    "class_weights",
)


# Fitted to further parts only where they are not far behind on the first: half the seconds of all, and seldom chosen.
COSTLY = ("stack_boosting",)

# Of numbers: the mean of ranks has no unit, and what is averaged in the space of outputs is averaged as it is.
_NOT_OF_NUMBERS = {
    "geometric_mean": "the mean of numbers is the same in every space",
    "rank_mean": "ranks are no numbers",
}
# Metrics that are the loss of their kind of target, or its root.
_LOSSES: dict[str, tuple[str, ...]] = {
    "one_class": ("log_loss",),
    "grades": ("log_loss",),
    "several_labels": ("log_loss",),
    "vote_shares": ("kl_divergence", "log_loss"),
    "numbers": ("rmse", "mse"),
}


def is_loss(metric: Metric, target: Target) -> bool:
    """Says whether a metric is what combiners of this target minimise anyway."""
    one_number = target.kind != "numbers" or len(target.columns) == 1  # of several, the loss standardises each
    return metric.name in _LOSSES.get(target.kind, ()) and one_number


def explain_skip(name: str, sample: OofRows) -> str | None:
    """Says why a combiner is not tried on a sample; None where it is."""
    if len(sample.stacked) == 1 and name != "mean":
        return "one member"
    if is_loss(sample.metric, sample.target) and name in ("metric_weights", "greedy_metric"):
        loss = "log loss" if sample.metric.name == "log_loss" else sample.metric.name
        return f"the metric is {loss}, which its twin minimises"
    if all(part.activation == "linear" for _, part, _, _ in sample.target.each()) and name in _NOT_OF_NUMBERS:
        return _NOT_OF_NUMBERS[name]
    if name == "rank_mean" and any(part.activation == "linear" for _, part, _, _ in sample.target.each()):
        return _NOT_OF_NUMBERS[name]
    if name == "class_weights" and sample.classes is None and len(list(sample.split())) == 1:
        return "there is one column, or what is predicted cannot be split: convex is the same"
    if name == "stack_boosting" and is_too_large_for_boosting(sample):
        return "too many rows, members and classes"
    return None
