"""Shows what is in the data, before anything is trained: one page that opens offline, and the numbers behind it.

Reads: data/prepared, folds/folds.csv, configs/models/<model>.yaml of params.models, the original files for their kinds
Writes: reports/explore.html, reports/explore.json, reports/explore/<table>.csv
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from threadpoolctl import threadpool_limits

from pipeline.core.active import active_models, active_name
from pipeline.core.competition import load_competition
from pipeline.core.paths import reports_folder
from pipeline.core.progress import track_progress
from pipeline.data.sources.source import find_source_folder
from pipeline.page.parts import Part, write_page_with_tables
from pipeline.reports.data import before_after, classes, light, looks, material, sizes, suspicious, twins
from pipeline.reports.data.adversarial import adversarial
from pipeline.reports.data.augmented import augmented
from pipeline.reports.data.features import describe
from pipeline.reports.data.keypoints import keypoints
from pipeline.reports.data.map import image_map
from pipeline.reports.data.overview import overview


def run(root: Path) -> None:
    """Looks at the active competition and writes the page.

    Raises:
        InputError: nothing is prepared yet, or a model's file does not fit its schema.
    """
    competition = load_competition(root)
    data = material.look(root)
    models = {name: looks.read_look(root, name, competition.mirror) for name in active_models(root)}
    # Small matrices: threads cost more than they give, and one thread gives the same figures everywhere.
    with threadpool_limits(limits=1):
        parts = _parts(data, models, find_source_folder(root, competition))
    lead, footer = (
        "What is in the data, before anything is trained.",
        f"{active_name(root)}: python -m pipeline explore",
    )
    first = overview(data, competition, parts)
    write_page_with_tables(reports_folder(root) / "explore.html", competition.title, lead, first, parts, footer)


def _parts(data: material.Seen, models: Mapping[str, looks.Look], raw: Path | None) -> dict[str, Part]:
    """Makes all parts, in the order of the page."""
    described = {part: describe(data, part) for part in ("train", "test")}
    makers: dict[str, Callable[[], Part]] = {
        "classes": lambda: classes.counts(data),
        "samples": lambda: classes.samples(data),
        "sizes": lambda: sizes.sizes(data),
        "light": lambda: light.light(data),
        "duplicates": lambda: twins.twins(data),
        "suspicious": lambda: suspicious.suspicious(data, raw),
        "keypoints": lambda: keypoints(data),
        "preprocessing": lambda: before_after.before_after(data),
        "augmentation": lambda: augmented(data, models),
        "map": lambda: image_map(data, described["train"]),
        "folds": lambda: classes.folds(data),
        "train_against_test": lambda: adversarial(data, described["train"], described["test"]),
    }
    parts = {}
    with track_progress("exploring", len(makers)) as advance:
        for name, make in makers.items():
            parts[name] = make()
            advance(1)
    return parts
