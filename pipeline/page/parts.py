"""Parts of a page: each has a section, the numbers and tables behind it, and its findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pipeline.core.errors import printable
from pipeline.core.files import write_json
from pipeline.core.folders import atomic_folder
from pipeline.page.blocks import render_key_figures, render_paragraph
from pipeline.page.document import PageSection, write_page
from pipeline.page.markup import tag


@dataclass(frozen=True)
class Part:
    """One part of a page.

    Attributes:
        section: of the page.
        numbers: for ``dvc metrics``, by name: numbers, or groups of them by name.
        frames: tables behind it, by name.
        findings: sentences to act on; the overview lists them, too.
    """

    section: PageSection
    numbers: Mapping[str, float | Mapping[str, float]] = field(default_factory=dict)
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    findings: tuple[str, ...] = ()


def build_overview(figures: Sequence[tuple[str, str]], parts: Mapping[str, Part]) -> PageSection:
    """Builds the first section: key figures, and the findings of all parts with links to their sections."""
    items = [
        tag("li", finding, " ", tag("a", part.section.title, href=f"#{part.section.anchor}"))
        for part in parts.values()
        for finding in part.findings
    ]
    if not items:
        findings = [render_paragraph("No findings that need action.")]
    else:
        findings = [render_paragraph("Findings to check:"), tag("ul", *items)]
    return PageSection("Overview", [render_key_figures(figures), *findings], key="at-a-glance")


def write_page_with_tables(
    page: Path, title: str, lead: str, first: PageSection, parts: Mapping[str, Part], footer: str
) -> None:
    """Writes a page and the numbers behind it, and prints the findings.

    Args:
        page: an .html file; beside it come the .json of all numbers and a folder of .csv, both of its name.
        title: of the page.
        lead: a sentence below it.
        first: the first section, from `build_overview`.
        parts: the others, by name.
        footer: what the page was made from.
    """
    _write_numbers(page, parts)
    write_page(page, title, lead, [first, *(part.section for part in parts.values())], footer)
    for part in parts.values():
        for finding in part.findings:
            print(printable(f"note: {finding}"))
    print(f"wrote {page.parent.name}/{page.name}, {page.stat().st_size / 1e6:.1f} MB: open it in a browser")


def _write_numbers(page: Path, parts: Mapping[str, Part]) -> None:
    """Writes the folder of tables, whole or as it was before, and the numbers."""
    with atomic_folder(page.with_suffix("")) as building:
        for part in parts.values():
            for name, frame in part.frames.items():
                frame.to_csv(building / f"{name}.csv", index=False, lineterminator="\n", float_format="%.6g")
    write_json(page.with_suffix(".json"), {name: dict(part.numbers) for name, part in parts.items() if part.numbers})
