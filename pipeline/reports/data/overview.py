"""The page's first section: the key figures, and what deserves a look."""

from collections.abc import Mapping

from pipeline.core.competition import Competition
from pipeline.page.document import PageSection
from pipeline.page.parts import Part, build_overview
from pipeline.reports.data.material import Seen


def overview(seen: Seen, competition: Competition, parts: Mapping[str, Part]) -> PageSection:
    """Sums the other sections up."""
    height, width, channels = seen.shape
    figures = [
        ("training images", f"{len(seen.train):,}"),
        ("test images", f"{len(seen.test):,}"),
        ("classes", f"{len(seen.classes):,}"),
        ("stored at", f"{height} x {width} x {channels}"),
        ("metric", competition.metric.metric.name.replace("_", " ")),
        ("mirrored keeps its class", "yes" if competition.mirror else "no"),
    ]
    return build_overview(figures, parts)
