"""The page about the models: its parts in reading order, and the overview that comes first."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.core.threads import limit_threads
from pipeline.page.document import PageSection
from pipeline.page.parts import Part, build_overview
from pipeline.reports.models import (
    column_quality,
    confusion,
    ensemble,
    gallery,
    learning_curves,
    overview,
    saliency,
    tuning,
)
from pipeline.reports.models.class_shares_section import show_class_shares
from pipeline.reports.models.evaluation_data import EvaluationData
from pipeline.reports.models.run_history import show_runs


def build_model_parts(data: EvaluationData, weights: Path, runs: Sequence[Mapping[str, str]] = ()) -> dict[str, Part]:
    """Builds all parts, in the order of the page.

    Args:
        data: predictions of all models, with the truth.
        weights: folder of pretrained weights.
        runs: the lines of the history of runs, the first one first.

    Raises:
        InputError: a checkpoint is missing or does not fit, or a tuning card is invalid.
    """
    tuned = tuning.show_tuning(data)  # first: it may refuse a card, and the others take minutes
    # Small matrices: threads cost more than they give, and one thread gives the same figures everywhere.
    with limit_threads():
        parts = {
            "models": overview.show_models(data),
            "learning": learning_curves.show_learning_curves(data),
            **_build_quality(data),
            "heat": saliency.show_saliency(data, weights),
            "members": ensemble.show_members(data),
            "calibration": ensemble.show_calibration(data),
        }
    shares, history = show_class_shares(data), show_runs(data, runs)
    last = ({"tuning": tuned} if tuned else {}) | ({"runs": history} if history else {})
    return ({"shares": shares} if shares else {}) | parts | last


def _build_quality(data: EvaluationData) -> dict[str, Part]:
    """Class by class and pair by pair where each image has one class; column by column elsewhere."""
    if not data.has_classes:
        return {
            "columns": column_quality.show_column_quality(data),
            "worst": column_quality.show_worst_predictions(data),
        }
    return {
        "classes": confusion.show_class_quality(data),
        "pairs": confusion.show_confused_pairs(data),
        "mistakes": gallery.show_mistakes(data),
        "labels": gallery.show_label_errors(data),
    }


def build_model_overview(data: EvaluationData, parts: Mapping[str, Part]) -> PageSection:
    """Builds the first section: key figures of the models, and the findings of all parts."""
    return build_overview(overview.list_model_figures(data), parts)
