"""Results for new images: what they show and whether they are unknown, as a table, CSV or JSON."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import printable
from pipeline.core.formats import ResultFormat
from pipeline.core.targets.contract import Target
from pipeline.inference.predictor import ImagePredictions, Predictor

if TYPE_CHECKING:
    from rich.table import Table

TOP = 3
_WIDE = 10_000  # characters, so that no line is broken: programs read the table, too


@dataclass(frozen=True)
class Guess:
    """A class or label and its probability, or a number; ``label`` as competitions write it, ``name`` as people do."""

    label: str
    name: str
    probability: float
    is_number: bool = False


@dataclass(frozen=True)
class ImageResult:
    """The result for one image.

    Attributes:
        name: of its file, with the path.
        guesses: the likeliest classes, best first; of several labels those that it has, of several targets one each, of
            numbers all. None for a file that is not an image.
        p_known: share of known images that look at least as unusual; None where images have no class.
        unknown: whether that share is small enough to take the image for none of the classes.
        problem: what is wrong with the file.
        values: each column and its probability or number; empty where ``guesses`` rank classes.
    """

    name: str
    guesses: tuple[Guess, ...] = ()
    p_known: float | None = None
    unknown: bool = False
    problem: str = ""
    values: tuple[tuple[str, float], ...] = ()


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
    target = predictor.target
    results = []
    for row, (name, probs) in enumerate(zip(names, predictions.probs, strict=True)):
        p_known = None if predictions.p_known is None else float(predictions.p_known[row])
        best = np.argsort(-probs, kind="stable")[:TOP].tolist() if target.exclusive else _decide_columns(target, probs)
        guesses = tuple(_make_guess(predictor, column, float(probs[column])) for column in best)
        values = () if target.exclusive else tuple(zip(target.columns, probs.tolist(), strict=True))
        results.append(ImageResult(name, guesses, p_known, p_known is not None and p_known <= rate, values=values))
    return results


def _decide_columns(target: Target, values: NDArray[np.float32]) -> list[int]:
    """Lists the columns that the plain decision takes: labels at 0.5 and above, each target's class, all numbers."""
    chosen: list[int] = []
    for _, part, columns, _ in target.each():
        own = values[columns]
        if part.exclusive:
            chosen.append(columns.start + int(own.argmax()))
        elif part.activation == "sigmoid":
            order = np.argsort(-own, kind="stable").tolist()
            chosen += [columns.start + place for place in order if part.decide(own[None])[0, place]]
        else:
            chosen += range(columns.start, columns.stop)
    return chosen


def _make_guess(predictor: Predictor, column: int, value: float) -> Guess:
    numbers = [columns for _, part, columns, _ in predictor.target.each() if part.activation == "linear"]
    is_number = any(columns.start <= column < columns.stop for columns in numbers)
    return Guess(predictor.target.columns[column], predictor.class_names[column], value, is_number)


def format_results(results: Sequence[ImageResult], kind: ResultFormat, separator: str = " ") -> str:
    """Returns results as text that ends in a line break.

    Args:
        results: of all images.
        kind: the format.
        separator: between the names of an answer, in a CSV.
    """
    if kind == "csv":
        return _csv(results, separator)
    return _table(results) if kind == "table" else _json(results)


def choose_separator(names: Sequence[str], written: str | None) -> str:
    """Chooses what stands between names: what the submission has there, else a blank, or `|` where names hold blanks.

    Args:
        names: of the columns of a prediction.
        written: the separator of the submission; None where it has none.
    """
    return next((each for each in (written, " ", "|", ";") if each and not any(each in name for name in names)), "|")


def _table(results: Sequence[ImageResult]) -> str:
    from rich.table import Table
    from rich.text import Text

    def cell(text: str) -> Text:
        return Text(printable(text))

    if any(result.values for result in results):
        table = Table("picture", "answer", box=None, pad_edge=False)
        for result in results:
            words = ", ".join(
                f"{guess.name} {guess.probability:{'.6g' if guess.is_number else '.3f'}}" for guess in result.guesses
            )
            table.add_row(cell(result.name), cell(result.problem or words or "none"))
        return _print_table(table)
    table = Table("picture", *(f"guess {place}" for place in range(1, TOP + 1)), "unknown?", box=None, pad_edge=False)
    for result in results:
        if result.problem:
            table.add_row(cell(result.name), cell(result.problem))
            continue
        cells = [cell(f"{guess.name} {guess.probability:.3f}") for guess in result.guesses]
        cells += [Text("")] * (TOP - len(cells))
        table.add_row(cell(result.name), *cells, "unknown" if result.unknown else "")
    return _print_table(table)


def _print_table(table: "Table") -> str:
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=_WIDE, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _csv(results: Sequence[ImageResult], separator: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = next((tuple(name for name, _ in result.values) for result in results if result.values), ())
    if columns:
        writer.writerow(["picture", "answer", *columns, "problem"])
        for result in results:
            answer = [
                f"{guess.label}={guess.probability:.6g}" if guess.is_number else guess.label for guess in result.guesses
            ]
            numbers = [f"{value:.6g}" for _, value in result.values] or [""] * len(columns)
            writer.writerow([result.name, separator.join(answer), *numbers, result.problem])
        return out.getvalue()
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
    guesses = [
        {"class": guess.label, "name": guess.name, "value" if guess.is_number else "probability": guess.probability}
        for guess in result.guesses
    ]
    made: dict[str, object] = {"picture": result.name, "guesses": guesses}
    if result.values:
        made["values"] = dict(result.values)
    if result.p_known is not None:
        made |= {"unknown": result.unknown, "p_known": result.p_known}
    return made
