"""Shows the results of the training: one page that opens offline, and the numbers behind it.

Reads: data/prepared/{classes,class_names}.json, data/prepared/{train.csv,train_images.npy}, folds/folds.csv,
    folds/predictions/<member>/oof.parquet, folds/ensemble/oof.parquet; cards, histories and checkpoints, which the same
    runs wrote (docs/decisions/0009); submissions/log.csv, reports/tuning/, reports/runs/<competition>/runs.csv
Writes: reports/report.html, reports/report.json, reports/report/*.csv
"""

from pathlib import Path

from pipeline.core.active import active_name, weights_folder
from pipeline.core.origin import describe_origin
from pipeline.core.paths import reports_folder
from pipeline.page.parts import write_page_with_tables
from pipeline.reports.models.evaluation_data import read_evaluation_data
from pipeline.reports.models.page import build_model_overview, build_model_parts
from pipeline.workspace.history import read_runs

_LEAD = "The results of the training: scores and costs of each model, its errors, and the image regions it uses."


def run(root: Path) -> None:
    """Computes everything, then writes.

    Raises:
        InputError: nothing is trained for the active competition yet, or a checkpoint is missing.
    """
    data = read_evaluation_data(root)
    runs = read_runs(root, active_name(root))
    parts = build_model_parts(data, weights_folder(root), runs)
    title, footer = f"{data.competition.title}: models", describe_origin(root, "python -m pipeline report")
    overview = build_model_overview(data, parts)
    write_page_with_tables(reports_folder(root) / "report.html", title, _LEAD, overview, parts, footer)
