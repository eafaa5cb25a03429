"""Shows what is in the data, before anything is trained: one page that opens offline, and the numbers behind it.

Reads: data/prepared, folds/folds.csv, configs/models/<model>.yaml of params.models, the original files for their kinds
Writes: reports/explore.html, reports/explore.json, reports/explore/<table>.csv
"""

from pathlib import Path

from pipeline.core.active import active_models
from pipeline.core.competition import load_competition
from pipeline.core.origin import describe_origin
from pipeline.core.paths import reports_folder
from pipeline.data.sources.source import find_source_folder
from pipeline.page.parts import write_page_with_tables
from pipeline.reports.data.model_inputs import read_model_input
from pipeline.reports.data.page import build_data_overview, build_data_parts
from pipeline.reports.data.prepared_data import read_prepared_data

_LEAD = "The contents of the data, before any training."


def run(root: Path) -> None:
    """Describes the prepared data of the active competition, and writes the page.

    Raises:
        InputError: nothing is prepared yet, or a model's file does not fit its schema.
    """
    competition = load_competition(root)
    data = read_prepared_data(root)
    inputs = {name: read_model_input(root, name, competition.mirror) for name in active_models(root)}
    parts = build_data_parts(data, inputs, find_source_folder(root, competition))
    overview = build_data_overview(data, competition, parts)
    footer = describe_origin(root, "python -m pipeline explore")
    write_page_with_tables(reports_folder(root) / "explore.html", competition.title, _LEAD, overview, parts, footer)
