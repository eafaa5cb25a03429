"""Suspicious images, to check before training: tiny, of one colour, unreadable, or with a wrong file extension."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core.arrays import Rows
from pipeline.core.picture_formats import SIGNATURE_BYTES, find_picture_format, find_suffix_format
from pipeline.core.sampling import draw_rows
from pipeline.page.blocks import render_heading, render_note, render_paragraph
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import render_pictures
from pipeline.reports.data.pixel_statistics import measure_pixels
from pipeline.reports.data.prepared_data import PreparedData, describe_sample, shorten_id

_MOST = 24
_FILES, _FLAT_READ = 20_000, 2_000  # files opened, flat images measured; more would take too long
_BLANK, _TINY = 1.0, 0.25  # grey levels of deviation; share of the median shorter side
SuspiciousRows = list[tuple[str, int, str]]  # part, row, reason


def show_suspicious_images(data: PreparedData, raw: Path | None) -> Part:
    """Shows the suspicious images of train and test.

    Args:
        data: of the competition.
        raw: folder of the original files; None where it is not here.
    """
    parts = [part for part in ("train", "test") if len(data.index(part))]
    suspects: dict[str, SuspiciousRows] = {
        "Tiny": [entry for part in parts for entry in _find_tiny(data, part)],
        "Blank or nearly one colour": [entry for part in parts for entry in _find_flat(data, part)],
    }
    opened = 0
    if raw is not None:
        wrong, opened = _find_misnamed(data, parts, raw)
        suspects["Wrong extension"] = wrong
    summary = ", ".join(
        f"{name.lower()}: {len(rows_of_kind):,}" for name, rows_of_kind in suspects.items() if rows_of_kind
    )
    total = len(data.train) + len(data.test)
    blocks = [
        render_paragraph(
            f"Of {total:,} images: {summary}."
            if summary
            else "No image is tiny, blank, nearly of one colour or has a wrong extension."
        )
    ]
    blocks.append(render_note(_describe_extent(data, raw, opened, total)))
    for name, rows_of_kind in suspects.items():
        blocks += [render_heading(name), *_render_rows(data, rows_of_kind)] if rows_of_kind else []
    rows = [
        (name, part, data.index(part)["id"].iloc[row], why)
        for name, rows_of_kind in suspects.items()
        for part, row, why in rows_of_kind
    ]
    frame = pd.DataFrame(rows, columns=["kind", "part", "id", "why"])
    numbers = {name.lower().replace(" ", "_"): len(rows_of_kind) for name, rows_of_kind in suspects.items()}
    findings = (f"Suspicious images: {summary}.",) if summary else ()
    return Part(PageSection("Suspicious images", blocks), numbers, {"suspicious": frame}, findings)


def _find_tiny(data: PreparedData, part: str) -> SuspiciousRows:
    usual = float(np.median(np.minimum(data.train["width"], data.train["height"])))
    index = data.index(part)
    shorter = np.minimum(index["width"].to_numpy(), index["height"].to_numpy())
    return [
        (part, int(row), f"{index['width'].iloc[row]} x {index['height'].iloc[row]}")
        for row in np.flatnonzero((shorter < _TINY * usual) & (shorter > 0))
    ]


def _find_flat(data: PreparedData, part: str) -> SuspiciousRows:
    """Finds images without contrast; in the index their content hash stands in for the perceptual one."""
    index = data.index(part)
    rows: Rows = np.flatnonzero((index["hash"] == index["perceptual_hash"]).to_numpy()).astype(np.int64)
    if not len(rows):
        return []
    light = measure_pixels(data, part, rows[:_FLAT_READ])
    words = [
        "unreadable, stored black"
        if str(name).startswith("broken-")
        else "blank"
        if contrast < _BLANK
        else f"nearly one colour: grey levels deviate by {contrast:.1f}"
        for name, contrast in zip(index["hash"].iloc[rows[:_FLAT_READ]], light.contrast, strict=True)
    ]
    words += ["not measured"] * (len(rows) - len(words))
    return [(part, int(row), why) for row, why in zip(rows, words, strict=True)]


def _find_misnamed(data: PreparedData, parts: list[str], raw: Path) -> tuple[SuspiciousRows, int]:
    """Compares the format of files with their extensions; returns the wrong ones, and the number of files opened."""
    wrong, opened = SuspiciousRows(), 0
    for part in parts:
        sources = data.index(part)["source"]
        for row in draw_rows(len(sources), _FILES, 3).tolist():
            path = raw / sources.iloc[row]
            wanted = find_suffix_format(path.name)
            if wanted is None or not path.is_file():  # rows of a table are no files
                continue
            opened += 1
            held = _read_format(path)
            if held is not None and held != wanted:
                wrong.append((part, row, f"{path.suffix} holds {held}"))
    return wrong, opened


def _read_format(path: Path) -> str | None:
    with path.open("rb") as file:
        known = find_picture_format(file.read(SIGNATURE_BYTES))
    return known.name if known is not None else None  # prepare has refused it, or reports it


def _describe_extent(data: PreparedData, raw: Path | None, opened: int, total: int) -> str:
    contrast = "Contrast was checked for all images when they were prepared."
    if raw is None:
        return f"{contrast} The original files are missing, so extensions were not checked; run `dvc repro fetch`."
    files = (
        describe_sample(opened, total, "files")
        if opened
        else "The images are rows of a table, without file extensions."
    )
    return f"{contrast} {files}"


def _render_rows(data: PreparedData, rows: SuspiciousRows) -> list[Html]:
    pictures = []
    for part, row, why in rows[:_MOST]:
        name = str(data.index(part)["id"].iloc[row])
        pictures += data.pictures(part, [row], [f"{shorten_id(name)} ({part}): {why}"])
    left = len(rows) - _MOST
    rest = f"{left:,} more are listed in reports/explore/suspicious.csv."
    return [render_pictures(pictures), *([render_note(rest)] if left > 0 else [])]
