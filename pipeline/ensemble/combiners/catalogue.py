"""All combiners by name, the simplest first: the order decides between those that score alike."""

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


def explain_skip(name: str, sample: OofRows) -> str | None:
    """Says why a combiner is not tried on a sample; None where it is."""
    if len(sample.stacked) == 1 and name != "mean":
        return "one member"
    if sample.metric.name == "log_loss" and name in ("metric_weights", "greedy_metric"):
        return "the metric is log loss, which its twin minimises"
    if name == "stack_boosting" and is_too_large_for_boosting(sample):
        return "too many rows, members and classes"
    return None
