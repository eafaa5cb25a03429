"""All combiners by name, the simplest first: the order decides between those that score alike."""

from pipeline.ensemble.combiners.contract import Combiner, Sample
from pipeline.ensemble.combiners.greedy import greedy, greedy_bagged, greedy_metric
from pipeline.ensemble.combiners.means import best_single, geometric_mean, mean, rank_mean
from pipeline.ensemble.combiners.simplex_weights import class_weights, convex, metric_weights, weighted_geometric
from pipeline.ensemble.combiners.stacking import stack_boosting, stack_logistic, too_large_for_boosting

COMBINERS: dict[str, Combiner] = {
    "mean": mean,
    "geometric_mean": geometric_mean,
    "rank_mean": rank_mean,
    "best_single": best_single,
    "convex": convex,
    "weighted_geometric": weighted_geometric,
    "greedy": greedy,
    "greedy_bagged": greedy_bagged,
    "metric_weights": metric_weights,
    "greedy_metric": greedy_metric,
    "class_weights": class_weights,
    "stack_logistic": stack_logistic,
    "stack_boosting": stack_boosting,
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


def skipped(name: str, sample: Sample) -> str | None:
    """Says why a combiner is not tried on a sample; None where it is."""
    if len(sample.stacked) == 1 and name != "mean":
        return "one member"
    if sample.metric.name == "log_loss" and name in ("metric_weights", "greedy_metric"):
        return "the metric is log loss, which its twin minimises"
    if name == "stack_boosting" and too_large_for_boosting(sample):
        return "too many rows, members and classes"
    return None
