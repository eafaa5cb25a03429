"""The page's first section: the key figures, and what deserves a look."""

from collections.abc import Mapping

from pipeline.competition import Competition
from pipeline.explore.seen import Part, Seen
from pipeline.page.blocks import facts, say
from pipeline.page.document import Section
from pipeline.page.markup import tag


def overview(seen: Seen, competition: Competition, parts: Mapping[str, Part]) -> Section:
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
    found = [
        tag("li", finding, " ", tag("a", part.section.title, href=f"#{part.section.anchor}"))
        for part in parts.values()
        for finding in part.findings
    ]
    if not found:
        return Section(
            "At a glance", [facts(figures), say("Nothing stands out: no section has found anything to act on.")]
        )
    return Section("At a glance", [facts(figures), say("What deserves a look:"), tag("ul", *found)])
