"""Images that deserve a look before training: tiny, of one colour, unreadable, or not what their name says."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError

from pipeline.core.arrays import Rows
from pipeline.page.blocks import render_heading, render_note, render_paragraph
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import render_pictures
from pipeline.reports.data.light import measure
from pipeline.reports.data.material import Seen, sample, sampled, short_id

_SHOWN = 24
_FILES, _FLAT_READ = 20_000, 2_000  # files opened, flat images measured; more would take too long
_BLANK, _TINY = 1.0, 0.25  # grey levels of deviation; share of the median shorter side
Found = list[tuple[str, int, str]]  # part, row, why


def suspicious(seen: Seen, raw: Path | None) -> Part:
    """Lists suspicious images of train and test, with pictures.

    Args:
        seen: the competition.
        raw: folder of the original files; None where it is not here.
    """
    parts = [part for part in ("train", "test") if len(seen.index(part))]
    kinds: dict[str, Found] = {
        "Tiny": [entry for part in parts for entry in _tiny(seen, part)],
        "Blank or nearly one colour": [entry for part in parts for entry in _flat(seen, part)],
    }
    opened = 0
    if raw is not None:
        wrong, opened = _misnamed(seen, parts, raw)
        kinds["Wrong extension"] = wrong
    said = ", ".join(f"{name.lower()}: {len(found):,}" for name, found in kinds.items() if found)
    total = len(seen.train) + len(seen.test)
    blocks = [
        render_paragraph(
            f"Of {total:,} images: {said}." if said else "No image is tiny, blank, nearly of one colour or misnamed."
        )
    ]
    blocks.append(render_note(_extent(seen, raw, opened, total)))
    for name, found in kinds.items():
        blocks += [render_heading(name), *_shown(seen, found)] if found else []
    rows = [
        (name, part, seen.index(part)["id"].iloc[row], why) for name, found in kinds.items() for part, row, why in found
    ]
    frame = pd.DataFrame(rows, columns=["kind", "part", "id", "why"])
    numbers = {name.lower().replace(" ", "_"): len(found) for name, found in kinds.items()}
    findings = (f"Suspicious images: {said}.",) if said else ()
    return Part(PageSection("Suspicious images", blocks), numbers, {"suspicious": frame}, findings)


def _tiny(seen: Seen, part: str) -> Found:
    usual = float(np.median(np.minimum(seen.train["width"], seen.train["height"])))
    index = seen.index(part)
    shorter = np.minimum(index["width"].to_numpy(), index["height"].to_numpy())
    return [
        (part, int(row), f"{index['width'].iloc[row]} x {index['height'].iloc[row]}")
        for row in np.flatnonzero((shorter < _TINY * usual) & (shorter > 0))
    ]


def _flat(seen: Seen, part: str) -> Found:
    """Finds images without contrast; in the index their content hash stands in for the perceptual one."""
    index = seen.index(part)
    rows: Rows = np.flatnonzero((index["hash"] == index["perceptual_hash"]).to_numpy()).astype(np.int64)
    if not len(rows):
        return []
    light = measure(seen, part, rows[:_FLAT_READ])
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


def _misnamed(seen: Seen, parts: list[str], raw: Path) -> tuple[Found, int]:
    """Compares what files hold with their extensions; returns the wrong ones, and how many files were opened."""
    kinds = Image.registered_extensions()
    found, opened = Found(), 0
    for part in parts:
        sources = seen.index(part)["source"]
        for row in sample(len(sources), _FILES, 3).tolist():
            path = raw / sources.iloc[row]
            wanted = kinds.get(path.suffix.lower())
            if wanted is None or not path.is_file():  # rows of a table are no files
                continue
            opened += 1
            held = _format(path)
            # Cameras write JPEGs with several pictures, which Pillow calls MPO.
            if held is not None and held != wanted and {held, wanted} != {"MPO", "JPEG"}:
                found.append((part, row, f"{path.suffix} holds {held}"))
    return found, opened


def _format(path: Path) -> str | None:
    try:
        with Image.open(path) as image:
            return image.format
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return None  # prepare has refused it, or reports it


def _extent(seen: Seen, raw: Path | None, opened: int, total: int) -> str:
    contrast = "Contrast was looked at in all images, when they were prepared."
    if raw is None:
        return (
            f"{contrast} The original files are not here: extensions were not checked; `dvc repro fetch` brings them."
        )
    files = sampled(opened, total, "files") if opened else "The images are no files, so there are no extensions."
    return f"{contrast} {files}"


def _shown(seen: Seen, found: Found) -> list[Html]:
    shown = []
    for part, row, why in found[:_SHOWN]:
        name = str(seen.index(part)["id"].iloc[row])
        shown += seen.pictures(part, [row], [f"{short_id(name)} ({part}): {why}"])
    left = len(found) - _SHOWN
    rest = f"{left:,} more stand in reports/explore/suspicious.csv."
    return [render_pictures(shown), *([render_note(rest)] if left > 0 else [])]
