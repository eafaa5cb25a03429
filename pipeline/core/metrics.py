"""Competition metrics by name and kind of target.

The measures stand in ``measures/``. A name means what Kaggle means by it for the kind of target: ``roc_auc`` of several
labels is the mean over their columns.
"""

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Truth, Values
from pipeline.core.errors import InputError, near_names, some
from pipeline.core.measures.class_metrics import METRICS, SHARE_METRICS, make_class_metrics, make_grade_metrics
from pipeline.core.measures.label_metrics import make_label_metrics
from pipeline.core.measures.metric import Metric, MetricOptions
from pipeline.core.measures.number_metrics import make_number_metrics
from pipeline.core.targets.classes import Grades, order_by_value
from pipeline.core.targets.contract import Target
from pipeline.core.targets.several_targets import SeveralTargets

# Options that a metric cannot do without.
REQUIRED = {
    "top_k_accuracy": "k",
    "map_k": "k",
    "recall_k": "k",
    "macro_f_beta": "beta",
    "micro_f_beta": "beta",
    "row_f_beta": "beta",
    "partial_roc_auc": "min_tpr",
    "weighted_roc_auc": "tpr_bands",
}
_CLASS_WEIGHTED = ("macro_recall", "balanced_log_loss", "weighted_log_loss")
# Metrics that are means by weights of classes, labels or numbers; those of several targets all weigh the targets.
WEIGHTED = {
    "one_class": _CLASS_WEIGHTED,
    "grades": _CLASS_WEIGHTED,
    "several_labels": ("roc_auc", "average_precision", "log_loss", "macro_f1", "macro_f_beta"),
    "numbers": ("rmse", "column_rmse", "mse", "mae", "r2", "pooled_r2"),
}
# Shown beside the metric of one class per image and of grades.
_BESIDE_CLASSES = (
    *(METRICS[name] for name in ("accuracy", "log_loss", "macro_f1")),
    make_class_metrics(MetricOptions(k=3), ())["top_k_accuracy"],
)
_BESIDE = {
    "several_labels": ("roc_auc", "average_precision", "micro_f1", "log_loss"),
    "numbers": ("rmse", "mae", "r2"),
    "vote_shares": ("kl_divergence", "accuracy"),
    "several_targets": ("accuracy",),
}
_SHORT = {
    r"top_(\d+)_accuracy": ("top_k_accuracy", "k", int),
    r"map_(\d+)": ("map_k", "k", int),
    r"recall_(\d+)": ("recall_k", "k", int),
    r"(macro|micro|row)_f(\d+(?:\.\d+)?)": ("{}_f_beta", "beta", float),
}


def list_metrics_for(target: Target | None, options: MetricOptions) -> dict[str, Metric]:
    """Makes all metrics that judge a target, by their names in a competition's file.

    Args:
        target: what is predicted; None for one class per image.
        options: of the competition's file.

    Raises:
        InputError: a weight of no class, label, number or target.
    """
    kind = "one_class" if target is None else target.kind
    columns = () if target is None else target.columns
    if isinstance(target, SeveralTargets):
        return _join_parts(target, options)
    if kind == "several_labels":
        return make_label_metrics(options, columns)
    if kind == "numbers":
        return make_number_metrics(options, columns)
    if kind == "vote_shares":
        return SHARE_METRICS
    made = METRICS | make_class_metrics(options, columns)
    if isinstance(target, Grades):
        return made | make_grade_metrics(target)
    if target is not None and (ordered := order_by_value(columns)) is not None:
        return made | {"quadratic_kappa": make_grade_metrics(ordered)["quadratic_kappa"]}
    return made


def _join_parts(target: SeveralTargets, options: MetricOptions) -> dict[str, Metric]:
    """Metrics that judge every part: their mean, by the parts' weights."""
    parts = list(target.each())
    weights = options.weigh([name for name, _, _, _ in parts])
    inner = MetricOptions(k=options.k, beta=options.beta)
    judging = [list_metrics_for(part, inner) for _, part, _, _ in parts]
    made = {}
    for name in judging[0]:
        if all(name in each for each in judging):
            made[name] = _join(target, [each[name] for each in judging], weights)
    return made


def _join(target: SeveralTargets, metrics: list[Metric], weights: NDArray[np.float64]) -> Metric:
    def score(truth: Truth, values: Values) -> float:
        scores = [
            metric.score(part.take_truth(truth[:, width]), values[:, columns])
            for metric, (_, part, columns, width) in zip(metrics, target.each(), strict=True)
        ]
        return float(np.average(scores, weights=weights))

    first = metrics[0]
    return Metric(first.name, first.greater_is_better, score, first.wants, parts=tuple(metrics))


