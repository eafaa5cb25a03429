"""Metrics of several labels per image."""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Truth, Values
from pipeline.core.measures import labels, ranked
from pipeline.core.measures.metric import Metric, MetricOptions, mean_metric

Floats = NDArray[np.float64]


def make_label_metrics(options: MetricOptions, columns: tuple[str, ...]) -> dict[str, Metric]:
    """Makes the metrics of several labels per image.

    Args:
        options: of the competition's file.
        columns: names of the labels, which weights go by.
    """
    k, beta, weights = options.k or 1, options.beta or 1.0, options.weigh(columns)

    def macro_f(number: float) -> Metric:
        def score(marks: Truth, probs: Values) -> float:
            return labels.measure_label_macro_f_beta(marks, probs, number, weights)

        return Metric(f"macro_f{number:g}", True, score, "label")

    def micro_f(number: float) -> Metric:
        return Metric(
            f"micro_f{number:g}", True, lambda marks, probs: labels.measure_micro_f_beta(marks, probs, number), "label"
        )

    def row_f(number: float) -> Metric:
        return mean_metric(
            f"row_f{number:g}", True, lambda marks, probs: labels.list_row_f_betas(marks, probs, number), "label"
        )

    def log_losses(marks: Truth, probs: Values) -> Floats:
        return labels.list_label_log_losses(marks, probs, weights)

    def roc_auc(marks: Truth, probs: Values) -> float:
        return labels.measure_label_roc_auc(marks, probs, weights)

    def average_precision(marks: Truth, probs: Values) -> float:
        return labels.measure_label_average_precision(marks, probs, weights)

    ranking = "label_ranking_average_precision"
    return {
        "roc_auc": Metric("roc_auc", True, roc_auc, "probabilities"),
        "micro_roc_auc": Metric("micro_roc_auc", True, labels.measure_micro_roc_auc, "probabilities"),
        "average_precision": Metric("average_precision", True, average_precision, "probabilities"),
        "micro_average_precision": Metric(
            "micro_average_precision", True, labels.measure_micro_average_precision, "probabilities"
        ),
        ranking: Metric(ranking, True, labels.measure_ranking_precision, "probabilities"),
        "log_loss": mean_metric("log_loss", False, log_losses, "probabilities"),
        "brier": mean_metric("brier", False, labels.list_label_briers, "probabilities"),
        "macro_f1": macro_f(1.0),
        "micro_f1": micro_f(1.0),
        "row_f1": row_f(1.0),
        "macro_f_beta": macro_f(beta),
        "micro_f_beta": micro_f(beta),
        "row_f_beta": row_f(beta),
        "accuracy": mean_metric("accuracy", True, labels.list_exact_matches, "label"),
        "hamming_accuracy": mean_metric("hamming_accuracy", True, labels.list_hamming_shares, "label"),
        "matthews": Metric("matthews", True, labels.measure_label_matthews, "label"),
        "top_k_accuracy": mean_metric(f"top_{k}_accuracy", True, ranked.make_top_k_hits(k), "probabilities"),
        "map_k": mean_metric(f"map_{k}", True, ranked.make_average_precisions(k), "probabilities"),
        "recall_k": mean_metric(f"recall_{k}", True, ranked.make_recalls(k), "probabilities"),
    }
