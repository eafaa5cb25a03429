"""Writes a page that shows what came of the training, and the numbers behind it.

Reads: data/prepared/{classes,class_names}.json, data/prepared/{train.csv,train_images.npy}, folds/folds.csv,
    folds/predictions/<member>/oof.parquet, folds/ensemble/oof.parquet; cards, histories and checkpoints, which the same
    runs wrote (docs/decisions/0009); submissions/log.csv, reports/tuning/
Writes: reports/report.html, reports/report.json, reports/report/*.csv
"""

from pathlib import Path

from threadpoolctl import threadpool_limits

from pipeline.core.active import active_name, weights_folder
from pipeline.core.paths import reports_folder
from pipeline.page.parts import build_overview, write_page_with_tables
from pipeline.reports.models import confused, confusion, gallery, looking, overview, team, training, tuned
from pipeline.reports.models.material import gather

_LEAD = "What came of the training: what each model is worth, where it goes wrong, what it looks at."


def run(root: Path) -> None:
    """Computes everything, then writes.

    Raises:
        InputError: nothing is trained for the active competition yet, or a checkpoint is missing.
    """
    material = gather(root)
    searched = tuned.tuning(material)  # first, as it may refuse a card
    # Small matrices: threads cost more than they give, and one thread gives the same figures everywhere.
    with threadpool_limits(limits=1):
        parts = {
            "models": overview.models(material),
            "learning": training.learning(material),
            "classes": confusion.classes(material),
            "pairs": confused.confused(material),
            "mistakes": gallery.mistaken(material),
            "labels": gallery.doubted(material),
            "heat": looking.heat(material, weights_folder(root)),
            "members": team.members(material),
            "calibration": team.calibration(material),
        } | ({"tuning": searched} if searched else {})
    first = build_overview(overview.figures(material), parts)
    title, footer = f"{material.competition.title}: models", f"{active_name(root)}: python -m pipeline report"
    write_page_with_tables(reports_folder(root) / "report.html", title, _LEAD, first, parts, footer)