def get_metric(
    name: str, k: int | None = None, target: Target | None = None, options: MetricOptions | None = None
) -> Metric:
    """Returns a metric by name; ``k`` is that of ``top_k_accuracy`` and other ranked lists.

    Args:
        name: as in a competition's file.
        k: length of the ranked list, where there are no other options.
        target: what is predicted; None for one class per image.
        options: what else the metric needs.

    Raises:
        InputError: no metric has that name, the near ones are listed; or it does not judge targets of this kind.
    """
    if name not in METRIC_NAMES:
        raise InputError(f"metric {name!r} is unknown; {near_names(name, METRIC_NAMES)}")
    judging = list_metrics_for(target, options or MetricOptions(k=k))
    if name not in judging:
        kind = "one_class" if target is None else target.kind
        if not judging:
            raise InputError(_explain_none(name, target))
        raise InputError(
            f"metric {name!r} does not judge a target of kind {kind}; {near_names(name, judging)}; correct metric.name "
            "or target.kind in the competition's file"
        )
    if name == "quadratic_kappa" and target is not None:
        _require_order(target)
    _check_ranking(judging[name], options.k if options else k, target)
    return set_beside(judging[name], target, options)


def _explain_none(name: str, target: Target | None) -> str:
    kinds = [] if target is None else [f"{part} ({each.kind})" for part, each, _, _ in target.each()]
    return (
        f"metric {name!r} does not judge {some(kinds)} together, and no shipped metric does; write one of your own, "
        "metric: {file: my_metric.py, name: score, greater_is_better: true}, into the competition's file: "
        "configs/metrics/README.md says how"
    )


def _require_order(target: Target) -> None:
    if target.kind == "one_class" and order_by_value(target.columns) is None:
        raise InputError(
            f"metric quadratic_kappa needs the order of the classes, and {some(target.columns)} are words: write "
            "target: {kind: grades, order: [...]} into the competition's file, the lowest grade first"
        )


def _check_ranking(metric: Metric, k: int | None, target: Target | None) -> None:
    if target is None or k is None:
        return
    counts = {f" of target {name}" if name else "": len(part.columns) for name, part, _, _ in target.each()}
    place, count = min(counts.items(), key=lambda each: each[1])
    if not count or k < count:
        return
    if k > count:
        what = "a list holds each once at most"
    elif metric.name == f"map_{k}":
        return  # the order of all of them still counts
    else:
        what = f"{metric.name} would be perfect whatever is predicted"
    raise InputError(
        f"metric.k is {k}, but there are {count} classes or labels{place}: {what}; lower it in the competition's file"
    )


def set_beside(metric: Metric, target: Target | None, options: MetricOptions | None = None) -> Metric:
    """Returns a metric with those that are shown beside it: all of them judge the target, of some there are none.

    Args:
        metric: one shipped, or the user's own.
        target: what is predicted; None for one class per image.
        options: of the competition's file.
    """
    kind = "one_class" if target is None else target.kind
    if kind in ("one_class", "grades"):
        return replace(metric, beside=_BESIDE_CLASSES)
    judging = list_metrics_for(target, options or MetricOptions())
    return replace(metric, beside=tuple(judging[name] for name in _BESIDE[kind] if name in judging))


def list_own_columns(metric: Metric) -> tuple[Metric, ...]:
    """Lists the metrics beside one that tables show in columns of their own: none of classes, which these have."""
    return () if metric.beside == _BESIDE_CLASSES else metric.beside


def parse_metric_name(text: str) -> tuple[str, dict[str, int | float]]:
    """Splits a metric as people write it, ``top_3_accuracy``, ``map_5`` or ``row_f2``, into its name and options.

    Raises:
        InputError: no metric has that name; the near ones are listed.
    """
    for pattern, (name, option, number) in _SHORT.items():
        match = re.fullmatch(pattern, text)
        if match and text not in METRIC_NAMES and float(match[match.lastindex or 1]) > 0:
            return name.format(match[1]), {option: number(match[match.lastindex or 1])}
    if text not in METRIC_NAMES:
        raise InputError(f"metric {text!r} is unknown; {near_names(text, [*METRIC_NAMES, 'top_3_accuracy', 'map_5'])}")
    return text, {}


METRIC_NAMES = tuple(
    dict.fromkeys(
        (
            *METRICS,
            *make_class_metrics(MetricOptions(), ()),
            "mae",
            *make_label_metrics(MetricOptions(), ("label",)),
            *make_number_metrics(MetricOptions(), ("number",)),
            *SHARE_METRICS,
        )
    )
)
