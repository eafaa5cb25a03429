"""Shows what is in the data, before anything is trained: one page that opens offline, and the numbers behind it.

Reads: data/prepared, folds/folds.csv, configs/models/<model>.yaml of params.models, the original files for their kinds
Writes: reports/explore.html, reports/explore.json, reports/explore/<table>.csv
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from threadpoolctl import threadpool_limits

from pipeline import tables
from pipeline.competition import active_models, active_name, load_competition
from pipeline.explore import before_after, classes, light, looks, seen, sizes, suspicious, twins
from pipeline.explore.adversarial import adversarial
from pipeline.explore.augmented import augmented
from pipeline.explore.features import describe
from pipeline.explore.keypoints import keypoints
from pipeline.explore.map import image_map
from pipeline.explore.overview import overview
from pipeline.files import atomic_path
from pipeline.page import document
from pipeline.progress import progress
from pipeline.source import present


def run(root: Path) -> None:
    """Looks at the active competition and writes the page.

    Raises:
        InputError: nothing is prepared yet, or a model's file does not fit its schema.
    """
    competition = load_competition(root)
    data = seen.look(root)
    models = {name: looks.read_look(root, name, competition.mirror) for name in active_models(root)}
    raw = present(root, competition)
    # Small matrices: threads cost more than they give, and one thread gives the same figures everywhere.
    with threadpool_limits(limits=1), progress("exploring", 12) as advance:
        train, test = describe(data, "train"), describe(data, "test")
        makers: dict[str, Callable[[], seen.Part]] = {
            "classes": lambda: classes.counts(data),
            "samples": lambda: classes.samples(data),
            "sizes": lambda: sizes.sizes(data),
            "light": lambda: light.light(data),
            "duplicates": lambda: twins.twins(data),
            "suspicious": lambda: suspicious.suspicious(data, raw),
            "keypoints": lambda: keypoints(data),
            "preprocessing": lambda: before_after.before_after(data),
            "augmentation": lambda: augmented(data, models),
            "map": lambda: image_map(data, train),
            "folds": lambda: classes.folds(data),
            "train_against_test": lambda: adversarial(data, train, test),
        }
        parts: dict[str, seen.Part] = {}
        for name, make in makers.items():
            parts[name] = make()
            advance(1)
    _write(root, competition.title, overview(data, competition, parts), parts)


def _write(root: Path, title: str, first: document.Section, parts: dict[str, seen.Part]) -> None:
    reports = root / "reports"
    folder = reports / "explore"
    shutil.rmtree(folder, ignore_errors=True)
    for part in parts.values():
        for name, frame in part.frames.items():
            with atomic_path(folder / f"{name}.csv") as temporary:
                frame.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")
    tables.write_json(
        reports / "explore.json", {name: dict(part.numbers) for name, part in parts.items() if part.numbers}
    )
    page = reports / "explore.html"
    sections = [first, *(part.section for part in parts.values())]
    document.write(
        page,
        title,
        "What is in the data, before anything is trained.",
        sections,
        footer=f"{active_name(root)}: made by python -m pipeline explore",
    )
    findings = [finding for part in parts.values() for finding in part.findings]
    for finding in findings:
        print(f"note: {finding}")
    print(f"wrote {page.relative_to(root)}, {page.stat().st_size / 1e6:.1f} MB: open it in a browser")
