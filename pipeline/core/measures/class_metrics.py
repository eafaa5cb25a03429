"""Metrics of classes that exclude each other: one class, grades, shares of votes."""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Truth, Values
from pipeline.core.errors import InputError
from pipeline.core.measures import classes, curves, numbers, ranked, shares
from pipeline.core.measures.metric import Measure, Metric, MetricOptions, mean_metric
from pipeline.core.targets.classes import Grades

Weights = NDArray[np.float64]
_ONE = np.ones(1)


def _kappa_by_index(truth: Truth, probs: Values) -> float:
    return classes.measure_quadratic_kappa(truth, probs, np.arange(probs.shape[1], dtype=np.float64))


# Of one class per image, without options.
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", True, classes.measure_accuracy, "label", classes.list_hits),
        Metric("log_loss", False, classes.measure_log_loss, "probabilities", classes.list_log_losses),
        Metric("macro_f1", True, classes.measure_macro_f1, "label"),
        Metric("balanced_accuracy", True, classes.measure_balanced_accuracy, "label"),
        Metric("roc_auc", True, classes.measure_roc_auc, "probabilities"),
        Metric("quadratic_kappa", True, _kappa_by_index, "label"),
        Metric("micro_f1", True, classes.measure_accuracy, "label", classes.list_hits),
        Metric("weighted_f1", True, classes.measure_weighted_f1, "label"),
        Metric("matthews", True, classes.measure_matthews, "label"),
        Metric("brier", False, classes.measure_brier, "probabilities", classes.list_briers),
        Metric("average_precision", True, classes.measure_average_precision, "probabilities"),
        Metric("gap", True, classes.measure_gap, "label"),
    )
}


def make_class_metrics(options: MetricOptions, columns: tuple[str, ...]) -> dict[str, Metric]:
    """Makes the metrics of one class per image that take options.

    Args:
        options: of the competition's file.
        columns: class names, which weights go by; empty where they are not known yet.

    Raises:
        InputError: a weight of no class.
    """
    k, beta = options.k or 1, options.beta or 1.0
    bands = options.tpr_bands or ((1.0, 1.0),)
    weights = options.weigh(columns) if columns else None

    def weigh(probs: Values) -> Weights:
        return np.ones(probs.shape[1]) if weights is None else weights

    def macro_f_beta(truth: Truth, probs: Values) -> float:
        return classes.measure_macro_f_beta(truth, probs, beta)

    def macro_recall(truth: Truth, probs: Values) -> float:
        return classes.measure_macro_recall(truth, probs, weigh(probs))

    def balanced_log_loss(truth: Truth, probs: Values) -> float:
        return classes.measure_balanced_log_loss(truth, probs, weigh(probs))

    def weighted_log_loss(truth: Truth, probs: Values) -> float:
        return classes.measure_weighted_log_loss(truth, probs, weigh(probs))

    def partial_area(truth: Truth, probs: Values) -> float:
        return curves.measure_partial_area(truth == 1, probs[:, 1], options.min_tpr or 0.0)

    def weighted_area(truth: Truth, probs: Values) -> float:
        return curves.measure_weighted_area(truth == 1, probs[:, 1], bands)

    return {
        "top_k_accuracy": mean_metric(f"top_{k}_accuracy", True, ranked.make_top_k_hits(k), "probabilities"),
        "map_k": mean_metric(f"map_{k}", True, ranked.make_average_precisions(k), "probabilities"),
        "recall_k": mean_metric(f"recall_{k}", True, ranked.make_recalls(k), "probabilities"),
        "macro_f_beta": Metric(f"macro_f{beta:g}", True, macro_f_beta, "label"),
        "macro_recall": Metric("macro_recall", True, macro_recall, "label"),
        "balanced_log_loss": Metric("balanced_log_loss", False, balanced_log_loss, "probabilities"),
        "weighted_log_loss": Metric("weighted_log_loss", False, weighted_log_loss, "probabilities"),
        "probabilistic_f1": _of_two("probabilistic_f1", classes.measure_probabilistic_f1),
        "partial_roc_auc": _of_two("partial_roc_auc", partial_area),
        "weighted_roc_auc": _of_two("weighted_roc_auc", weighted_area),
    }


def _of_two(name: str, measure: Measure) -> Metric:
    """A metric of the second of exactly two classes."""

    def score(truth: Truth, probs: Values) -> float:
        if probs.shape[1] != 2:
            raise InputError(f"metric {name} is for two classes, here are {probs.shape[1]}; choose another metric")
        return measure(truth, probs)

    return Metric(name, True, score, "probabilities")


def make_grade_metrics(target: Grades) -> dict[str, Metric]:
    """Makes the metrics that go by the values of grades; errors are those of the expected grade."""
    grades = np.asarray(target.numbers)

    def expect(probs: Values) -> Values:
        return target.expect(probs)[:, None].astype(np.float32)

    def distances(truth: Truth, probs: Values) -> Weights:
        return numbers.list_distances(grades[truth][:, None], expect(probs), _ONE)

    def rmse(truth: Truth, probs: Values) -> float:
        return numbers.measure_rmse(grades[truth][:, None], expect(probs), _ONE)

    def kappa(truth: Truth, probs: Values) -> float:
        return classes.measure_quadratic_kappa(truth, probs, grades)

    return {
        "quadratic_kappa": Metric("quadratic_kappa", True, kappa, "label"),
        "mae": mean_metric("mae", False, distances, "numbers"),
        "rmse": Metric("rmse", False, rmse, "numbers"),
    }


SHARE_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        mean_metric("kl_divergence", False, shares.list_divergences, "probabilities"),
        mean_metric("log_loss", False, shares.list_cross_entropies, "probabilities"),
        mean_metric("accuracy", True, shares.list_majority_hits, "label"),
        mean_metric("brier", False, shares.list_share_briers, "probabilities"),
    )
}
