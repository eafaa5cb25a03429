"""Results for new images: the likeliest classes and whether an image is unknown, as a table, CSV or JSON."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import printable
from pipeline.core.formats import ResultFormat
from pipeline.inference.predictor import ImagePredictions, Predictor

TOP = 3
_WIDE = 10_000  # characters, so that no line is broken: programs read the table, too


@dataclass(frozen=True)
class Guess:
    """A class and its probability; ``label`` as the competition writes it, ``name`` as people do."""

    label: str
    name: str
    probability: float


@dataclass(frozen=True)
class ImageResult:
    """The result for one image.

    Attributes:
        name: of its file, with the path.
        guesses: the likeliest classes, best first; none for a file that is not an image.
        p_known: share of known images that look at least as unusual.
        unknown: whether that share is small enough to take the image for none of the classes.
        problem: what is wrong with the file.
    """

    name: str
    guesses: tuple[Guess, ...] = ()
    p_known: float | None = None
    unknown: bool = False
    problem: str = ""


def make_results(
    names: Sequence[str], predictions: ImagePredictions, predictor: Predictor, rate: float
) -> list[ImageResult]:
    """Ranks the classes of each image and decides which images are unknown.

    Args:
        names: of the images.
        predictions: for them.
        predictor: which made them.
        rate: share of known images that may be called unknown.
    """
    results = []
    for name, probs, p_known in zip(names, predictions.probs, predictions.p_known, strict=True):
        best = np.argsort(-probs, kind="stable")[:TOP]
        guesses = tuple(
            Guess(predictor.classes[label], predictor.class_names[label], float(probs[label])) for label in best
        )
        results.append(ImageResult(name, guesses, float(p_known), bool(p_known <= rate)))
    return results


def format_results(results: Sequence[ImageResult], kind: ResultFormat) -> str:
    """Returns results as text that ends in a line break."""
    return {"table": _table, "csv": _csv, "json": _json}[kind](results)


def _table(results: Sequence[ImageResult]) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def cell(text: str) -> Text:
        return Text(printable(text))

    table = Table("picture", *(f"guess {place}" for place in range(1, TOP + 1)), "unknown?", box=None, pad_edge=False)
    for result in results:
        if result.problem:
            table.add_row(cell(result.name), cell(result.problem))
            continue
        cells = [cell(f"{guess.name} {guess.probability:.3f}") for guess in result.guesses]
        cells += [Text("")] * (TOP - len(cells))
        table.add_row(cell(result.name), *cells, "unknown" if result.unknown else "")
    out = io.StringIO()
    Console(file=out, width=_WIDE, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _csv(results: Sequence[ImageResult]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    guesses = [f"{what}_{place}" for place in range(1, TOP + 1) for what in ("class", "probability")]
    writer.writerow(["picture", *guesses, "unknown", "p_known", "problem"])
    for result in results:
        cells = [cell for guess in result.guesses for cell in (guess.label, f"{guess.probability:.6f}")]
        cells += [""] * (2 * TOP - len(cells))
        known = f"{result.p_known:.6f}" if result.p_known is not None else ""
        writer.writerow(
            [result.name, *cells, "" if result.problem else str(result.unknown).lower(), known, result.problem]
        )
    return out.getvalue()


def _json(results: Sequence[ImageResult]) -> str:
    return json.dumps([to_json(result) for result in results], indent=2, ensure_ascii=False) + "\n"


def to_json(result: ImageResult) -> dict[str, object]:
    """Converts a result to the form that JSON has."""
    if result.problem:
        return {"picture": result.name, "problem": result.problem}
    guesses = [{"class": guess.label, "name": guess.name, "probability": guess.probability} for guess in result.guesses]
    return {"picture": result.name, "guesses": guesses, "unknown": result.unknown, "p_known": result.p_known}
